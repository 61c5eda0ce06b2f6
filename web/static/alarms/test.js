// Asking what a rule would have done, again with every change of it.
import { useEffect, useRef, useState } from 'preact/hooks';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { draftOf, newRule, ruleChange } from './draft.js';

/**
 * @typedef {{deviceId: string, portNumber: number, start: string, firedAt: string, end?: string, endReason?: string, worst?: number,
 *   flaps?: number}} Past
 * @typedef {{episodes: Past[], leftOut: number, lastedSeconds: number}} Outcome
 * @typedef {Outcome & {ports: number, tested: number, readings: number, before?: Outcome, nextCursor?: string}} Tested
 */

const PAUSE_MS = 350; // after a key, before it is asked
const TURNS = 12; // a test of many ports is answered some ports at a time
const PATIENCE_MS = 60_000;

/**
 * question is what to ask of a draft.
 * @param {import('./draft.js').Rule | null} rule
 * @param {import('./draft.js').Draft} draft
 */
export function question(rule, draft) {
  // What does not matter to the test does not ask for another one.
  const quiet = { name: 'test', owner: '', message: '', enabled: true, channels: [], escalateTo: [], escalateAfter: '', repeatEvery: '', labels: '', severity: 'warning' };
  if (!rule) return { rule: newRule({ ...draft, ...quiet }) };
  const looks = ['selection', 'condition', 'for', 'keepFiringFor', 'joinWithin', 'schedule', 'alwaysActive'];
  const only = (/** @type {object} */ o) => Object.fromEntries(Object.entries(o).filter(([k]) => looks.includes(k)));
  const change = only(ruleChange(draft));
  const is = only(ruleChange(draftOf(rule)));
  return { ruleId: rule.id, ...(JSON.stringify(change) === JSON.stringify(is) ? {} : { change }) };
}

/**
 * together adds the answer for further ports.
 * @param {Tested | null} a
 * @param {Tested} b
 * @returns {Tested}
 */
export function together(a, b) {
  const sum = (/** @type {Outcome | undefined} */ x, /** @type {Outcome} */ y) => ({
    episodes: [...(x?.episodes || []), ...y.episodes.map((e) => ({ ...e, curve: undefined }))], // the chart has a curve of its own
    leftOut: (x?.leftOut || 0) + y.leftOut, lastedSeconds: (x?.lastedSeconds || 0) + y.lastedSeconds,
  });
  return { ...b, ...sum(a || undefined, b), tested: (a?.tested || 0) + b.tested, readings: (a?.readings || 0) + b.readings, before: b.before && sum(a?.before, b.before) };
}

/**
 * useTest answers the test of a draft. The last answer stays while the next
 * is on its way; one that was overtaken is cut off.
 * @param {import('./draft.js').Rule | null} rule
 * @param {import('./draft.js').Draft} draft
 * @param {{from: number, to: number}} view Unix ms
 */
export function useTest(rule, draft, view) {
  const [state, setState] = useState({ value: /** @type {Tested | null} */ (null), problem: '', busy: true });
  const first = useRef(true);
  const body = { ...question(rule, draft), from: new Date(view.from).toISOString(), to: new Date(view.to).toISOString() };
  const key = JSON.stringify(body);
  useEffect(() => {
    if (!draft.orgId) return undefined;
    const stop = new AbortController();
    let overtaken = false;
    setState((s) => ({ ...s, busy: true }));
    const run = async () => {
      const giveUp = setTimeout(() => stop.abort(), PATIENCE_MS);
      try {
        /** @type {Tested | null} */
        let all = null;
        let cursor;
        for (let i = 0; i < TURNS; i++) {
          const answer = await api.call('/alert-rules/test', { method: 'POST', body: { ...body, cursor }, signal: stop.signal });
          all = together(all, answer);
          if (!stop.signal.aborted) setState({ value: all, problem: '', busy: !!answer.nextCursor });
          cursor = answer.nextCursor;
          if (!cursor) break;
        }
      } catch (e) {
        if (!overtaken) setState({ value: null, problem: stop.signal.aborted ? t('rules.tooLong') : /** @type {Error} */ (e).message, busy: false });
      }
      clearTimeout(giveUp);
    };
    const timer = setTimeout(run, first.current ? 0 : PAUSE_MS);
    first.current = false;
    return () => {
      overtaken = true;
      clearTimeout(timer);
      stop.abort();
    };
  }, [key, !!draft.orgId]);
  return state;
}
