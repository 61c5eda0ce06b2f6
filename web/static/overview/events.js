// What happened lately, in one list: alarms, comings and goings, rejections.
import { computed, signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Age } from '../parts/age.js';
import { Badge, Panel } from '../parts/page.js';
import { value } from '../core/format.js';
import { live, liveState } from '../core/line.js';
import { to } from '../core/route.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { devices, lastAlert } from '../shell/pulse.js';
import { rejections } from './rejections.js';

const SHOWN = 14;
const MOST = 100;
const ASKED = 50; // comings and goings; what devices say of themselves is among them, and not shown

/**
 * @typedef {import('../core/api.js').AlertEvent} AlertEvent
 * @typedef {{key: string, at: number, tone: 'good' | 'warn' | 'bad' | 'quiet', what: string, text: string, href: string, deviceId: string}} Happening
 * @typedef {{at: number, deviceId: string, online: boolean, reason: string}} Passage
 * @typedef {{at?: string, deviceId?: string, status?: string, reason?: string, source?: string}} Lifecycle of the list, or of the live stream
 */

/** known are the alarms that were asked for or changed since, by id. */
const known = signal(/** @type {Map<string, AlertEvent>} */ (new Map()));

/** passages are the comings and goings, the newest first: those that the server kept, and those that were seen since. */
const passages = signal(/** @type {Passage[]} */ ([]));

/** @type {Record<string, Happening['tone']>} */
const tones = { critical: 'bad', warning: 'warn', info: 'quiet' };

/** @param {AlertEvent} a @returns {Happening[]} */
function ofAlarm(a) {
  const one = { text: a.message, href: to('alarms', a.id), deviceId: a.deviceId };
  // The message of one that is over tells of its end.
  const first = a.first === undefined ? '' : ' ' + value(a.first) + (a.unit ? ' ' + a.unit : '');
  const text = a.resolvedAt ? `${a.deviceId} ${a.portName || a.portNumber}${first}: ${a.ruleName}` : a.message;
  const begun = { ...one, text, key: a.id, at: Date.parse(a.triggeredAt), tone: tones[a.severity] || 'warn', what: t('overview.event.alarm') };
  if (!a.resolvedAt) return [begun];
  return [{ ...one, key: a.id + ' end', at: Date.parse(a.resolvedAt), tone: 'good', what: t('overview.event.resolved') }, begun];
}

/** last are those of whose going nothing is known, as they send without a connection: when they were heard last. */
const last = computed(() => {
  const seen = new Set(passages.value.map((p) => p.deviceId));
  return (devices.value || []).filter((d) => d.state === 'active' && !d.online && d.lastSeen && !seen.has(d.id))
    .sort((a, b) => Date.parse(b.lastSeen || '') - Date.parse(a.lastSeen || '')).slice(0, SHOWN);
});

/** happenings, the newest first. */
const happenings = computed(() => {
  /** @type {Happening[]} */
  const list = [...known.value.values()].flatMap(ofAlarm);
  for (const p of passages.value) {
    list.push({
      key: keyOf(p), at: p.at, tone: p.online ? 'good' : 'quiet', deviceId: p.deviceId, href: to('devices', p.deviceId),
      what: t('overview.event.' + (p.online ? 'online' : 'offline')), text: p.online ? '' : p.reason,
    });
  }
  for (const d of last.value) {
    list.push({ key: d.id + ' seen', at: Date.parse(d.lastSeen || ''), tone: 'quiet', deviceId: d.id, href: to('devices', d.id), what: t('overview.event.seen'), text: '' });
  }
  for (const r of rejections.value) {
    list.push({
      key: 'r ' + r.key, at: r.at, tone: r.mild ? 'warn' : 'bad', deviceId: r.deviceId, href: r.deviceId ? to('devices', r.deviceId) : '',
      what: t('overview.event.rejected'), text: r.cause,
    });
  }
  return list.sort((a, b) => b.at - a.at).slice(0, SHOWN);
});

/** @param {AlertEvent[]} list */
function learn(list) {
  const next = new Map(known.peek());
  for (const a of list) next.set(a.id, a);
  if (next.size > MOST) for (const id of [...next.keys()].slice(0, next.size - MOST)) next.delete(id);
  known.value = next;
}

/**
 * pass adds comings and goings; one that is told again, by the list and the live
 * stream, is there once.
 * @param {Lifecycle[]} list
 */
function pass(list) {
  const told = list.map((l) => ({ at: Date.parse(l.at || ''), deviceId: l.deviceId || '', online: l.status === 'online', reason: l.reason || '' }));
  const all = new Map();
  for (const p of [...told, ...passages.peek()]) if (!all.has(keyOf(p))) all.set(keyOf(p), p);
  // The sort is stable: of one moment, what is told last stays the first.
  passages.value = [...all.values()].sort((a, b) => b.at - a.at).slice(0, ASKED);
}

/** @param {Passage} p */
const keyOf = (p) => `${p.deviceId} ${p.at} ${p.online}`;

function follow() {
  const ask = () => {
    api.call('/alert-events', { query: { limit: SHOWN } }).then((page) => learn(page.items.reverse()), () => {});
    api.call('/lifecycle', { query: { limit: ASKED } }).then((page) => pass(page.items.filter((/** @type {Lifecycle} */ l) => l.source === 'server')), () => {});
  };
  known.value = new Map(); // of whoever was logged in before
  passages.value = [];
  const unfollow = lastAlert.subscribe((a) => { if (a) learn([a]); });
  const end = live.subscribe({ kinds: ['lifecycle'] }, (m) => {
    if (m.type === 'lifecycle') pass([m]);
  }, ask);
  ask();
  let once = false; // what happened before the connection stood, and after the first answer
  const unlive = liveState.subscribe((s) => {
    if (s !== 'live' || once) return;
    once = true;
    ask();
  });
  return () => {
    unlive();
    unfollow();
    end();
  };
}

export function Events() {
  useEffect(follow, []);
  const list = happenings.value;
  return html`
    <${Panel} title=${t('overview.events')} className="events">
      ${list.length === 0 && html`<p class="hint events-none">${t('overview.noEvents')}</p>`}
      <ol>
        ${list.map((e) => html`
          <li key=${e.key}>
            <span class="when"><${Age} at=${e.at} /></span>
            <${Badge} tone=${e.tone}>${e.what}<//>
            <span class="event-text">${e.deviceId && !e.text.includes(e.deviceId) && html`<a href=${e.href}>${e.deviceId}</a> `}${
              e.deviceId && e.text.includes(e.deviceId) ? html`<a class="plain" href=${e.href}>${e.text}</a>` : e.text}</span>
          </li>`)}
      </ol>
    <//>`;
}
