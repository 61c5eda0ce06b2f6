// What is looked at, as the address says it: ports, range, and what it is
// compared with.

/**
 * @typedef {{deviceId: string, number: number, key: string}} PortRef
 * @typedef {{ago: number} | {at: number} | 'all'} Moment ago: ms before now
 * @typedef {{ports: PortRef[], from: Moment, to: Exclude<Moment, 'all'>, compare: boolean, ingested: boolean}} View
 */

/** MOST_PORTS is how many ports are drawn at once. */
export const MOST_PORTS = 24;

const UNITS = /** @type {Record<string, number>} */ ({ s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000, y: 365 * 86_400_000 });
const DAY_MS = UNITS.d;

/**
 * port reads a port such as d1:3. Ids may have colons; the number has none.
 * @param {string} text
 * @returns {PortRef | null}
 */
export function port(text) {
  const m = /^(.+):(\d{1,5})$/.exec(text.trim());
  return m && { deviceId: m[1], number: Number(m[2]), key: m[1] + ':' + Number(m[2]) };
}

/**
 * moment reads a time: -24h, now, RFC 3339, or Unix ms; null when it is none.
 * @param {string} text
 * @returns {Exclude<Moment, 'all'> | null}
 */
export function moment(text) {
  const s = text.trim();
  if (s === 'now') return { ago: 0 };
  const m = /^-(\d+(?:\.\d+)?)([smhdwy])$/.exec(s);
  if (m) return { ago: Math.round(Number(m[1]) * UNITS[m[2]]) };
  const at = /^\d{10,}$/.test(s) ? Number(s) : /^\d{4}-\d\d-\d\d/.test(s) ? Date.parse(s) : NaN;
  return Number.isFinite(at) && at >= 0 ? { at } : null;
}

/**
 * relative writes a time so long ago, in the largest unit that says it whole.
 * @param {number} ms
 */
export function relative(ms) {
  const unit = ['y', 'd', 'h', 'm'].find((u) => ms % UNITS[u] === 0 && ms) || 's';
  return '-' + Math.round(ms / UNITS[unit] * 1000) / 1000 + unit;
}

/** absolute writes a time in UTC, without what is zero. @param {number} ts Unix ms */
export function absolute(ts) { return new Date(ts).toISOString().replace('.000Z', 'Z'); }

/**
 * read takes a view from the address; what is wrong in it is as if it were
 * not there.
 * @param {URLSearchParams} q
 * @returns {View}
 */
export function read(q) {
  /** @type {Map<string, PortRef>} */
  const ports = new Map();
  for (const text of (q.get('ports') || '').split(',')) {
    const p = port(text);
    if (p && ports.size < MOST_PORTS) ports.set(p.key, p);
  }
  const begin = q.get('from') || '';
  return {
    ports: [...ports.values()],
    from: begin === 'all' ? 'all' : moment(begin) || { ago: DAY_MS },
    to: moment(q.get('to') || '') || { ago: 0 },
    compare: q.get('compare') === '1',
    ingested: q.get('calibration') === 'ingested',
  };
}

/**
 * @typedef {{oldest: number, newest: number}} Extent of the readings of the ports, Unix ms
 */

/**
 * resolve says which range a view is of, now.
 * @param {View} v
 * @param {number} now
 * @param {Extent | null} extent null: not known yet, or there are no readings
 * @returns {{from: number, to: number, live: boolean}} live: it ends now, and moves with it
 */
export function resolve(v, now, extent) {
  const when = (/** @type {Exclude<Moment, 'all'>} */ m) => ('ago' in m ? now - m.ago : m.at);
  if (v.from === 'all') {
    if (!extent) return { from: now - DAY_MS, to: now, live: false };
    const length = Math.max(1_000, extent.newest - extent.oldest);
    const live = now - extent.newest < length / 20;
    return { from: extent.oldest - (live ? 0 : Math.round(length / 100)), to: live ? now : extent.newest + Math.round(length / 100), live };
  }
  const to = when(v.to);
  const from = when(v.from);
  const live = 'ago' in v.to && v.to.ago === 0;
  return from < to ? { from, to, live } : { from: to - DAY_MS, to, live };
}

/**
 * wanted answers what the address says of a range: relative when it ends now.
 * @param {{from: number, to: number}} r
 * @param {boolean} live
 */
export function wanted({ from, to }, live) {
  return live ? { from: relative(Math.round((to - from) / 1000) * 1000 || 1000), to: null } : { from: absolute(from), to: absolute(to) };
}

/**
 * files says with which queries exactly these ports are taken out: a query
 * takes the same port numbers of all its devices.
 * @param {PortRef[]} ports
 */
export function files(ports) {
  /** @type {Map<string, number[]>} */
  const numbers = new Map();
  for (const p of ports) numbers.set(p.deviceId, [...(numbers.get(p.deviceId) || []), p.number].sort((a, b) => a - b));
  /** @type {Map<string, {deviceId: string[], portNumber: number[]}>} */
  const groups = new Map();
  for (const [id, list] of numbers) {
    const group = groups.get(list.join()) || { deviceId: [], portNumber: list };
    group.deviceId.push(id);
    groups.set(list.join(), group);
  }
  return [...groups.values()];
}
