// The top line: how fresh the page is, and what became of every reading.
import { html } from './html.js';
import { bytes, count, exact, short } from './format.js';
import { link, rate, retryAt, silent, status } from './pulse.js';
import { logout, session } from './session.js';
import { narrow, now } from './state.js';

export function Mark() {
  return html`
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <path d="M8 4v24M24 4v24" class="gate" />
      <path d="M8 12c4-3.500 6 3.500 8 1.500s4-5 8-1.500M8 21c4-3.500 6 3.500 8 1.500s4-5 8-1.500" class="tide" />
    </svg>`;
}

export function Header() {
  return html`
    <header class="top">
      <a class="brand" href="/" onClick=${home}><${Mark} /><span>tidegate</span></a>
      <${Link} />
      <${Ledger} />
      <${Log} />
      <button class="quiet out" title=${session.value?.email} onClick=${() => logout()}>Log out</button>
    </header>
    <${Warnings} />`;
}

/** @param {Event} event */
function home(event) {
  event.preventDefault();
  document.getElementById('search')?.focus();
}

const WORDS = { live: 'live', connecting: 'connecting', offline: 'offline' };

function Link() {
  const state = /** @type {keyof typeof WORDS} */ (link.value);
  const wait = state === 'connecting' && retryAt.value > 0 ? Math.ceil((retryAt.value - Date.now()) / 1000) : 0;
  if (wait > 0) void now.value; // counts down
  return html`
    <span class="state ${state}" role="status" title=${silent.value || 'Values arrive as they are stored.'}>
      <i class="dot" />${WORDS[state]}
      ${state === 'live' && rate.value !== null && html`<span class="rate num">${rate.value < 10 ? rate.value.toFixed(1) : short(rate.value)}/s</span>`}
      ${wait > 0 && html`<span class="rate num">again in ${wait} s</span>`}
    </span>`;
}

function Ledger() {
  if (status.value && !status.value.whole) return null; // the box's figures are not this caller's
  const l = status.value?.ledger;
  const cell = (/** @type {string} */ name, /** @type {number | undefined} */ n, /** @type {string} */ why, sign = '', tone = '') => html`
    <div class=${tone} title=${why + (n === undefined ? '' : ` Exactly ${count(n)}.`)}>
      ${sign && html`<span class="sign" aria-hidden="true">${sign}</span>`}
      <dt>${name}</dt><dd class="num">${n === undefined ? '–' : n < (narrow.value ? 1e5 : 1e9) ? count(n) : short(n)}</dd>
    </div>`;
  return html`
    <dl class="ledger" aria-label="Ledger of all readings">
      ${cell('received', l?.received, 'Readings that were acknowledged.')}
      ${cell('stored', l?.stored, 'Answered by every query.', '=')}
      ${cell('duplicate', l?.duplicate, 'The same reading again.', '+')}
      ${cell('rejected', l?.rejected, 'Dead letters: see below for cause and fix.', '+', l?.rejected ? 'warn' : '')}
      ${cell('pending', l?.pending, 'Acknowledged and safe in the log, not yet stored.', '+')}
    </dl>`;
}

function Log() {
  const log = status.value?.log;
  if (!log || !status.value?.whole) return null;
  const full = log.maxBytes > 0 ? log.bytes / log.maxBytes : 0;
  const eta = log.etaSeconds ? `, drained in ${Math.ceil(log.etaSeconds)} s` : '';
  return html`
    <dl class="log" title="${bytes(log.bytes)} of ${bytes(log.maxBytes)}${eta}">
      <div class=${full > 0.8 ? 'warn' : ''}><dt>log depth</dt><dd class="num">${count(log.depth)}</dd></div>
    </dl>`;
}

function Warnings() {
  const s = status.value;
  if (silent.value) {
    return html`<p class="banner bad" role="alert">${silent.value} ${s && 'What is shown is the last that was known; it goes on by itself.'}</p>`;
  }
  const warnings = s?.warnings || [];
  if (!warnings.length) return null;
  if (warnings.length === 1) return html`<p class="banner">${warnings[0]}</p>`;
  return html`
    <details class="banner">
      <summary>${warnings.length} warnings of the server</summary>
      <ul>${warnings.map((w) => html`<li key=${w}>${w}</li>`)}</ul>
    </details>`;
}

/** lastSeenTitle is the exact time of a device's last sign of life. */
export const lastSeenTitle = (/** @type {string | undefined} */ at) => (at ? exact(Date.parse(at)) : 'never connected');
