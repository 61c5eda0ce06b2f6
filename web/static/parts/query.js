// What a part of the page asks the server for.
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { html } from './html.js';
import { t } from '../core/words.js';

/** @typedef {import('../core/api.js').Problem} Problem */

/**
 * useQuery asks when the part appears, when deps change, when reload is called
 * and, with every, again and again while the page is seen. The last answer
 * stays while the next one is on its way; answers that were overtaken are
 * dropped.
 * @template T
 * @param {() => Promise<T>} fn
 * @param {unknown[]} deps
 * @param {{every?: number, keep?: boolean}} [o] every: ms; keep: the answer of other deps stays until the next one is there
 * @returns {{value: T | null, problem: Problem | null, loading: boolean, reload: () => Promise<void>, set: (v: T) => void}}
 */
export function useQuery(fn, deps, { every = 0, keep = false } = {}) {
  const [state, setState] = useState({ value: /** @type {T | null} */ (null), problem: /** @type {Problem | null} */ (null), loading: true });
  const turn = useRef(0);
  const latest = useRef(fn);
  latest.current = fn;
  const reload = useCallback(async () => {
    const mine = ++turn.current;
    setState((s) => ({ ...s, loading: true }));
    try {
      const value = await latest.current();
      if (mine === turn.current) setState({ value, problem: null, loading: false });
    } catch (e) {
      if (mine === turn.current) setState((s) => ({ ...s, problem: /** @type {Problem} */ (e), loading: false }));
    }
  }, []);
  useEffect(() => {
    if (!keep) setState({ value: null, problem: null, loading: true });
    reload();
    const timer = every ? setInterval(() => { if (!document.hidden) reload(); }, every) : 0;
    return () => {
      turn.current++;
      clearInterval(timer);
    };
  }, deps);
  const set = useCallback((/** @type {T} */ value) => setState({ value, problem: null, loading: false }), []);
  return { ...state, reload, set };
}

/**
 * usePages asks for a list page by page.
 * @template T
 * @param {(cursor: string) => Promise<{items: T[], nextCursor?: string}>} fn
 * @param {unknown[]} deps
 */
export function usePages(fn, deps) {
  const [state, setState] = useState({ items: /** @type {T[] | null} */ (null), cursor: '', problem: /** @type {Problem | null} */ (null), loading: true });
  const turn = useRef(0);
  const latest = useRef(fn);
  latest.current = fn;
  const load = useCallback(async (/** @type {string} */ cursor) => {
    const mine = ++turn.current;
    setState((s) => ({ ...s, loading: true }));
    try {
      const page = await latest.current(cursor);
      if (mine !== turn.current) return;
      setState((s) => ({ items: cursor ? [...(s.items || []), ...page.items] : page.items, cursor: page.nextCursor || '', problem: null, loading: false }));
    } catch (e) {
      if (mine === turn.current) setState((s) => ({ ...s, problem: /** @type {Problem} */ (e), loading: false }));
    }
  }, []);
  useEffect(() => {
    setState({ items: null, cursor: '', problem: null, loading: true });
    load('');
    return () => { turn.current++; };
  }, deps);
  const change = useCallback((/** @type {(items: T[]) => T[]} */ f) => setState((s) => ({ ...s, items: s.items && f(s.items) })), []);
  return { ...state, more: state.cursor ? () => load(state.cursor) : null, reload: () => load(''), change };
}

/**
 * Asking shows that an answer is on its way, or why there is none; nothing
 * once there is one.
 * @param {{of: {problem: Problem | null, loading: boolean, value?: unknown, items?: unknown, reload: () => unknown}}} p
 */
export function Asking({ of }) {
  const there = of.value ?? of.items;
  if (of.problem) {
    return html`
      <p class="problem pad" role="alert">${of.problem.message} <button class="link" onClick=${() => of.reload()}>${t('again')}</button></p>`;
  }
  return there === null || there === undefined ? html`<p class="hint pad" aria-busy="true">${t('loading')}</p>` : null;
}
