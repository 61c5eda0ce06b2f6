// The history of a port, as fine as a chart needs it.
import { Series } from '../chart/series.js';
import { api } from '../core/session.js';

const POINTS = 900;
const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400];

/**
 * stepOf answers how long a point of a chart is, in ms.
 * @param {number} span ms
 */
export function stepOf(span) { return 1000 * (STEPS_S.find((s) => span / 1000 / s <= POINTS) ?? 86_400); }

/**
 * historyOf answers a port's values: mean, least and greatest of each step.
 * @param {string} deviceId
 * @param {number} portNumber
 * @param {number} from Unix ms
 * @param {number} to Unix ms
 */
export async function historyOf(deviceId, portNumber, from, to) {
  const every = stepOf(to - from);
  const series = new Series();
  series.clear(every > 1000 ? every : 0);
  for (const a of await api.aggregates(deviceId, portNumber, from, to, every)) series.put(Date.parse(a.ts), a);
  return series;
}

/** @typedef {{name: string, field: string, value: number, own?: boolean}} Level own: the port's, not the rule's */

/**
 * levelsOf answers the levels that a condition compares values with.
 * @param {import('./draft.js').Condition} c
 * @param {import('../core/api.js').Port} [port] has its own where the condition has none
 * @returns {Level[]}
 */
export function levelsOf(c, port) {
  /** @type {Level[]} */
  const levels = [];
  const add = (/** @type {'high' | 'low' | 'value' | 'clear'} */ field, /** @type {number | undefined} */ own) => {
    const v = c[field] ?? own;
    if (v !== undefined) levels.push({ name: field, field, value: v, own: c[field] === undefined });
  };
  if (['above', 'outside', 'between'].includes(c.kind)) add('high', port?.high);
  if (['below', 'outside', 'between'].includes(c.kind)) add('low', port?.low);
  if (c.kind === 'equals') add('value', undefined);
  if (['above', 'below'].includes(c.kind)) add('clear', undefined);
  return levels;
}
