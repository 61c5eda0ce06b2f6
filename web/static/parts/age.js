// How long ago something was, kept up to date; the exact time on hover.
import { html } from './html.js';
import { now } from '../core/clock.js';
import { age, exact } from '../core/format.js';
import { t } from '../core/words.js';

/** @param {{at: number | string, suffix?: boolean}} p Unix ms, or a time as the API has it */
export function Age({ at, suffix = false }) {
  const ts = typeof at === 'string' ? Date.parse(at) : at;
  const ms = now.value - ts;
  const text = age(Math.abs(ms));
  const words = text === 'now' ? t('now') : ms < 0 ? t('in', { age: text }) : suffix ? t('ago', { age: text }) : text;
  return html`<time dateTime=${new Date(ts).toISOString()} title=${exact(ts)}>${words}</time>`;
}
