// All ports that can be chosen, for the search.
import { signal } from '@preact/signals';
import { api } from '../core/session.js';
import { t } from '../core/words.js';

/**
 * @typedef {{key: string, deviceId: string, deviceName: string, orgId: string, number: number, name: string, unit: string, text: string}} Entry
 */

const PAGE = 500;
const MOST = 60_000; // ports that are held for the search; of more, the server is asked by what was typed
const OLD_MS = 120_000;

const entries = signal(/** @type {Entry[]} */ ([]));
const state = signal({ loading: false, whole: false, problem: '' });
const asked = signal(/** @type {{text: string, entries: Entry[]}} */ ({ text: '', entries: [] }));
let at = 0;

/** @param {import('../core/api.js').Device} d */
function* portsOf(d) {
  for (const p of d.ports || []) {
    const name = p.name || t('explore.port', { n: p.number });
    const entry = { key: `${d.id}:${p.number}`, deviceId: d.id, deviceName: d.name || '', orgId: d.orgId, number: p.number, name, unit: p.unit || '' };
    yield { ...entry, text: `${d.id}:${p.number} ${d.name || ''} ${d.serialNumber || ''} ${d.orgId} ${(d.tags || []).join(' ')} ${name} ${p.unit || ''}`.toLowerCase() };
  }
}

/** catalogue loads the list, when it is not there or old. */
export async function catalogue() {
  if (state.value.loading || Date.now() - at < OLD_MS) return;
  state.value = { loading: true, whole: false, problem: '' };
  /** @type {Entry[]} */
  const list = [];
  let whole = true;
  try {
    for await (const page of api.pages('/devices', { ports: true, limit: PAGE })) {
      for (const d of page) list.push(...portsOf(d));
      if (entries.value.length < list.length) entries.value = [...list];
      whole = list.length < MOST;
      if (!whole) break;
    }
    entries.value = list;
    at = Date.now();
    state.value = { loading: false, whole, problem: '' };
  } catch (e) {
    state.value = { loading: false, whole: false, problem: /** @type {Error} */ (e).message };
  }
}

/**
 * find answers the ports that have all words of a text, and how many more there are.
 * @param {string} text
 * @param {number} most
 */
export function find(text, most) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const matches = (/** @type {Entry} */ e) => words.every((w) => e.text.includes(w));
  let found = entries.value.filter(matches);
  if (!state.value.whole && !state.value.loading && words.length) {
    query(words[0]);
    const there = new Set(found.map((e) => e.key));
    found = [...found, ...asked.value.entries.filter((e) => matches(e) && !there.has(e.key))];
  }
  return { list: found.slice(0, most), more: Math.max(0, found.length - most), loading: state.value.loading, problem: state.value.problem };
}

/** query asks the server for devices by a word. @param {string} text */
function query(text) {
  if (asked.peek().text === text) return;
  queueMicrotask(async () => {
    if (asked.peek().text === text) return;
    asked.value = { text, entries: asked.peek().entries };
    try {
      const { items } = await api.call('/devices', { query: { q: text, ports: true, limit: 100 } });
      if (asked.peek().text === text) asked.value = { text, entries: items.flatMap((/** @type {any} */ d) => [...portsOf(d)]) };
    } catch {
      // what is there is searched
    }
  });
}
