// The ledger by hour of receipt.
import { useEffect, useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Empty, Panel } from '../parts/page.js';
import { Table } from '../parts/table.js';
import { count, moment } from '../core/format.js';
import { to } from '../core/route.js';
import { t } from '../core/words.js';
import { parts, sum } from './ledger.js';
import { part } from './nouns.js';

/** @typedef {import('./nouns.js').Hour} Hour */
/** @typedef {{hour: string, device: string} & import('../core/api.js').Ledger} Row */

const HOUR = 3_600_000;
const PAGE = 24;

/**
 * byHour adds up the devices of each hour.
 * @param {Hour[]} list
 * @returns {Row[]} the newest first
 */
export function byHour(list) {
  const groups = Map.groupBy(list, (h) => h.hour);
  return [...groups].map(([hour, of]) => ({ hour, device: '', ...sum(of) })).sort((a, b) => (a.hour < b.hour ? 1 : -1));
}

/**
 * lettersOf is the address of the dead letters of an hour.
 * @param {string} hour
 * @param {string} device empty: of all
 */
const lettersOf = (hour, device) => to('admin', 'deadletters') +
  `?from=${hour}&to=${new Date(Date.parse(hour) + HOUR).toISOString()}${device ? '&device=' + part(device) : ''}`;

/** @param {{list: Hour[], device: string}} p */
export function Hours({ list, device }) {
  const [shown, setShown] = useState(PAGE);
  useEffect(() => setShown(PAGE), [device]);
  const rows = byHour(list);
  const most = Math.max(1, ...rows.map((r) => r.received));
  const number = (/** @type {'received' | 'stored' | 'duplicate' | 'pending'} */ name) =>
    ({ name: t('ledger.' + name), className: 'num' + (name === 'pending' || name === 'duplicate' ? ' narrow-hides' : ''), cell: (/** @type {Row} */ r) => count(r[name]) });
  return html`
    <${Panel} title=${t('admin.ledger.hours')} hint=${t('admin.ledger.hoursHint')}>
      ${rows.length === 0 ? html`<${Empty} title=${t('admin.ledger.nothing')} />` : html`
        <${Table} label=${t('admin.ledger.hours')} rows=${rows.slice(0, shown)} rowKey=${(/** @type {Row} */ r) => r.hour}
          more=${rows.length > shown ? () => setShown(shown + 4 * PAGE) : null} columns=${[
          { name: t('admin.ledger.hour'), cell: (/** @type {Row} */ r) => html`<span class="num moment">${moment(Date.parse(r.hour))}</span>` },
          { name: t('admin.ledger.share'), className: 'wide bar-cell', cell: (/** @type {Row} */ r) => html`<${Bar} of=${r} most=${most} />` },
          number('received'), number('stored'), number('duplicate'),
          { name: t('ledger.rejected'), className: 'num', cell: (/** @type {Row} */ r) => (r.rejected ? html`<a href=${lettersOf(r.hour, device)}
            aria-label=${t('admin.ledger.lettersOf', { n: count(r.rejected), hour: moment(Date.parse(r.hour)) })}>${count(r.rejected)}</a>` : '0') },
          number('pending'),
        ]} />`}
    <//>`;
}

/** @param {{of: Row, most: number}} p the numbers beside it as lengths */
function Bar({ of, most }) {
  return html`<span class="bar" aria-hidden="true" style=${{ width: `${(100 * of.received) / most}%` }}>
    ${parts.map((p) => of[p] > 0 && html`<i key=${p} class=${p} style=${{ flexGrow: of[p] }} />`)}</span>`;
}
