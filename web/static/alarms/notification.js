// One notification: what a channel was told, and how that went.
import { html } from '../parts/html.js';
import { Page, Panel } from '../parts/page.js';
import { Asking, useQuery } from '../parts/query.js';
import { exact } from '../core/format.js';
import { may } from '../core/me.js';
import { to } from '../core/route.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { Severity, tabs, Where } from './frame.js';
import { useChannels } from './nouns.js';
import { resend, ToldState } from './sent.js';

const POLL_MS = 5_000;

/** @typedef {import('./sent.js').Told} Told */

/** @param {{id: string}} p */
export function Notification({ id }) {
  const asked = useQuery(() => /** @type {Promise<Told>} */ (api.call('/notifications/' + encodeURIComponent(id))), [id], { every: POLL_MS, keep: true });
  const n = asked.value;
  const channels = useChannels();
  if (!n) return html`<${Page} title=${t('alarms.notification')} tabs=${tabs()}><${Asking} of=${asked} /><//>`;
  const time = (/** @type {string | undefined} */ ts) => (ts ? html`<time class="num" dateTime=${ts}>${exact(Date.parse(ts))}</time>` : '–');
  const name = channels.find((c) => c.id === n.channelId)?.name || n.channelId;
  const rows = [
    [t('channels.one'), may('write') ? html`<a href=${to('alarms', 'channels', n.channelId)}>${name}</a>` : name],
    [t('alarms.cause'), t('alarms.causes.' + n.cause)],
    [t('alarms.outcome'), html`<${ToldState} n=${n} />`],
    [t('alarms.attempts'), n.attempts],
    [t('alarms.answer'), n.lastError || '–'],
    [t('alarms.createdAt'), time(n.createdAt)],
    n.state === 'queued' && [t('alarms.nextTry'), time(n.notBefore)],
    n.state === 'queued' && [t('alarms.givenUp'), time(n.expiresAt)],
    n.deliveredAt && [t('alarms.deliveredAt'), time(n.deliveredAt)],
    n.deliveryId && [t('alarms.deliveryId'), html`<code>${n.deliveryId}</code>`],
  ].filter(Boolean);
  return html`
    <${Page} title=${t('alarms.notification')} tabs=${tabs()} lead=${html`<${ToldState} n=${n} />`}
      actions=${may('write') && n.state !== 'queued' && html`<button class="primary" onClick=${() => resend(n)}>${t('alarms.resend')}</button>`}>
      <div class="columns">
        <${Panel} title=${t('alarms.delivery')}><dl class="facts-list">${rows.map((r) => html`<dt key=${/** @type {any} */ (r)[0]}>${/** @type {any} */ (r)[0]}</dt><dd>${/** @type {any} */ (r)[1]}</dd>`)}</dl><//>
        <${Panel} title=${t('alarms.asItWas')}>
          <div class="told">
            <p><${Severity} of=${n.event.severity} /> <a href=${to('alarms', n.eventId)}>${n.event.message}</a></p>
            <p class="hint">${n.event.ruleName} · <${Where} e=${n.event} /> · ${t('alarms.states.' + n.event.state)}</p>
          </div>
        <//>
      </div>
    <//>`;
}
