// Numbers as people type them.

/**
 * numberOf answers the number that was typed, with a point or a comma;
 * undefined for nothing, NaN for what is no number.
 * @param {string} text
 */
export function numberOf(text) {
  const s = text.trim().replaceAll('−', '-').replace(/[\s\u202f]/g, '').replace(',', '.');
  return s === '' ? undefined : Number(s);
}

/** typed writes a number as it is typed. @param {number | undefined} v */
export const typed = (v) => (v === undefined ? '' : String(v));
