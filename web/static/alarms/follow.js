// A list of alarms that keeps up with what happens.
import { effect } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { freshness } from '../core/line.js';
import { api } from '../core/session.js';
import { usePages } from '../parts/query.js';
import { alarms, lastAlert } from '../shell/pulse.js';

/**
 * @typedef {import('../core/api.js').AlertEvent} AlertEvent
 * @typedef {{state: string, severity: string, deviceId: string, ruleId: string, orgId: string}} Filter state is a key of states
 */

const PAGE = 100;
const POLL_MS = 5_000; // while nothing comes by itself
const MOST_HEARD = 200;

/** states are the parts of the inbox, and what the API is asked for each. */
export const states = /** @type {Record<string, {state?: string[], acknowledged?: boolean}>} */ ({
  open: { state: ['firing', 'recovering'], acknowledged: false },
  acknowledged: { state: ['firing', 'recovering'], acknowledged: true },
  resolved: { state: ['resolved'] },
  all: {},
});

/**
 * matches says whether an alarm belongs in a list.
 * @param {AlertEvent} e
 * @param {Filter} f
 */
export function matches(e, f) {
  const s = states[f.state] || {};
  return (!s.state || s.state.includes(e.state)) && (s.acknowledged === undefined || s.acknowledged === !!e.acknowledged) &&
    (!f.severity || f.severity === e.severity) && (!f.deviceId || f.deviceId === e.deviceId) && (!f.ruleId || f.ruleId === e.ruleId) &&
    (!f.orgId || f.orgId === e.orgId);
}

/**
 * placed answers the list with an alarm as it is now: in its place, or gone.
 * Others keep their places.
 * @param {AlertEvent[]} list those that began last first
 * @param {AlertEvent} e
 * @param {Filter} f
 */
export function placed(list, e, f) {
  const i = list.findIndex((o) => o.id === e.id);
  if (!matches(e, f)) return i < 0 ? list : list.filter((o) => o !== list[i]);
  if (i >= 0) return list.map((o, k) => (k === i ? e : o));
  const before = list.findIndex((o) => o.id < e.id); // ids sort by start
  return before < 0 ? [...list, e] : [...list.slice(0, before), e, ...list.slice(before)];
}

/**
 * useInbox answers the alarms of a filter, page by page, and keeps them as
 * they are by what comes over the live connection.
 * @param {Filter} f
 */
export function useInbox(f) {
  const key = JSON.stringify(f);
  /** What came while an answer was on its way, which may be older. */
  const heard = useRef(/** @type {AlertEvent[]} */ ([]));
  const pages = usePages(async (cursor) => {
    heard.current = [];
    const { state, ...rest } = f;
    const page = await api.call('/alert-events', { query: { ...rest, ...states[state], limit: PAGE, cursor } });
    for (const e of heard.current) if (!cursor) page.items = placed(page.items, e, f);
    return /** @type {{items: AlertEvent[], nextCursor?: string}} */ (page);
  }, [key]);
  const one = useRef(true);
  one.current = !pages.items || pages.items.length <= PAGE;
  useEffect(() => {
    let last = lastAlert.peek();
    let all = alarms.peek();
    return effect(() => {
      const [e, open] = [lastAlert.value, alarms.value];
      if (e && e !== last) {
        heard.current = [...heard.current, e].slice(-MOST_HEARD);
        pages.change((items) => placed(items, e, f));
      } else if (open && all && open !== all) {
        pages.reload(); // they were asked for anew, because something was missed
      }
      [last, all] = [e, open];
    });
  }, [key]);
  const live = freshness.value === 'live';
  useEffect(() => {
    if (live) return undefined;
    const timer = setInterval(() => { if (!document.hidden && one.current) pages.reload(); }, POLL_MS);
    return () => clearInterval(timer);
  }, [live, key]);
  return pages;
}

/**
 * useChange calls fn when an alarm changed.
 * @param {(e: AlertEvent) => void} fn
 */
export function useChange(fn) {
  const latest = useRef(fn);
  latest.current = fn;
  useEffect(() => {
    let last = lastAlert.peek();
    return effect(() => {
      const e = lastAlert.value;
      if (e && e !== last) latest.current(e);
      last = e;
    });
  }, []);
}
