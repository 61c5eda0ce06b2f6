// The curve around an alarm, with the levels of the rule that fired.
import { useMemo } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Panel } from '../parts/page.js';
import { Asking, useQuery } from '../parts/query.js';
import { now } from '../core/clock.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { Curve } from './curve.js';
import { portOf } from './frame.js';
import { historyOf, levelsOf } from './history.js';
import { all } from './nouns.js';

/** @typedef {import('../core/api.js').AlertEvent} AlertEvent */

const LEAST_MS = 10 * 60_000; // before and behind
const FRESH_MS = 15_000;
const SLACK_MS = 2_000; // of a clock that is behind the readings

/**
 * around answers the time that is shown of an alarm: it, and half as much
 * before and behind.
 * @param {AlertEvent} e
 * @param {number} until now, in Unix ms
 */
export function around(e, until) {
  const start = Date.parse(e.startedAt);
  const end = e.resolvedAt ? Date.parse(e.resolvedAt) : until;
  const room = Math.max(LEAST_MS, (end - start) / 2);
  return { start, end, from: Math.floor(start - room), to: Math.ceil(Math.min(until + SLACK_MS, end + room)) };
}

/**
 * explore is the address of the port's history around an alarm.
 * @param {AlertEvent} e
 * @param {number} from Unix ms
 * @param {number} to Unix ms
 */
export function explore(e, from, to) {
  const iso = (/** @type {number} */ ts) => new Date(ts).toISOString();
  return `/explore?ports=${encodeURIComponent(e.deviceId)}:${e.portNumber}&from=${iso(from)}&to=${iso(to)}`;
}

/**
 * ruleAt answers a rule as it was at a revision; null where that is gone.
 * @param {AlertEvent} e
 * @returns {Promise<import('./draft.js').Rule | null>}
 */
async function ruleAt(e) {
  const path = '/alert-rules/' + encodeURIComponent(e.ruleId);
  try {
    const rule = await api.call(path);
    if (rule.revision === e.ruleRevision) return rule;
    return (await all(path + '/history')).find((h) => h.after?.revision === e.ruleRevision)?.after || null;
  } catch {
    return null; // deleted
  }
}

/** @param {{e: AlertEvent}} p */
export function EventCurve({ e }) {
  // One that goes on, or has just ended, is drawn anew now and then.
  const over = !!e.resolvedAt && now.value > Date.parse(e.resolvedAt) + LEAST_MS;
  const turn = over ? 0 : Math.floor(now.value / FRESH_MS);
  const view = useMemo(() => around(e, now.peek()), [e.id, e.resolvedAt, turn]);
  const asked = useQuery(() => historyOf(e.deviceId, e.portNumber, view.from, view.to), [e.id, view], { keep: true });
  const rule = useQuery(() => ruleAt(e), [e.ruleId, e.ruleRevision]);
  const port = useQuery(() => api.call(`/devices/${encodeURIComponent(e.deviceId)}/ports/${e.portNumber}`).catch(() => null), [e.deviceId, e.portNumber]);
  const levels = rule.value ? levelsOf(rule.value.condition, port.value || undefined) : [];
  return html`
    <${Panel} title=${portOf(e)} hint=${e.unit} className="event-curve" actions=${html`<a class="button" href=${explore(e, view.from, view.to)}>${t('nav.explore')}</a>`}>
      ${!asked.value && html`<${Asking} of=${asked} />`}
      ${asked.value && html`
        <${Curve} series=${asked.value} from=${view.from} to=${view.to} name=${portOf(e)} unit=${e.unit} shades=${[{ start: view.start, end: view.end }]} levels=${levels} />`}
    <//>`;
}
