// Which devices are listed, and in what order: the address says it.
import { computed, effect, signal } from '@preact/signals';
import { query, setQuery } from '../core/route.js';
import { devices } from '../shell/pulse.js';

/** SILENT_MS is how long nothing was heard of a device that is called silent, as in the counts of the status. */
export const SILENT_MS = 900_000;
const LIST_MS = 500; // comings and goings change the order so often at most

/**
 * @typedef {import('../core/api.js').Device & {hasSecret?: boolean}} Device
 * @typedef {{q: string, org: string, is: string, state: string, tag: string, secret: string}} Criteria
 *   is: online, offline or silent; secret: none; empty: any
 */

/** names are those of the criteria in the address. */
export const names = /** @type {const} */ (['q', 'org', 'is', 'state', 'tag', 'secret']);

/** criteria that the address has. */
export const criteria = computed(() => /** @type {Criteria} */ (Object.fromEntries(names.map((n) => [n, query.value.get(n) || '']))));

/** sort is what they are in order of, descending whether backwards. */
export const sort = computed(() => (Object.hasOwn(orders, query.value.get('sort') || '') ? /** @type {string} */ (query.value.get('sort')) : 'id'));
export const descending = computed(() => query.value.get('order') === 'desc');

/** @param {string} by @param {boolean} down */
export function sortBy(by, down) { setQuery({ sort: by === 'id' ? null : by, order: down ? 'desc' : null }); }

/** listed follows the devices, some times a second at most. */
const listed = signal(/** @type {Device[] | null} */ (null));
let timer = 0;
effect(() => {
  const all = devices.value;
  if (!listed.peek() || !all || listed.peek()?.length !== all.length) {
    clearTimeout(timer);
    timer = 0;
    listed.value = all;
    return;
  }
  timer ||= setTimeout(() => {
    timer = 0;
    listed.value = devices.peek();
  }, LIST_MS);
});

const collator = new Intl.Collator('en', { numeric: true });
const seenAt = (/** @type {Device} */ d) => (d.lastSeen ? Date.parse(d.lastSeen) : 0);
const byId = (/** @type {Device} */ a, /** @type {Device} */ b) => collator.compare(a.id, b.id);

/** @type {Record<string, (a: Device, b: Device) => number>} */
const orders = {
  id: byId,
  name: (a, b) => collator.compare(a.name || '', b.name || ''),
  org: (a, b) => collator.compare(a.orgId, b.orgId),
  is: (a, b) => Number(b.online) - Number(a.online),
  seen: (a, b) => seenAt(b) - seenAt(a),
};

/** sorted by id alone costs the most; a stable sort makes it the last key of every other order. */
const sorted = computed(() => (listed.value ? [...listed.value].sort(byId) : null));

/** ordered are all, as they are sorted. */
const ordered = computed(() => {
  const list = sorted.value;
  if (!list) return null;
  const out = sort.value === 'id' ? [...list] : [...list].sort(orders[sort.value]);
  return descending.value ? out.reverse() : out;
});

/** @type {WeakMap<Device, string>} what is searched of a device */
const texts = new WeakMap();

/** @param {Device} d */
function textOf(d) {
  let text = texts.get(d);
  if (text === undefined) {
    text = [d.id, d.name, d.serialNumber, d.orgId, ...(d.tags || [])].join('\n').toLowerCase();
    texts.set(d, text);
  }
  return text;
}

/**
 * choose answers the devices that meet the criteria.
 * @param {Device[]} list
 * @param {Criteria} c
 * @param {number} at the time, Unix ms
 */
export function choose(list, c, at) {
  const words = c.q.toLowerCase().split(/\s+/).filter(Boolean);
  return list.filter((d) => (!c.org || d.orgId === c.org)
    && (!c.state || d.state === c.state)
    && (!c.tag || !!d.tags?.includes(c.tag))
    && (!c.secret || !d.hasSecret)
    && (!c.is || (c.is === 'silent' ? silent(d, at) : d.online === (c.is === 'online')))
    && words.every((w) => textOf(d).includes(w)));
}

/** silent says whether a device was heard of before, but not lately. @param {Device} d @param {number} at */
const silent = (d, at) => d.state === 'active' && !!d.lastSeen && at - seenAt(d) > SILENT_MS;

/** found are the devices that are shown; null: not known yet. */
export const found = computed(() => ordered.value && choose(ordered.value, criteria.value, Date.now()));

/** all is how many there are, and how many of them are online. */
export const all = computed(() => ({ n: listed.value?.length || 0, online: (listed.value || []).filter((d) => d.online).length }));

/** choices are the organizations and tags that occur, in order. */
export const choices = computed(() => {
  const orgs = new Set();
  const tags = new Set();
  for (const d of listed.value || []) {
    orgs.add(d.orgId);
    for (const tag of d.tags || []) tags.add(tag);
  }
  const sort = (/** @type {Set<string>} */ s) => [...s].sort(collator.compare);
  return { orgs: sort(orgs), tags: sort(tags) };
});
