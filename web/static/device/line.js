// The line that maps raw values to true ones.

/** @typedef {{scaling: number, offset: number}} Line */

/**
 * through answers the line through two pairs of raw and true value; null where
 * they do not make one: equal raw values have no line, equal true values have
 * one that makes all values the same.
 * @param {{raw: number, real: number}} a
 * @param {{raw: number, real: number}} b
 * @returns {Line | null}
 */
export function through(a, b) {
  if (![a.raw, a.real, b.raw, b.real].every(Number.isFinite) || a.raw === b.raw || a.real === b.real) return null;
  const scaling = clean((b.real - a.real) / (b.raw - a.raw));
  const offset = clean(a.real - scaling * a.raw);
  return Number.isFinite(scaling) && scaling !== 0 ? { scaling, offset } : null;
}

/** apply is what the server does. @param {Line} l @param {number} raw */
export const apply = (l, raw) => raw * l.scaling + l.offset;

/** clean is without the noise of the floating point. @param {number} v */
const clean = (v) => (Math.abs(v) < 1e-12 ? 0 : Number(v.toPrecision(12)));

/**
 * inForce is the calibration that counts at a time: the one that begins last
 * before it, of several that begin together the one entered last.
 * @template {{number: number, effectiveFrom: string | null}} C
 * @param {C[]} list
 * @param {number} at Unix ms
 * @returns {C | undefined}
 */
export function inForce(list, at) {
  const from = (/** @type {C} */ c) => (c.effectiveFrom ? Date.parse(c.effectiveFrom) : -Infinity);
  return list.filter((c) => from(c) <= at).sort((a, b) => from(b) - from(a) || b.number - a.number)[0];
}
