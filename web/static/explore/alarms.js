// The alarms that were while the readings were.
import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Badge, Panel } from '../parts/page.js';
import { Table } from '../parts/table.js';
import { now } from '../core/clock.js';
import { age, count, moment } from '../core/format.js';
import { to } from '../core/route.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { lastAlert } from '../shell/pulse.js';
import { portKeys, range, view } from './looking.js';
import { Queue } from './queue.js';

/** @typedef {import('../core/api.js').AlertEvent} AlertEvent */

const MOST = 300; // of a device
const EARLIER = 100; // that began before the range, and may reach into it
const SHOWN = 20;

/** spans are the alarms of the chosen ports in what is seen, those that began last first. */
export const spans = signal(/** @type {AlertEvent[]} */ ([]));

const queue = new Queue(4);

/**
 * load asks for the alarms of devices between two times: those that began in
 * it, and those that began before and had not ended.
 * @param {string[]} devices
 * @param {number} from
 * @param {number} end Infinity: it goes on
 * @param {AbortSignal} signal
 */
async function load(devices, from, end, signal) {
  const iso = (/** @type {number} */ ts) => new Date(ts).toISOString();
  const ask = (/** @type {import('../core/api.js').Query} */ query) => queue.add(() => patient(query, signal), signal).then((a) => a.items);
  const lists = await Promise.all(devices.flatMap((deviceId) => [
    ask({ deviceId, from: iso(from), to: end === Infinity ? undefined : iso(end), limit: MOST }),
    ask({ deviceId, to: iso(from), state: ['firing', 'recovering'], limit: MOST }),
    ask({ deviceId, to: iso(from), state: 'resolved', limit: EARLIER }),
  ]));
  /** @type {AlertEvent[]} */
  const all = lists.flat();
  return all.filter((a) => !a.resolvedAt || Date.parse(a.resolvedAt) > from).sort((a, b) => Date.parse(b.startedAt) - Date.parse(a.startedAt));
}

/**
 * patient asks once more when there were too many requests.
 * @param {import('../core/api.js').Query} query
 * @param {AbortSignal} signal
 */
async function patient(query, signal) {
  try {
    return await api.call('/alert-events', { query, signal });
  } catch (e) {
    const { status, retryAfter = 1 } = /** @type {import('../core/api.js').Problem} */ (e);
    if (status !== 429) throw e;
    await new Promise((done) => setTimeout(done, retryAfter * 1000));
    return api.call('/alert-events', { query, signal });
  }
}

/** Alarms lists them, and keeps spans. */
export function Alarms() {
  const [problem, setProblem] = useState('');
  const [all, setAll] = useState(false);
  const [turn, setTurn] = useState(0);
  const v = view.value;
  const key = JSON.stringify([portKeys.value, v.from, v.to]);
  const last = lastAlert.value;
  useEffect(() => {
    const stop = new AbortController();
    const chosen = new Set(v.ports.map((p) => p.key));
    const { from, to: end, live } = range.peek();
    load([...new Set(v.ports.map((p) => p.deviceId))], from, live ? Infinity : end, stop.signal).then((list) => {
      setProblem('');
      spans.value = list.filter((a) => chosen.has(`${a.deviceId}:${a.portNumber}`));
    }, (e) => { if (!stop.signal.aborted) setProblem(e.message); });
    return () => stop.abort();
  }, [key, last?.id, last?.state, turn]);
  useEffect(() => () => { spans.value = []; }, []);
  const seen = spans.value.filter((a) => Date.parse(a.startedAt) < range.value.to && (!a.resolvedAt || Date.parse(a.resolvedAt) > range.value.from));
  if (problem) {
    return html`
      <${Panel} title=${t('explore.alarms')}><p class="problem pad" role="alert">${problem} <button class="link" onClick=${() => setTurn(turn + 1)}>${t('again')}</button></p><//>`;
  }
  if (!seen.length) return null;
  const tone = (/** @type {string} */ s) => (s === 'critical' ? 'bad' : s === 'warning' ? 'warn' : 'quiet');
  const columns = [
    { name: t('explore.alarm'), cell: (/** @type {AlertEvent} */ a) => a.ruleName },
    { name: t('explore.severity'), cell: (/** @type {AlertEvent} */ a) => html`<${Badge} tone=${tone(a.severity)}>${a.severity}<//>` },
    { name: t('explore.onPort'), cell: (/** @type {AlertEvent} */ a) => `${a.portName || t('explore.port', { n: a.portNumber })}, ${a.deviceId}` },
    { name: t('explore.began'), className: 'num', cell: (/** @type {AlertEvent} */ a) => moment(Date.parse(a.startedAt)) },
    { name: t('explore.lasted'), className: 'num', cell: (/** @type {AlertEvent} */ a) => (a.resolvedAt ? age(Date.parse(a.resolvedAt) - Date.parse(a.startedAt))
      : html`${age(now.value - Date.parse(a.startedAt))} <${Badge} tone="bad">${a.state}<//>`) },
    { name: t('explore.message'), cell: (/** @type {AlertEvent} */ a) => a.message },
  ];
  return html`
    <${Panel} title=${t('explore.alarms')} hint=${count(seen.length)}>
      <${Table} label=${t('explore.alarms')} columns=${columns} rows=${all ? seen : seen.slice(0, SHOWN)} rowKey=${(/** @type {AlertEvent} */ a) => a.id}
        href=${(/** @type {AlertEvent} */ a) => to('alarms', a.id)} more=${!all && seen.length > SHOWN ? () => setAll(true) : null} />
    <//>`;
}
