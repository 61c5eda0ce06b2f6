// JSON of devices: read without loss, shown so that people can read it.
import { useMemo, useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { bytes } from '../core/format.js';
import { t } from '../core/words.js';

const INLINE = 64; // characters, in the line
const LINES = 12; // of a longer one, before it is wanted whole
const CUT = 1_000; // characters, as above

/** @type {((source: string) => unknown) | undefined} not in every browser */
const rawJSON = /** @type {any} */ (JSON).rawJSON;

/**
 * parseExact reads JSON so that JSON.stringify writes each number with the
 * digits that it came with, also those of 64 bits; where the browser cannot,
 * as near as a double is.
 * @param {string} text
 * @returns {any}
 */
export function parseExact(text) {
  if (!rawJSON) return JSON.parse(text);
  const kept = (/** @type {string} */ _, /** @type {unknown} */ v, /** @type {{source: string}} */ { source }) => (typeof v === 'number' && String(v) !== source ? rawJSON(source) : v);
  return JSON.parse(text, /** @type {any} */ (kept));
}

/**
 * laidOut writes JSON for people: in a line, or, when that is long, in many.
 * @param {unknown} v
 */
export function laidOut(v) {
  const line = JSON.stringify(v);
  return line.length <= INLINE ? line : JSON.stringify(v, null, 2);
}

/**
 * beginning answers the first lines of a text; all of it when little is missing.
 * @param {string} text
 */
export function beginning(text) {
  const cut = text.split('\n', LINES + 1).slice(0, LINES).join('\n').slice(0, CUT);
  return text.length - cut.length <= 80 ? text : cut;
}

/** @param {{of: unknown, label: string}} p */
export function Json({ of, label }) {
  const [whole, setWhole] = useState(false);
  const text = useMemo(() => laidOut(of), [of]);
  if (text.length <= INLINE) return html`<code class="json">${text}</code>`;
  const begin = beginning(text);
  return html`
    <div class="json">
      <pre tabIndex=${0} role="group" aria-label=${label}>${whole ? text : begin}${!whole && begin !== text && '\u2009…'}</pre>
      ${begin !== text && html`<button class="link" aria-expanded=${whole} onClick=${() => setWhole(!whole)}>${
        whole ? t('device.commands.less') : t('device.commands.whole', { of: bytes(new TextEncoder().encode(text).length) })}</button>`}
    </div>`;
}
