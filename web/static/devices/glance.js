// The newest value and the last half hour of the devices in sight: of each the
// port with the lowest number that has a reading. One query for the values of
// all of them and one for their past, once the list stands still, and again
// while it is looked at.
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { api } from '../core/session.js';

/** SPAN_MS is how much of the past a sparkline shows. */
export const SPAN_MS = 1_800_000;
const STEP_MS = 60_000;
const STILL_MS = 200; // the list stands still
const AGAIN_MS = 15_000;
const MOST_ROWS = 60; // at once
const MOST_KEPT = 600;
const UNITS_AT_ONCE = 4;

/**
 * @typedef {{ts: number, v: number}} Point
 * @typedef {{port: number, value: number, ts: number, unit: string, points: Point[]}} Glance
 */

/** @type {Map<string, import('@preact/signals').Signal<Glance | null | undefined>>} undefined: not known yet; null: no reading */
const kept = new Map();

/** @type {Map<string, string>} by device and port */
const units = new Map();

/**
 * glanceOf answers what is known of a device.
 * @param {string} id
 */
export function glanceOf(id) {
  let s = kept.get(id);
  if (!s) {
    if (kept.size >= MOST_KEPT) for (const old of [...kept.keys()].slice(0, MOST_KEPT / 2)) kept.delete(old);
    s = signal(/** @type {Glance | null | undefined} */ (undefined));
    kept.set(id, s);
  }
  return s;
}

/**
 * useGlances keeps those of the devices in sight up to date.
 * @param {string[]} ids in sight
 */
export function useGlances(ids) {
  const list = ids.slice(0, MOST_ROWS);
  useEffect(() => {
    if (!list.length) return undefined;
    const stop = new AbortController();
    const run = () => { if (!document.hidden) look(list, stop.signal).catch(() => {}); };
    const first = setTimeout(run, STILL_MS);
    const timer = setInterval(run, AGAIN_MS);
    return () => {
      clearTimeout(first);
      clearInterval(timer);
      stop.abort();
    };
  }, [list.join('\n')]);
}

/**
 * @param {string[]} ids
 * @param {AbortSignal} end
 */
async function look(ids, end) {
  const newest = (await Promise.all([latest(ids.filter((id) => !glanceOf(id).peek()), end), again(ids.filter((id) => glanceOf(id).peek()), end)])).flat();
  /** @type {Map<string, import('../core/api.js').Reading>} of the first port */
  const first = new Map();
  for (const r of newest) if (!first.has(r.deviceId)) first.set(r.deviceId, r); // in order of port
  const ports = [...new Set([...first.values()].map((r) => r.portNumber))];
  const past = new Map();
  if (first.size) {
    const to = Date.now() + api.skew;
    const query = {
      deviceId: [...first.keys()], portNumber: ports, every: STEP_MS / 1000 + 's', limit: 20_000,
      from: new Date(to - SPAN_MS).toISOString(), to: new Date(to + STEP_MS).toISOString(),
    };
    const { items } = await api.call('/readings', { query, signal: end });
    for (const a of items) {
      if (first.get(a.deviceId)?.portNumber !== a.portNumber) continue;
      const points = past.get(a.deviceId) || [];
      points.push({ ts: Date.parse(a.ts), v: a.mean });
      past.set(a.deviceId, points);
    }
  }
  for (const id of ids) {
    const r = first.get(id);
    glanceOf(id).value = r ? {
      port: r.portNumber, value: r.calibratedValue, ts: Date.parse(r.ts), unit: units.get(id + ' ' + r.portNumber) || '', points: past.get(id) || [],
    } : null;
  }
  await learnUnits([...first.values()].filter((r) => !units.has(r.deviceId + ' ' + r.portNumber)), end);
}

/**
 * latest answers the newest readings, in order of device and port.
 * @param {string[]} deviceId
 * @param {AbortSignal} end
 * @param {number[]} [portNumber] absent: all of them
 * @returns {Promise<import('../core/api.js').Reading[]>}
 */
async function latest(deviceId, end, portNumber = []) {
  if (!deviceId.length) return [];
  return (await api.call('/readings/latest', { query: { deviceId, portNumber }, signal: end })).items;
}

/**
 * again asks for the ports alone that are known to be the first: a device may
 * have hundreds.
 * @param {string[]} ids
 * @param {AbortSignal} end
 */
async function again(ids, end) {
  const ports = new Set(ids.map((id) => /** @type {Glance} */ (glanceOf(id).peek()).port));
  try {
    const found = await latest(ids, end, [...ports]);
    return found.filter((r) => glanceOf(r.deviceId).peek()?.port === r.portNumber);
  } catch (e) {
    if (/** @type {import('../core/api.js').Problem} */ (e).status !== 404) throw e;
    return latest(ids, end); // a port was taken away
  }
}

/**
 * @param {import('../core/api.js').Reading[]} list
 * @param {AbortSignal} end
 */
async function learnUnits(list, end) {
  if (units.size > 20 * MOST_KEPT) units.clear();
  const next = list.values();
  const work = async () => {
    for (const r of next) {
      const p = await api.call(`/devices/${encodeURIComponent(r.deviceId)}/ports/${r.portNumber}`, { signal: end });
      units.set(r.deviceId + ' ' + r.portNumber, p.unit || '');
      const s = glanceOf(r.deviceId);
      if (p.unit && s.value?.port === r.portNumber) s.value = { ...s.value, unit: p.unit };
    }
  };
  await Promise.all(Array.from({ length: UNITS_AT_ONCE }, work));
}
