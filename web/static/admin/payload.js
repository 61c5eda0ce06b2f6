// What was sent, as it was sent: text as text, all else as bytes.
import { html } from '../parts/html.js';
import { Panel } from '../parts/page.js';
import { bytes, count } from '../core/format.js';
import { t } from '../core/words.js';

const MOST_TEXT = 64 << 10; // characters that are shown
const MOST_BYTES = 4 << 10;
const WIDTH = 16;

/**
 * dump writes bytes by lines of sixteen: where, which, and what they are as ASCII.
 * @param {string} hex
 */
export function dump(hex) {
  const lines = [];
  for (let at = 0; at < hex.length; at += 2 * WIDTH) {
    const row = hex.slice(at, at + 2 * WIDTH).match(/../g) || [];
    const ascii = row.map((b) => { const c = parseInt(b, 16); return c > 31 && c < 127 ? String.fromCharCode(c) : '.'; }).join('');
    lines.push(`${(at / 2).toString(16).padStart(6, '0')}  ${row.join(' ').padEnd(3 * WIDTH - 1)}  ${ascii}`);
  }
  return lines.join('\n');
}

/** @param {{l: import('./nouns.js').Letter}} p */
export function Payload({ l }) {
  const hex = l.payloadHex;
  const kept = hex ? hex.length / 2 : new TextEncoder().encode(l.payload).length;
  const shown = hex ? dump(hex.slice(0, 2 * MOST_BYTES)) : l.payload.slice(0, MOST_TEXT);
  const cut = hex ? kept > MOST_BYTES : l.payload.length > MOST_TEXT;
  return html`
    <${Panel} title=${t('admin.letter.payload')} hint=${`${bytes(l.payloadBytes)} · ${t(hex ? 'admin.letter.binary' : 'admin.letter.text')}`}>
      <div class="payload">
        ${l.payloadBytes > kept && html`<p class="hint">${t('admin.letter.kept', { n: count(kept), of: count(l.payloadBytes) })}</p>`}
        <pre tabIndex=${0} role="region" aria-label=${t('admin.letter.payload')} class=${hex ? 'hex' : ''}>${shown}</pre>
        ${cut && html`<p class="hint">${t('admin.letter.begin')}</p>`}
      </div>
    <//>`;
}
