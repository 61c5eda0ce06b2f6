// Rules in a few words.
import { value } from '../core/format.js';
import { t } from '../core/words.js';

/** @typedef {import('./draft.js').Condition} Condition */

/**
 * conditionText says what is an alarm.
 * @param {Condition} c
 * @param {string} [lasts] for how long it has to hold
 */
export function conditionText(c, lasts) {
  const v = (/** @type {number | undefined} */ n) => (n === undefined ? t('rules.says.own') : value(n));
  const parts = [];
  switch (c.kind) {
    case 'above': parts.push(t('rules.says.above', { high: v(c.high) })); break;
    case 'below': parts.push(t('rules.says.below', { low: v(c.low) })); break;
    case 'outside':
      parts.push(c.low === undefined && c.high === undefined ? t('rules.says.limits') : t('rules.says.outside', { low: v(c.low), high: v(c.high) }));
      break;
    case 'between': parts.push(t('rules.says.between', { low: v(c.low), high: v(c.high) })); break;
    case 'equals': parts.push(t('rules.says.equals', { value: v(c.value) })); break;
    case 'changed': parts.push(t('rules.says.changed')); break;
    case 'rate':
      if (c.rise !== undefined) parts.push(t('rules.says.rise', { rise: v(c.rise), per: c.per || '1s' }));
      if (c.fall !== undefined) parts.push(t('rules.says.fall', { fall: v(c.fall), per: c.per || '1s' }));
      break;
    case 'no_data': parts.push(c.silentFor ? t('rules.says.silent', { time: c.silentFor }) : t('rules.says.silentFactor', { n: c.factor || 5 })); break;
    case 'deviation':
      parts.push(c.sigmas ? t('rules.says.sigmas', { n: c.sigmas, window: c.window || '' }) : t('rules.says.distance', { n: v(c.distance), window: c.window || '' }));
      break;
    case 'stuck': parts.push(t('rules.says.stuck', { window: c.window || '' })); break;
    default: parts.push(c.kind);
  }
  if (c.clear !== undefined) parts.push(t('rules.says.clear', { clear: v(c.clear) }));
  if (lasts) parts.push(t('rules.says.lasts', { time: lasts }));
  return parts.join(', ');
}

const SHOWN = 3;

/**
 * selectionText says what is watched.
 * @param {import('./draft.js').Selection} s
 */
export function selectionText(s) {
  const few = (/** @type {(string | number)[]} */ list) => list.slice(0, SHOWN).join(', ') + (list.length > SHOWN ? ` +${list.length - SHOWN}` : '');
  const parts = [
    s.deviceIds?.length ? few(s.deviceIds) : '', s.tags?.length ? t('rules.says.tags', { tags: few(s.tags) }) : '',
    s.ports?.length ? t('rules.says.ports', { ports: few(s.ports) }) : '', s.portNames?.length ? few(s.portNames) : '',
  ].filter(Boolean);
  return parts.join(' · ') || t('rules.says.all');
}
