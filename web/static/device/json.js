// JSON of devices: read without loss, shown so that people can read it.
import { useMemo, useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { bytes } from '../core/format.js';
import { t } from '../core/words.js';

const INLINE = 64; // characters that stand beside other things
const WIDTH = 76; // characters in a line
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
 * laidOut writes JSON for people: what fits stands in a line, what does not in
 * several.
 * @param {unknown} v
 * @param {string} [indent] of the line that it begins in
 * @returns {string}
 */
export function laidOut(v, indent = '') {
  if (v === null || typeof v !== 'object' || /** @type {any} */ (JSON).isRawJSON?.(v)) return JSON.stringify(v);
  const [open, close] = Array.isArray(v) ? '[]' : '{}';
  const inner = indent + '  ';
  const parts = Array.isArray(v) ? v.map((o) => laidOut(o, inner)) : Object.entries(v).map(([k, o]) => `${JSON.stringify(k)}: ${laidOut(o, inner)}`);
  const line = open + parts.join(', ') + close;
  if (indent.length + line.length <= WIDTH && !line.includes('\n')) return line;
  return `${open}\n${inner}${(Array.isArray(v) ? filled(parts, WIDTH - inner.length) : parts).join(`,\n${inner}`)}\n${indent}${close}`;
}

/**
 * filled puts the numbers of a list together into lines; its texts stay one each.
 * @param {string[]} parts
 * @param {number} width characters
 */
function filled(parts, width) {
  /** @type {string[]} */
  const lines = [];
  for (const p of parts) {
    const last = lines.at(-1);
    if (last !== undefined && /^[^[{"]*$/.test(last + p) && last.length + p.length + 2 <= width) lines[lines.length - 1] = `${last}, ${p}`; else lines.push(p);
  }
  return lines;
}

/**
 * beginning answers the first lines of a text; all of it when little is missing.
 * @param {string} text
 */
export function beginning(text) {
  const cut = text.split('\n', LINES + 1).slice(0, LINES).join('\n').slice(0, CUT);
  return text.length - cut.length <= 80 ? text : cut;
}

/**
 * isShort says whether JSON can stand beside other things.
 * @param {unknown} v
 * @param {number} [most] characters
 */
export const isShort = (v, most = INLINE) => JSON.stringify(v).length <= most && laidOut(v).length <= most;

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
