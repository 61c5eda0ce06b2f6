// The devices that the ledger of a range is of; those with the most trouble first.
import { useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Empty, Panel } from '../parts/page.js';
import { Table } from '../parts/table.js';
import { count } from '../core/format.js';
import { query, to } from '../core/route.js';
import { t } from '../core/words.js';
import { sum } from './ledger.js';
import { part } from './nouns.js';

/** @typedef {import('./nouns.js').Hour} Hour */
/** @typedef {{device: string, trouble: number} & import('../core/api.js').Ledger} Row */

const PAGE = 20;

/**
 * byDevice adds up the hours of each device.
 * @param {Hour[]} list
 * @returns {Row[]}
 */
export function byDevice(list) {
  return [...Map.groupBy(list, (h) => h.deviceId)].map(([device, of]) => {
    const s = sum(of);
    return { device, ...s, trouble: s.rejected + s.duplicate };
  });
}

/** lettersOf is the address of the dead letters of a device, in the range that is shown. @param {string} device */
function lettersOf(device) {
  const q = new URLSearchParams();
  for (const name of ['from', 'to']) if (query.value.has(name)) q.set(name, query.value.get(name) || '');
  if (!q.size) q.set('range', query.value.get('range') || '24h');
  return `${to('admin', 'deadletters')}?${q.toString().replaceAll('%3A', ':')}&${device ? 'device=' + part(device) : 'reason=unknown_device'}`;
}

/** @param {{list: Hour[]}} p */
export function Contributors({ list }) {
  const [sort, setSort] = useState(/** @type {{by: 'rejected' | 'duplicate' | 'received' | 'trouble', down: boolean}} */ ({ by: 'trouble', down: true }));
  const [shown, setShown] = useState(PAGE);
  const rows = byDevice(list).sort((a, b) => (sort.down ? b[sort.by] - a[sort.by] : a[sort.by] - b[sort.by]) || b.received - a.received || (a.device < b.device ? -1 : 1));
  return html`
    <${Panel} title=${t('admin.ledger.devices')} hint=${t('admin.ledger.devicesHint')}>
      ${rows.length === 0 ? html`<${Empty} title=${t('admin.ledger.nothing')} />` : html`
        <${Table} label=${t('admin.ledger.devices')} rows=${rows.slice(0, shown)} rowKey=${(/** @type {Row} */ r) => r.device}
          more=${rows.length > shown ? () => setShown(shown + 5 * PAGE) : null} sort=${sort.by} descending=${sort.down}
          onSort=${(/** @type {any} */ by, /** @type {boolean} */ down) => setSort({ by, down: by === sort.by ? down : true })} columns=${[
          { name: t('admin.device'), className: 'wide', cell: (/** @type {Row} */ r) => (r.device ? html`<a href=${to('devices', r.device)}>${r.device}</a>` : t('admin.ledger.unregistered')) },
          { name: t('ledger.received'), className: 'num', sort: 'received', cell: (/** @type {Row} */ r) => count(r.received) },
          { name: t('ledger.rejected'), className: 'num', sort: 'rejected', cell: (/** @type {Row} */ r) => (r.rejected ? html`<a href=${lettersOf(r.device)}
            aria-label=${t('admin.ledger.lettersOfDevice', { n: count(r.rejected), device: r.device || t('admin.ledger.unregistered') })}>${count(r.rejected)}</a>` : '0') },
          { name: t('ledger.duplicate'), className: 'num', sort: 'duplicate', cell: (/** @type {Row} */ r) => count(r.duplicate) },
        ]} />`}
    <//>`;
}
