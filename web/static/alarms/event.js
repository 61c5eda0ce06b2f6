// One alarm: what happened, who said what of it, who was told.
import { useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { tell } from '../parts/notice.js';
import { Page, Panel } from '../parts/page.js';
import { Asking, useQuery } from '../parts/query.js';
import { freshness } from '../core/line.js';
import { may } from '../core/me.js';
import { to } from '../core/route.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { Acknowledge, giveBack } from './acknowledge.js';
import { EventCurve } from './eventcurve.js';
import { EventFacts } from './eventfacts.js';
import { useChange } from './follow.js';
import { Severity, tabs } from './frame.js';
import { Flags } from './list.js';
import { SilenceForm } from './silence.js';
import { NotificationTable } from './sent.js';
import { Talk } from './talk.js';

const POLL_MS = 5_000; // while nothing comes by itself

/** @typedef {import('../core/api.js').AlertEvent} AlertEvent */

/** @param {{id: string}} p */
export function Event({ id }) {
  const path = '/alert-events/' + encodeURIComponent(id);
  const asked = useQuery(() => /** @type {Promise<AlertEvent>} */ (api.call(path)), [id, freshness.value === 'live'],
    { every: freshness.value === 'live' ? 0 : POLL_MS, keep: true });
  useChange((e) => { if (e.id === id) asked.set(e); });
  const e = asked.value;
  const title = e ? e.message : t('alarms.one');
  return html`
    <${Page} title=${title} tabs=${tabs()} lead=${e && html`<${Severity} of=${e.severity} /> <${Flags} e=${e} />`}
      actions=${e && may('write') && html`<${Actions} e=${e} />`}>
      <${Asking} of=${asked} />
      ${e && html`
        <div class="event">
          <${EventCurve} e=${e} />
          <div class="columns">
            <${EventFacts} e=${e} />
            <${Talk} e=${e} />
          </div>
          <${SentAbout} e=${e} />
        </div>`}
    <//>`;
}

/** @param {{e: AlertEvent}} p */
function Actions({ e }) {
  const [open, setOpen] = useState(/** @type {'acknowledge' | 'silence' | ''} */ (''));
  const close = () => setOpen('');
  return html`
    ${!e.resolvedAt && (e.acknowledged
      ? html`<button class="secondary" onClick=${() => tell(() => giveBack([e]))}>${t('alarms.unacknowledge')}</button>`
      : html`<button class="primary" onClick=${() => setOpen('acknowledge')}>${t('alarms.acknowledge')}</button>`)}
    <button class="secondary" onClick=${() => setOpen('silence')}>${t('alarms.silence')}</button>
    ${open === 'acknowledge' && html`<${Acknowledge} events=${[e]} onClose=${close} />`}
    ${open === 'silence' && html`
      <${SilenceForm} preset=${{ orgId: e.orgId, deviceIds: [e.deviceId], ruleIds: [e.ruleId] }} onClose=${close} />`}`;
}

/** @param {{e: AlertEvent}} p */
function SentAbout({ e }) {
  // What is told changes with the alarm, and a little after it.
  const asked = useQuery(() => api.call('/notifications', { query: { eventId: e.id, limit: 100 } }), [e.id, e.state, e.acknowledged?.at],
    { every: POLL_MS, keep: true });
  const items = asked.value?.items;
  return html`
    <${Panel} title=${t('alarms.sentAbout')}>
      <${Asking} of=${asked} />
      ${items && (items.length ? html`<${NotificationTable} rows=${items} about=${false} onChange=${asked.reload} />`
        : html`<p class="hint pad">${e.silencedBy ? t('alarms.sentSilenced') : t('alarms.sentNone')} ${may('write') && html`<a href=${to('alarms', 'channels')}>${t('channels.title')}</a>`}</p>`)}
    <//>`;
}
