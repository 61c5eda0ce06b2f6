// The top line: how fresh the page is, and what became of every reading.
import { html } from '../parts/html.js';
import { Icon } from '../parts/icon.js';
import { Mark } from '../parts/mark.js';
import { now } from '../core/clock.js';
import { bytes, count, short } from '../core/format.js';
import { freshness, retryAt, silent } from '../core/line.js';
import { logout, session } from '../core/session.js';
import { t } from '../core/words.js';
import { rate, status } from './pulse.js';

export function Top() {
  return html`
    <header class="top">
      <a class="brand" href="/"><${Mark} /><span>tidegate</span></a>
      <${Link} />
      <${Ledger} />
      <${Log} />
      <span class="account">
        <a class="quiet" href="/me" title=${session.value?.email} aria-label=${t('nav.me')}><${Icon} name="me" /></a>
        <button class="quiet out" onClick=${() => logout()}>${t('logout')}</button>
      </span>
    </header>
    <${Warnings} />`;
}

function Link() {
  const state = freshness.value;
  const wait = state === 'connecting' && retryAt.value > 0 ? Math.ceil((retryAt.value - Date.now()) / 1000) : 0;
  if (wait > 0) void now.value; // counts down
  return html`
    <span class="state ${state}" role="status" title=${silent.value || t('top.liveHint')}>
      <i class="dot" />${t('top.' + state)}
      ${state === 'live' && rate.value !== null && html`<span class="rate num">${rate.value < 10 ? rate.value.toFixed(1) : short(rate.value)}/s</span>`}
      ${wait > 0 && html`<span class="rate num">${t('top.again', { n: wait })}</span>`}
    </span>`;
}

function Ledger() {
  if (status.value && !status.value.whole) return null; // the box's figures are not this caller's
  const l = status.value?.ledger;
  const cell = (/** @type {'received' | 'stored' | 'duplicate' | 'rejected' | 'pending'} */ name, sign = '') => {
    const n = l?.[name];
    return html`
      <div class=${name === 'rejected' && n ? 'warn' : ''} title=${t('ledger.' + name + 'Hint') + (n === undefined ? '' : ' ' + t('ledger.exactly', { n: count(n) }))}>
        ${sign && html`<span class="sign" aria-hidden="true">${sign}</span>`}
        <dt>${t('ledger.' + name)}</dt><dd class="num">${n === undefined ? '–' : n < 1e9 ? count(n) : short(n)}</dd>
      </div>`;
  };
  return html`
    <dl class="ledger" aria-label=${t('ledger.label')}>
      ${cell('received')}${cell('stored', '=')}${cell('duplicate', '+')}${cell('rejected', '+')}${cell('pending', '+')}
    </dl>`;
}

function Log() {
  const log = status.value?.log;
  if (!log || !status.value?.whole) return null;
  const full = log.maxBytes > 0 ? log.bytes / log.maxBytes : 0;
  const eta = log.etaSeconds ? ', ' + t('top.drained', { n: Math.ceil(log.etaSeconds) }) : '';
  return html`
    <dl class="log" title=${t('top.logHint', { used: bytes(log.bytes), of: bytes(log.maxBytes) }) + eta}>
      <div class=${full > 0.8 ? 'warn' : ''}><dt>${t('top.log')}</dt><dd class="num">${count(log.depth)}</dd></div>
    </dl>`;
}

function Warnings() {
  const s = status.value;
  if (silent.value) {
    return html`<p class="banner bad" role="alert">${silent.value} ${s && t('top.stale')}</p>`;
  }
  const warnings = s?.warnings || [];
  if (!warnings.length) return null;
  if (warnings.length === 1) return html`<p class="banner">${warnings[0]}</p>`;
  return html`
    <details class="banner">
      <summary>${t('top.warnings', { n: warnings.length })}</summary>
      <ul>${warnings.map((w) => html`<li key=${w}>${w}</li>`)}</ul>
    </details>`;
}
