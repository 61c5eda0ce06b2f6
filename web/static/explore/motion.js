// Ranges of time and how they are moved.

/** @typedef {{from: number, to: number}} Range Unix ms; to is exclusive */

export const LEAST_MS = 100;
const MOST_MS = 50 * 365 * 86_400_000;
const AHEAD_MS = 600_000; // a device's clock may be ahead
const NOW = 0.004; // of the range: so near to now, it ends now

/**
 * bounded keeps a range in what can be looked at: not too short, not too
 * long, not in the future. Its length stays when it can.
 * @param {Range} r
 * @param {number} now Unix ms
 * @returns {Range}
 */
export function bounded({ from, to }, now) {
  const middle = (from + to) / 2;
  const length = Math.min(MOST_MS, Math.max(LEAST_MS, to - from));
  let begin = to - from === length ? from : middle - length / 2;
  begin = Math.max(0, Math.min(begin, now + AHEAD_MS - length));
  return { from: Math.round(begin), to: Math.round(begin + length) };
}

/**
 * panned moves a range by a part of its length; it stops at now.
 * @param {Range} r
 * @param {number} part below 0: to the past
 * @param {number} now
 */
export function panned({ from, to }, part, now) {
  const by = Math.min(part * (to - from), Math.max(0, now - to));
  return bounded({ from: from + by, to: to + by }, now);
}

/**
 * zoomed makes a range longer or shorter around a time that stays where it is.
 * @param {Range} r
 * @param {number} factor of the length
 * @param {number} at Unix ms
 * @param {number} now
 */
export function zoomed({ from, to }, factor, at, now) {
  const f = Math.max(factor, LEAST_MS / (to - from));
  const r = { from: at - (at - from) * f, to: at + (to - at) * f };
  const over = r.to - Math.max(now, to);
  return bounded(over > 0 ? { from: r.from - over, to: r.to - over } : r, now);
}

/**
 * pinched moves a range so that two times stay under two fingers.
 * @param {Range} r as it was when the fingers came down
 * @param {[number, number]} before places of the fingers then, as parts of the width
 * @param {[number, number]} after places now
 * @param {number} now
 */
export function pinched({ from, to }, before, after, now) {
  const length = to - from;
  const apart = (/** @type {[number, number]} */ p) => Math.max(0.02, Math.abs(p[1] - p[0]));
  const next = Math.max(LEAST_MS, length * apart(before) / apart(after));
  const held = from + length * (before[0] + before[1]) / 2; // the time between the fingers
  const begin = held - next * (after[0] + after[1]) / 2;
  const over = Math.max(0, begin + next - Math.max(now, to));
  return bounded({ from: begin - over, to: begin + next - over }, now);
}

/**
 * endsNow says whether a range may be taken for one that ends now, and goes on.
 * @param {Range} r
 * @param {number} now
 */
export function endsNow({ from, to }, now) { return Math.abs(to - now) <= Math.max(1_000, NOW * (to - from)); }
