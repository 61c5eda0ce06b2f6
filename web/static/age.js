// How long ago something was, kept up to date; the exact time on hover.
import { html } from './html.js';
import { age, exact } from './format.js';
import { now } from './state.js';

/** @param {{at: number, suffix?: boolean}} p Unix ms */
export function Age({ at, suffix = false }) {
  const text = age(now.value - at);
  return html`<time dateTime=${new Date(at).toISOString()} title=${exact(at)}>${text}${suffix && text !== 'now' && !text.startsWith('in') && ' ago'}</time>`;
}
