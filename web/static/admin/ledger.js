// What became of every reading: in sum, by hour, and by device.
import { html } from '../parts/html.js';
import { Panel } from '../parts/page.js';
import { Asking, useQuery } from '../parts/query.js';
import { count } from '../core/format.js';
import { whole } from '../core/me.js';
import { query } from '../core/route.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { devices, status } from '../shell/pulse.js';
import { Contributors } from './contributors.js';
import { Hours } from './hours.js';
import { Range, rangeOf } from './range.js';
import { Search } from './search.js';

/** @typedef {import('../core/api.js').Ledger} Ledger */
/** @typedef {import('./nouns.js').Hour} Hour */

const ABSENT = '24h';
const EVERY_MS = 30_000;
const MOST_NAMES = 500;

/** parts of what was received, in the order of the equation. */
export const parts = /** @type {const} */ (['stored', 'duplicate', 'rejected', 'pending']);

/** @param {Ledger[]} list */
export function sum(list) {
  const total = { received: 0, stored: 0, duplicate: 0, rejected: 0, pending: 0, shed: 0 };
  for (const l of list) for (const p of /** @type {(keyof typeof total)[]} */ (Object.keys(total))) total[p] += l[p] || 0;
  return total;
}

export function LedgerTab() {
  const { key } = rangeOf(ABSENT);
  const device = query.value.get('device') || '';
  const hours = useQuery(async () => {
    const { from, to } = rangeOf(ABSENT);
    return /** @type {Hour[]} */ ((await api.call('/ledger', { query: { by: 'hour', from, to, deviceId: device } })).items);
  }, [key, device], { every: EVERY_MS });
  const list = hours.value;
  return html`
    ${whole.value && status.value && html`
      <${Panel} title=${t('admin.ledger.ever')} hint=${t('admin.ledger.everHint')}><${Equation} l=${status.value.ledger} /><//>`}
    <${Panel} title=${t('admin.ledger.range')} hint=${t('admin.ledger.rangeHint')}>
      <div class="filters fields" role="search" aria-label=${t('admin.filter')}>
        <${Search} label=${t('admin.device')} name="device" placeholder=${t('admin.anyDevice')} list=${(devices.value || []).slice(0, MOST_NAMES).map((d) => d.id)} />
        <${Range} absent=${ABSENT} any=${false} offers=${['6h', '24h', '7d', '30d']} />
      </div>
      <${Asking} of=${hours} />
      ${list && html`<${Equation} l=${sum(list)} />`}
    <//>
    ${list && html`<div class="columns ledger-columns"><${Hours} list=${list} device=${device} /><${Contributors} list=${list} /></div>`}`;
}

/** @param {{l: Ledger}} p received = stored + duplicate + rejected + pending, and whether it is so */
function Equation({ l }) {
  const right = parts.reduce((n, p) => n + l[p], 0);
  const exact = right === l.received;
  return html`
    <div class="equation-box"><dl class="equation">
      <div><dt>${t('ledger.received')}</dt><dd class="num">${count(l.received)}</dd></div>
      ${parts.map((p, i) => html`
        <span key=${p + ' sign'} class="sign" aria-hidden="true">${i ? '+' : '='}</span>
        <div key=${p} class=${p === 'rejected' && l.rejected ? 'warn' : ''}><dt>${t('ledger.' + p)}</dt><dd class="num">${count(l[p])}</dd></div>`)}
    </dl>
    <p class=${exact ? 'good' : 'bad'}>${exact ? t('admin.ledger.exact') : t('admin.ledger.differs', { n: count(l.received - right) })}</p></div>
    ${l.shed > 0 && html`<p class="hint pad">${t('admin.ledger.shed', { n: count(l.shed) })}</p>`}`;
}
