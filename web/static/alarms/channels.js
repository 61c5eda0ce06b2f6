// The channels: who is told, and how.
import { html } from '../parts/html.js';
import { Badge, Empty, Page } from '../parts/page.js';
import { Asking, usePages } from '../parts/query.js';
import { Table } from '../parts/table.js';
import { may, whole } from '../core/me.js';
import { query, setQuery, to } from '../core/route.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { types } from './channeldraft.js';
import { Severity, tabs } from './frame.js';

/** @typedef {import('./channeldraft.js').ChannelInfo} ChannelInfo */

/** @param {ChannelInfo} c */
const target = (c) => (c.to?.length ? c.to.slice(0, 2).join(', ') + (c.to.length > 2 ? ` +${c.to.length - 2}` : '') : c.url || '–');

export function Channels() {
  const type = query.value.get('type') || '';
  const q = query.value.get('q') || '';
  const allowed = may('write');
  const list = usePages((cursor) => /** @type {Promise<{items: ChannelInfo[]}>} */ (
    allowed ? api.call('/channels', { query: { type, q, cursor, limit: 100 } }) : Promise.resolve({ items: [] })), [type, q, allowed]);
  const columns = [
    { name: t('rules.field.name'), cell: (/** @type {ChannelInfo} */ c) => c.name },
    { name: t('channels.field.type'), cell: (/** @type {ChannelInfo} */ c) => t('channels.type.' + c.type) },
    { name: t('channels.target'), cell: target, className: 'wide' },
    { name: t('channels.field.severities'), cell: (/** @type {ChannelInfo} */ c) => (c.severities?.length ? c.severities.map((s) => html`<${Severity} key=${s} of=${s} /> `) : html`<span class="hint">${t('channels.named')}</span>`) },
    ...(whole.value ? [{ name: t('rules.field.org'), cell: (/** @type {ChannelInfo} */ c) => c.orgId }] : []),
    { name: t('rules.field.enabled'), cell: (/** @type {ChannelInfo} */ c) => html`<${Badge} tone=${c.enabled ? 'good' : 'quiet'}>${t(c.enabled ? 'rules.on' : 'rules.off')}<//>` },
  ];
  return html`
    <${Page} title=${t('channels.title')} tabs=${tabs()} actions=${may('admin') && html`<a class="button" href="/alarms/channels/new">${t('channels.new')}</a>`}>
      <section class="panel">
        <div class="filters alarm-filters">
          <input type="search" aria-label=${t('channels.search')} placeholder=${t('channels.search')} value=${q} onChange=${(/** @type {any} */ e) => setQuery({ q: e.target.value.trim() })} />
          <select aria-label=${t('channels.field.type')} value=${type} onChange=${(/** @type {any} */ e) => setQuery({ type: e.target.value })}>
            <option value="">${t('channels.anyType')}</option>
            ${Object.keys(types).map((v) => html`<option key=${v} value=${v}>${t('channels.type.' + v)}</option>`)}
          </select>
        </div>
        ${allowed ? html`<${Asking} of=${list} />` : html`<p class="hint pad">${t('channels.notYours')}</p>`}
        ${allowed && list.items && (list.items.length ? html`
          <${Table} label=${t('channels.title')} columns=${columns} rows=${list.items} rowKey=${(/** @type {ChannelInfo} */ c) => c.id}
            href=${(/** @type {ChannelInfo} */ c) => to('alarms', 'channels', c.id)} more=${list.more} loading=${list.loading} />` : html`
          <${Empty} title=${q || type ? t('alarms.noMatch') : t('channels.none')}><p class="hint">${t('channels.noneHint')}</p><//>`)}
      </section>
    <//>`;
}
