// The pulse of the server: how it is, which devices there are, who came and
// went, what was rejected, which alarms go on.
import { batch, computed, signal } from '@preact/signals';
import { attend, heard, live, unheard } from '../core/line.js';
import { api } from '../core/session.js';
import { addLetters, addLive } from '../overview/rejections.js';

const STATUS_MS = 2_000;
const DEVICES_MS = 60_000; // between it changes come over the live connection

/** @typedef {import('../core/api.js').AlertEvent} AlertEvent */

/** status is the last answer; null before the first. */
export const status = signal(/** @type {import('../core/api.js').Status | null} */ (null));

/** rate is how many readings of the caller's devices arrive each second; null: not known yet. */
export const rate = computed(() => status.value?.readingsPerSecond ?? null);

/** devices is null before the first answer. */
export const devices = signal(/** @type {import('../core/api.js').Device[] | null} */ (null));

/** alarms are those that go on, by id; null before the first answer. */
export const alarms = signal(/** @type {Map<string, AlertEvent> | null} */ (null));

/** lastAlert is the newest change of any alarm: who lists alarms follows it. */
export const lastAlert = signal(/** @type {AlertEvent | null} */ (null));

/**
 * start asks until the answered function is called.
 * @returns {() => void}
 */
export function start() {
  let ended = false;
  /** @type {Set<number>} */
  const timers = new Set();
  const again = (/** @type {() => Promise<void>} */ ask, /** @type {number} */ ms) => {
    const run = async () => {
      if (!document.hidden) await ask();
      if (ended) return;
      const timer = setTimeout(() => { timers.delete(timer); run(); }, ms);
      timers.add(timer);
    };
    run();
  };
  const unattend = attend();
  again(askStatus, STATUS_MS);
  again(askDevices, DEVICES_MS);
  const missed = () => {
    askDevices();
    askAlarms();
    askRejections();
  };
  const end = live.subscribe({ kinds: ['lifecycle', 'rejections', 'alerts'] }, takeEvent, missed);
  askAlarms();
  askRejections();
  const wake = () => { if (!document.hidden) askStatus(); };
  document.addEventListener('visibilitychange', wake);
  addEventListener('online', wake);
  return () => {
    ended = true;
    timers.forEach(clearTimeout);
    end();
    unattend();
    document.removeEventListener('visibilitychange', wake);
    removeEventListener('online', wake);
    batch(() => { status.value = null; devices.value = null; alarms.value = null; });
  };
}

async function askStatus() {
  try {
    const s = await api.status();
    const before = status.value;
    batch(() => {
      status.value = s;
      heard();
    });
    if (before && before.devices !== s.devices) askDevices();
  } catch (e) {
    unheard(e);
  }
}

/** askDevices has the list asked for anew, after a change that this page made. */
export async function askDevices() {
  try {
    devices.value = await api.devices();
  } catch {
    // askStatus says so
  }
}

async function askAlarms() {
  try {
    const open = new Map();
    for await (const page of api.pages('/alert-events', { state: ['firing', 'recovering'], limit: 1000 })) for (const a of page) open.set(a.id, a);
    alarms.value = open;
  } catch {
    // askStatus says so
  }
}

function askRejections() { api.deadLetters(50).then(addLetters, () => {}); }

/** @param {import('../core/live.js').Message} m */
function takeEvent(m) {
  if (m.type === 'rejection') addLive(m);
  if (m.type === 'alert') takeAlert(m.alert);
  if (m.type !== 'lifecycle' || !devices.value) return;
  const i = devices.value.findIndex((d) => d.id === m.deviceId);
  if (i < 0) {
    askDevices();
    return;
  }
  const list = [...devices.value];
  list[i] = { ...list[i], online: m.status === 'online', lastSeen: m.at };
  devices.value = list;
}

/** @param {AlertEvent} a */
export function takeAlert(a) {
  const open = new Map(alarms.value || []);
  if (a.resolvedAt) open.delete(a.id); else open.set(a.id, a);
  batch(() => { alarms.value = open; lastAlert.value = a; });
}
