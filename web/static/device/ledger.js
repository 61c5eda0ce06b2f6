// What became of every reading of a device, by the hour of receipt.
import { html } from '../parts/html.js';
import { Panel } from '../parts/page.js';
import { Asking, useQuery } from '../parts/query.js';
import { count, moment } from '../core/format.js';
import { query, setQuery } from '../core/route.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';

const HOUR_MS = 3_600_000;
const AGAIN_MS = 10_000;
const parts = /** @type {const} */ (['stored', 'duplicate', 'rejected', 'pending']);

/** @typedef {import('../core/api.js').Ledger & {hour: string}} Hour */

/**
 * hours fills those in which nothing came, and answers the exact sum.
 * @param {Hour[]} items
 * @param {number} from Unix ms, a whole hour
 * @param {number} n how many hours
 */
export function hours(items, from, n) {
  const known = new Map(items.map((h) => [Date.parse(h.hour), h]));
  const none = { received: 0, stored: 0, duplicate: 0, rejected: 0, pending: 0, shed: 0 };
  const list = Array.from({ length: n }, (_, i) => {
    const at = from + i * HOUR_MS;
    return { ...none, ...known.get(at), at };
  });
  const sum = { ...none };
  for (const h of list) for (const k of /** @type {(keyof typeof none)[]} */ (Object.keys(none))) sum[k] += h[k];
  return { list, sum };
}

/** @param {{d: import('./watch.js').Device}} p */
export function LedgerTab({ d }) {
  const week = query.value.get('span') === '7d';
  const n = week ? 168 : 24;
  const asked = useQuery(async () => {
    const at = Date.now() + api.skew;
    const from = at - at % HOUR_MS - (n - 1) * HOUR_MS;
    const { items } = await api.call('/ledger', { query: { by: 'hour', deviceId: d.id, from: new Date(from).toISOString(), to: new Date(from + n * HOUR_MS).toISOString() } });
    return hours(items, from, n);
  }, [d.id, n], { every: AGAIN_MS, keep: true });
  const l = asked.value;
  return html`
    <${Panel} title=${t('device.ledger.title')} hint=${t('device.ledger.hint')} actions=${html`
        <div class="segments" role="group" aria-label=${t('device.ledger.span')}>
          <button aria-pressed=${!week} onClick=${() => setQuery({ span: null })}>${t('device.ledger.day')}</button>
          <button aria-pressed=${week} onClick=${() => setQuery({ span: '7d' })}>${t('device.ledger.week')}</button>
        </div>`}>
      <${Asking} of=${asked} />
      ${l && html`<${Bars} list=${l.list} /><${Sum} sum=${l.sum} /><${Hours} list=${l.list} />`}
    <//>`;
}

/** @typedef {ReturnType<typeof hours>['list'][number]} Filled */

/** @param {{list: Filled[]}} p */
function Bars({ list }) {
  const most = Math.max(1, ...list.map((h) => h.received));
  const gap = list.length > 48 ? 0.1 : 0.2;
  return html`
    <figure class="ledger-bars">
      <svg viewBox=${`0 0 ${list.length} 100`} preserveAspectRatio="none" role="img" aria-label=${t('device.ledger.bars', { n: count(most) })}>
        ${list.map((h, i) => {
          let y = 100;
          return parts.map((k) => {
            const height = (h[k] / most) * 100;
            y -= height;
            return height > 0 && html`<rect key=${k + i} class=${k} x=${i + gap / 2} y=${y} width=${1 - gap} height=${height}><title>${`${moment(h.at)} ${t('ledger.' + k)} ${count(h[k])}`}</title></rect>`;
          });
        })}
      </svg>
      <figcaption class="hint num"><span>${moment(list[0].at)}</span><span>${t('device.ledger.most', { n: count(most) })}</span><span>${t('now')}</span></figcaption>
    </figure>`;
}

/** @param {{sum: import('../core/api.js').Ledger}} p */
function Sum({ sum }) {
  const whole = sum.received === parts.reduce((s, k) => s + sum[k], 0);
  return html`
    <p class="ledger-sum num">
      <span><b>${count(sum.received)}</b> ${t('ledger.received')}</span> =
      ${parts.map((k, i) => html`<span key=${k} class=${'key ' + k}>${i > 0 ? '+ ' : ''}<i class="swatch" /><b>${count(sum[k])}</b> ${t('ledger.' + k)}</span>`)}
      ${!whole && html`<span class="hint">${t('device.ledger.moving')}</span>`}
    </p>`;
}

/** @param {{list: Filled[]}} p the hours in which something came, newest first */
function Hours({ list }) {
  const rows = list.filter((h) => h.received || h.shed).reverse();
  if (!rows.length) return html`<p class="hint pad">${t('device.ledger.none')}</p>`;
  const columns = /** @type {const} */ (['received', ...parts]);
  return html`
    <div class="table-box"><table class="table" aria-label=${t('device.ledger.title')}>
      <thead><tr><th scope="col">${t('device.ledger.hour')}</th>${columns.map((k) => html`<th key=${k} scope="col" class="num">${t('ledger.' + k)}</th>`)}</tr></thead>
      <tbody>${rows.map((h) => html`
        <tr key=${h.at}><td data-name=${t('device.ledger.hour')} class="num-left">${moment(h.at)}</td>
          ${columns.map((k) => html`<td key=${k} class=${'num ' + (k === 'rejected' && h[k] ? 'warned' : '')} data-name=${t('ledger.' + k)}>${count(h[k])}</td>`)}</tr>`)}
      </tbody>
    </table></div>`;
}
