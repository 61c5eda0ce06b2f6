// Files that the server makes: fetched with the login, which a plain link has not.
import { signal } from '@preact/signals';
import { html } from './html.js';
import { bytes } from '../core/format.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { say } from './notice.js';

/** @type {import('@preact/signals').Signal<{name: string, got: number, stop: () => void}[]>} */
const running = signal([]);

/**
 * download fetches a file and hands it to the browser. It shows how far it is
 * and can be stopped; a file that breaks off is not kept.
 * @param {string} path below /api/v1
 * @param {import('../core/api.js').Query} query
 * @param {string} name of the file
 */
export async function download(path, query, name) {
  const stop = new AbortController();
  const job = { name, got: 0, stop: () => stop.abort() };
  running.value = [...running.value, job];
  try {
    const answer = await api.raw(path, { query, signal: stop.signal });
    const parts = [];
    const reader = /** @type {ReadableStream<Uint8Array<ArrayBuffer>>} */ (answer.body).getReader();
    for (let shown = 0; ;) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      job.got += value.length;
      if (job.got - shown > 1 << 18) {
        shown = job.got;
        running.value = [...running.value];
      }
    }
    const url = URL.createObjectURL(new Blob(parts, { type: answer.headers.get('Content-Type') || '' }));
    const a = document.createElement('a');
    a.href = url;
    a.download = name;
    a.click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  } catch (e) {
    if (!stop.signal.aborted) say(t('downloadFailed', { name, why: /** @type {Error} */ (e).message }), 'bad');
  } finally {
    running.value = running.value.filter((j) => j !== job);
  }
}

/** Downloads shows those that run; it stands once in the page. */
export function Downloads() {
  if (!running.value.length) return null;
  return html`
    <ul class="downloads" aria-label=${t('downloads')}>
      ${running.value.map((j) => html`
        <li key=${j.name}>${j.name} <span class="num hint">${bytes(j.got)}</span> <button class="quiet" onClick=${j.stop}>${t('cancel')}</button></li>`)}
    </ul>`;
}
