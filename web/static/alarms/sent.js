// What channels were told, and what became of it.
import { useEffect, useRef } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Age } from '../parts/age.js';
import { say, tell } from '../parts/notice.js';
import { Badge, Empty, Page } from '../parts/page.js';
import { Asking, usePages } from '../parts/query.js';
import { Table } from '../parts/table.js';
import { may, whole } from '../core/me.js';
import { query, setQuery, to } from '../core/route.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { tabs } from './frame.js';
import { useChannels, useOrganizations } from './nouns.js';
import { OrgChoice } from './orgchoice.js';

/**
 * @typedef {{id: string, orgId: string, channelId: string, cause: string, state: string, eventId: string, event: import('../core/api.js').AlertEvent,
 *   createdAt: string, notBefore: string, expiresAt: string, deliveryId?: string, attempts: number, lastError?: string, deliveredAt?: string}} Told
 */

const states = ['queued', 'delivered', 'dead', 'obsolete'];
const PAGE = 50;
const POLL_MS = 5_000;

/** @param {{n: Told}} p */
export function ToldState({ n }) {
  return html`<${Badge} tone=${n.state === 'delivered' ? 'good' : n.state === 'dead' ? 'bad' : n.state === 'queued' && n.attempts > 0 ? 'warn' : 'quiet'}>${t('alarms.told.' + n.state)}<//>`;
}

/** resend tells a channel again. @param {Told} n */
export const resend = (n) => tell(async () => {
  await api.call(`/notifications/${encodeURIComponent(n.id)}/resend`, { method: 'POST' });
  say(t('alarms.resent'));
});

/**
 * @param {{rows: Told[], about?: boolean, more?: (() => void) | null, loading?: boolean, onChange: () => void}} p about: which alarm it is of
 */
export function NotificationTable({ rows, about = true, more, loading, onChange }) {
  const names = new Map(useChannels().map((c) => [c.id, c.name]));
  const columns = [
    { name: t('alarms.when'), cell: (/** @type {Told} */ n) => html`<${Age} at=${n.createdAt} suffix />` },
    { name: t('alarms.cause'), cell: (/** @type {Told} */ n) => t('alarms.causes.' + n.cause) },
    ...(about ? [{ name: t('alarms.one'), cell: (/** @type {Told} */ n) => html`<a href=${to('alarms', n.eventId)}>${n.event.message}</a>`, className: 'wide' }] : []),
    { name: t('channels.one'), cell: (/** @type {Told} */ n) => (may('write') ? html`<a href=${to('alarms', 'channels', n.channelId)}>${names.get(n.channelId) || n.channelId}</a>` : n.channelId) },
    { name: t('alarms.outcome'), cell: (/** @type {Told} */ n) => html`<${ToldState} n=${n} />${n.state === 'queued' && html` <small><${Age} at=${n.notBefore} /></small>`}` },
    { name: t('alarms.attempts'), cell: (/** @type {Told} */ n) => n.attempts, className: 'num narrow-hides' },
    { name: t('alarms.answer'), cell: (/** @type {Told} */ n) => html`<span class="hint">${n.lastError || (n.deliveredAt ? html`<${Age} at=${n.deliveredAt} suffix />` : '–')}</span>`, className: about ? '' : 'wide' },
    ...(whole.value && about ? [{ name: t('rules.field.org'), cell: (/** @type {Told} */ n) => n.orgId, className: 'narrow-hides' }] : []),
    ...(may('write') ? [{ name: t('alarms.do'), cell: (/** @type {Told} */ n) => n.state !== 'queued' && html`
      <button class="secondary" onClick=${() => resend(n).then((ok) => { if (ok) onChange(); })}>${t('alarms.resend')}</button>` }] : []),
  ];
  return html`
    <${Table} label=${t('alarms.sent')} columns=${columns} rows=${rows} rowKey=${(/** @type {Told} */ n) => n.id} href=${(/** @type {Told} */ n) => to('alarms', 'sent', n.id)} more=${more} loading=${loading} />`;
}

export function Sent() {
  const q = query.value;
  const [state, channelId, orgId] = [q.get('state') || '', q.get('channel') || '', q.get('org') || ''];
  const list = usePages((cursor) => /** @type {Promise<{items: Told[]}>} */ (api.call('/notifications', { query: { state, channelId, orgId, cursor, limit: PAGE } })), [state, channelId, orgId]);
  const channels = useChannels();
  const orgs = useOrganizations();
  const one = useRef(true);
  one.current = !list.items || list.items.length <= PAGE;
  useEffect(() => {
    const timer = setInterval(() => { if (!document.hidden && one.current) list.reload(); }, POLL_MS);
    return () => clearInterval(timer);
  }, [state, channelId, orgId]);
  return html`
    <${Page} title=${t('alarms.sent')} tabs=${tabs()}>
      <section class="panel">
        <div class="filters alarm-filters">
          <div class="segments" role="group" aria-label=${t('alarms.stateLabel')}>
            <button aria-pressed=${!state} onClick=${() => setQuery({ state: '' })}>${t('alarms.states.all')}</button>
            ${states.map((s) => html`<button key=${s} aria-pressed=${s === state} onClick=${() => setQuery({ state: s })}>${t('alarms.told.' + s)}</button>`)}
          </div>
          ${may('write') && html`
            <select aria-label=${t('channels.one')} value=${channelId} onChange=${(/** @type {any} */ e) => setQuery({ channel: e.target.value })}>
              <option value="">${t('alarms.anyChannel')}</option>
              ${channelId && !channels.some((c) => c.id === channelId) && html`<option value=${channelId}>${channelId}</option>`}
              ${channels.map((c) => html`<option key=${c.id} value=${c.id}>${c.name}${whole.value ? ' · ' + c.orgId : ''}</option>`)}
            </select>`}
          <${OrgChoice} orgs=${orgs} orgId=${orgId} />
        </div>
        <${Asking} of=${list} />
        ${list.items && (list.items.length ? html`<${NotificationTable} rows=${list.items} more=${list.more} loading=${list.loading} onChange=${list.reload} />`
          : html`<${Empty} title=${state || channelId || orgId ? t('alarms.noMatch') : t('alarms.sentNothing')}><p class="hint">${t('alarms.sentHint')}</p><//>`)}
      </section>
    <//>`;
}
