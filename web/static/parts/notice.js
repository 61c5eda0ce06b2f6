// Short words about what was just done; they go by themselves.
import { signal } from '@preact/signals';
import { html } from './html.js';

const SHOWN_MS = 6_000;
const MOST = 4;

let next = 1;
const notices = signal(/** @type {{id: number, text: string, tone: string}[]} */ ([]));

/**
 * say tells what was done.
 * @param {string} text
 * @param {'good' | 'bad'} [tone]
 */
export function say(text, tone = 'good') {
  const id = next++;
  notices.value = [...notices.value, { id, text, tone }].slice(-MOST);
  setTimeout(() => { notices.value = notices.value.filter((n) => n.id !== id); }, tone === 'bad' ? 2 * SHOWN_MS : SHOWN_MS);
}

/**
 * tell runs something outside of a form, and says when it did not work.
 * @param {() => Promise<unknown>} act
 * @param {string} [done] words for when it did
 */
export async function tell(act, done) {
  try {
    await act();
    if (done) say(done);
    return true;
  } catch (e) {
    say(/** @type {Error} */ (e).message, 'bad');
    return false;
  }
}

/** Notices stands once in the page. */
export function Notices() {
  return html`<div class="notices" role="status" aria-live="polite">${notices.value.map((n) => html`<p key=${n.id} class=${n.tone}>${n.text}</p>`)}</div>`;
}
