// Numbers as people type them.
import { Problem } from '../core/api.js';
import { t } from '../core/words.js';

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

/**
 * refusal says of fields what the server would say too, without asking it.
 * @param {Record<string, string>} faults by the fields' names
 */
export function refusal(faults) {
  return new Problem(0, t('device.lookAbove'), { errors: Object.entries(faults).map(([name, message]) => ({ message, location: 'body.' + name })) });
}
