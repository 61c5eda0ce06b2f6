// The ports that are chosen: what the server knows of them, and their colours.
import { computed, signal } from '@preact/signals';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { view } from './looking.js';

/**
 * @typedef {import('../core/api.js').Device} Device
 * @typedef {{key: string, deviceId: string, number: number, name: string, unit: string, device: string, color: string, dash: boolean,
 *   limits: number[], known: boolean, problem: string}} Chosen
 *   name of the port; device: id, and its name; known: the server has told; problem: why it cannot be shown
 */

const COLORS = 12;

/** @type {import('@preact/signals').Signal<Map<string, {device: Device | null, problem: string}>>} */
const known = signal(new Map());

/** @type {Map<string, number>} the place of each port among the colours, which it keeps while it is chosen */
const places = new Map();

/** learn asks for the devices of the chosen ports that are not known yet; again: also for those that failed. */
export function learn(again = false) {
  for (const id of new Set(view.value.ports.map((p) => p.deviceId))) {
    const there = known.peek().get(id);
    if (there && !(again && there.problem)) continue;
    put(id, { device: null, problem: '' });
    api.device(id).then((device) => put(id, { device, problem: '' }), (e) => put(id, { device: null, problem: e.status === 404 ? t('explore.noDevice', { id }) : e.message }));
  }
}

/** forget has all asked for anew: the next visit may find other ports. */
export function forget() {
  known.value = new Map();
  places.clear();
}

/** @param {string} id @param {{device: Device | null, problem: string}} v */
function put(id, v) { known.value = new Map(known.peek()).set(id, v); }

/** chosen are the ports in the order of the address. */
export const chosen = computed(() => {
  const { ports } = view.value;
  for (const key of places.keys()) if (!ports.some((p) => p.key === key)) places.delete(key);
  const taken = new Set(places.values());
  let next = 0;
  return ports.map(({ key, deviceId, number }) => {
    if (!places.has(key)) {
      while (taken.has(next)) next++;
      taken.add(next);
      places.set(key, next);
    }
    const place = places.get(key) || 0;
    const info = known.value.get(deviceId);
    const p = info?.device?.ports?.find((o) => o.number === number);
    return {
      key, deviceId, number,
      name: p?.name || t('explore.port', { n: number }),
      unit: p?.unit || '',
      device: info?.device?.name ? `${deviceId} · ${info.device.name}` : deviceId,
      color: 'c' + (place % COLORS),
      dash: place >= COLORS,
      limits: [p?.low, p?.high].filter((v) => v !== undefined),
      known: !!info?.device || !!info?.problem,
      problem: info?.problem || (info?.device && !p ? t('explore.noPort', { id: deviceId, n: number }) : ''),
    };
  });
});

/** groups are the chosen ports by chart: one for each unit, one for each port without. */
export const groups = computed(() => {
  /** @type {Map<string, Chosen[]>} */
  const by = new Map();
  for (const p of chosen.value) {
    if (p.problem || !p.known) continue;
    const key = p.unit ? 'unit ' + p.unit : 'port ' + p.key;
    by.set(key, [...(by.get(key) || []), p]);
  }
  return by;
});
