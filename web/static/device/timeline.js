// What became of a device: when it came and went, and its alarms.
import { useEffect } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Age } from '../parts/age.js';
import { Empty, Panel } from '../parts/page.js';
import { Asking, usePages } from '../parts/query.js';
import { now } from '../core/clock.js';
import { age, moment } from '../core/format.js';
import { to } from '../core/route.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { devices, lastAlert } from '../shell/pulse.js';
import { pathTo } from './settings.js';
import { Strip } from './strip.js';

const PAGE = 100;

/**
 * @typedef {{at: string, status: string, reason: string, source: 'server' | 'device'}} Lifecycle
 * @typedef {import('../core/api.js').AlertEvent} AlertEvent
 * @typedef {{at: number, ms?: number, life?: Lifecycle, alarm?: AlertEvent}} Entry
 */

/**
 * withDurations says how long what the server saw lasted: until it next saw
 * something else.
 * @param {Lifecycle[]} list newest first
 * @param {number} at the time, Unix ms
 * @returns {Entry[]}
 */
export function withDurations(list, at) {
  let until = at;
  return list.map((life) => {
    const begin = Date.parse(life.at);
    if (life.source !== 'server') return { at: begin, life };
    const ms = Math.max(0, until - begin);
    until = begin;
    return { at: begin, ms, life };
  });
}

/** lasted writes how long something took. @param {number} ms */
export const lasted = (ms) => (ms < 2_000 ? '< 2\u202fs' : age(ms));

/** @param {{d: import('./watch.js').Device}} p */
export function TimelineTab({ d }) {
  const lives = usePages((cursor) => api.call(pathTo(d.id) + '/lifecycle', { query: { limit: PAGE, cursor } }), [d.id]);
  const alarms = usePages((cursor) => api.call('/alert-events', { query: { deviceId: d.id, limit: PAGE, cursor } }), [d.id]);
  const online = devices.value?.find((o) => o.id === d.id)?.online;
  const changed = lastAlert.value?.deviceId === d.id ? lastAlert.value : null;
  useEffect(() => { if (lives.items) lives.reload(); }, [online]);
  useEffect(() => { if (changed && alarms.items) alarms.reload(); }, [changed]);

  const entries = withDurations(/** @type {Lifecycle[]} */ (lives.items || []), now.value);
  // What is older than the last of a list that goes on is not known to be whole.
  const ends = [[lives, entries.at(-1)?.at], [alarms, alarms.items?.length ? Date.parse(/** @type {AlertEvent} */ (alarms.items.at(-1)).startedAt) : undefined]];
  const horizon = Math.max(-Infinity, ...ends.map(([list, at]) => (/** @type {typeof lives} */ (list).more && at !== undefined ? Number(at) : -Infinity)));
  const all = [...entries, ...(alarms.items || []).map((/** @type {AlertEvent} */ a) => ({ at: Date.parse(a.startedAt), alarm: a }))]
    .filter((e) => e.at >= horizon).sort((a, b) => b.at - a.at);
  const more = () => {
    lives.more?.();
    alarms.more?.();
  };
  return html`
    <${Panel} title=${t('device.tab.timeline')} hint=${t('device.timeline.hint')}>
      <${Asking} of=${lives} /><${Asking} of=${alarms} />
      <${Strip} entries=${entries} />
      ${lives.items && alarms.items && !all.length && html`<${Empty} title=${t('device.timeline.none')}>${t('device.timeline.noneText')}<//>`}
      <ol class="timeline">
        ${all.map((e) => ('alarm' in e && e.alarm ? html`<${Alarm} key=${'a' + e.alarm.id} a=${e.alarm} />`
          : html`<${Life} key=${'l' + e.at + /** @type {Entry} */ (e).life?.status} e=${e} />`))}
      </ol>
      ${(lives.more || alarms.more) && html`<p class="more"><button class="quiet" disabled=${lives.loading || alarms.loading} onClick=${more}>${t('more')}</button></p>`}
    <//>`;
}

/** @param {{e: Entry}} p */
function Life({ e }) {
  const l = /** @type {Lifecycle} */ (e.life);
  const known = ['online', 'offline'].includes(l.status);
  return html`
    <li>
      <span class="when"><${When} at=${e.at} /></span>
      <span class="state ${known ? l.status : ''}"><i class="dot ${known ? l.status : ''}" />${known ? t('devices.is.' + l.status) : l.status}</span>
      <span class="num">${e.ms === undefined ? '' : lasted(e.ms)}</span>
      <span>${l.reason}${l.source === 'device' && html` <small>${t('device.timeline.byDevice')}</small>`}</span>
    </li>`;
}

/** @param {{a: AlertEvent}} p */
function Alarm({ a }) {
  const end = a.resolvedAt ? Date.parse(a.resolvedAt) : now.value;
  return html`
    <li class="alarm-line">
      <span class="when"><${When} at=${Date.parse(a.startedAt)} /></span>
      <span class="badge ${a.severity === 'critical' ? 'bad' : a.severity === 'info' ? '' : 'warn'}">${a.severity}</span>
      <span class="num">${lasted(Math.max(0, end - Date.parse(a.startedAt)))}</span>
      <span><a href=${to('alarms', a.id)}>${a.ruleName || a.kind}</a> ${a.message}${!a.resolvedAt && html` <span class="badge bad">${t('device.timeline.open')}</span>`}</span>
    </li>`;
}

/** @param {{at: number}} p */
function When({ at }) { return html`${moment(at)} <small><${Age} at=${at} suffix /></small>`; }
