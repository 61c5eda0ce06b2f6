// Who did what: the audit trail, newest first, and whether its chain holds.
import { useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { download } from '../parts/download.js';
import { Icon } from '../parts/icon.js';
import { Empty, Panel } from '../parts/page.js';
import { Asking, usePages } from '../parts/query.js';
import { Table } from '../parts/table.js';
import { count, day } from '../core/format.js';
import { now } from '../core/clock.js';
import { may } from '../core/me.js';
import { query, setQuery } from '../core/route.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { Change } from './change.js';
import { Moment, Range, rangeOf } from './range.js';
import { Search } from './search.js';

/** @typedef {import('./nouns.js').Entry} Entry */

const PAGE = 50;
const PATIENCE_MS = 300_000; // a long chain takes its time
const names = ['actor', 'action', 'noun', 'id'];
const nouns = ['alertrule', 'apikey', 'channel', 'device', 'organization', 'port', 'session', 'user'];

export function AuditTrail() {
  const get = (/** @type {string} */ name) => query.value.get(name) || '';
  const q = Object.fromEntries(names.map((n) => [n, get(n)]));
  const list = usePages((cursor) => {
    const { from, to } = rangeOf();
    return api.call('/audit', { query: { ...q, from, to, order: 'desc', limit: PAGE, cursor } });
  }, [...Object.values(q), rangeOf().key]);
  const [open, setOpen] = useState(/** @type {Set<number>} */ (new Set()));
  const toggle = (/** @type {number} */ seq) => {
    const next = new Set(open);
    if (!next.delete(seq)) next.add(seq);
    setOpen(next);
  };
  const rows = list.items || [];
  const filtered = names.some((n) => q[n]) || rangeOf().key;
  return html`
    <${Panel} title=${t('admin.tabs.audit')} hint=${t('admin.audit.hint')} actions=${may('company') && html`
      <button class="secondary" onClick=${() => download('/exports/audit.log', {}, `tidegate-audit-${day(now.peek())}.log`)}><${Icon} name="down" /> ${t('admin.audit.export')}</button>`}>
      ${may('company') && html`<${Chain} />`}
      <div class="filters fields" role="search" aria-label=${t('admin.filter')}>
        <${Search} label=${t('admin.audit.actor')} name="actor" placeholder="user:ann@example.org" />
        <${Search} label=${t('admin.audit.action')} name="action" placeholder="device.update" />
        <${Search} label=${t('admin.audit.noun')} name="noun" list=${nouns} />
        <${Search} label=${t('admin.audit.id')} name="id" />
        <${Range} offers=${['1h', '24h', '7d', '30d', '365d']} />
      </div>
      <${Asking} of=${list} />
      ${list.items && (rows.length || list.more ? html`
        <${Table} label=${t('admin.tabs.audit')} rows=${rows} rowKey=${(/** @type {Entry} */ e) => String(e.seq)} more=${list.more} loading=${list.loading}
          columns=${columns(open, toggle)} below=${(/** @type {Entry} */ e) => (open.has(e.seq) ? html`<${Change} e=${e} />` : null)} />`
        : html`<${Empty} title=${t(filtered ? 'admin.noMatch' : 'admin.audit.empty')}>
          ${filtered && html`<button class="secondary" onClick=${() => setQuery({ actor: null, action: null, noun: null, id: null, range: null, from: null, to: null })}>${t('admin.clear')}</button>`}<//>`)}
    <//>`;
}

/**
 * @param {Set<number>} open
 * @param {(seq: number) => void} toggle
 */
function columns(open, toggle) {
  const at = (/** @type {Entry} */ e) => html`
    <button class="expand" aria-expanded=${open.has(e.seq)} onClick=${() => toggle(e.seq)}>
      <${Icon} name="next" /> <${Moment} at=${e.at} /><span class="unseen"> ${e.action} ${e.seq}</span></button>`;
  return [
    { name: t('admin.audit.at'), cell: at },
    { name: t('admin.audit.actor'), cell: (/** @type {Entry} */ e) => e.actor },
    { name: t('admin.audit.action'), cell: (/** @type {Entry} */ e) => html`<code>${e.action}</code>` },
    { name: t('admin.audit.object'), className: 'wide', cell: (/** @type {Entry} */ e) => `${e.noun} ${titleOf(e)}` },
    { name: t('admin.org'), cell: (/** @type {Entry} */ e) => e.org || '–' },
    { name: t('admin.audit.remote'), className: 'narrow-hides', cell: (/** @type {Entry} */ e) => e.remote || '–' },
    { name: '#', className: 'num narrow-hides', cell: (/** @type {Entry} */ e) => e.seq },
  ];
}

/** @param {Entry} e what a person calls the object */
function titleOf(e) {
  const o = e.after || e.before || {};
  return e.noun === 'user' ? o.email || e.id : e.noun === 'apikey' ? o.name || e.id : e.id;
}

function Chain() {
  const [state, setState] = useState(/** @type {{busy?: boolean, text?: string, good?: boolean}} */ ({}));
  const verify = async () => {
    setState({ busy: true });
    try {
      const v = await api.call('/audit/verify', { signal: AbortSignal.timeout(PATIENCE_MS) });
      setState({ good: v.valid, text: v.valid ? t('admin.audit.holds', { n: v.entries, count: count(v.entries) }) : t('admin.audit.broken', { detail: v.detail || '' }) });
    } catch (e) {
      setState({ good: false, text: /** @type {Error} */ (e).message });
    }
  };
  return html`
    <div class="chain">
      <button class="secondary" disabled=${state.busy} onClick=${verify}><${Icon} name="check" /> ${t('admin.audit.verify')}</button>
      <span role="status" class=${state.text ? (state.good ? 'good' : 'bad') : 'hint'}>${state.busy ? t('busy') : state.text || t('admin.audit.verifyHint')}</span>
    </div>`;
}
