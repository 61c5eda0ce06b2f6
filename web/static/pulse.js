// The pulse of the server: how it is, which devices there are, who came and
// went, what was rejected.
import { batch, computed, effect, signal } from '@preact/signals';
import { Live } from './live.js';
import { api, session } from './session.js';
import { addLetters, addLive } from './rejections.js';

const STATUS_MS = 2_000;
const DEVICES_MS = 10_000;

/** status is the last answer; null before the first. */
export const status = signal(/** @type {import('./api.js').Status | null} */ (null));

/** rate is how many readings arrive each second; null: not known yet. */
export const rate = signal(/** @type {number | null} */ (null));

/** devices is null before the first answer. */
export const devices = signal(/** @type {import('./api.js').Device[] | null} */ (null));

/** silent is why the server could not be asked; empty: it answers. */
export const silent = signal('');

/** eventState and readingState are those of the two live connections. */
export const eventState = signal(/** @type {import('./live.js').LiveState} */ ('stopped'));
export const readingState = signal(/** @type {import('./live.js').LiveState} */ ('stopped'));
export const retryAt = signal(0);

/** link sums up how fresh the page is: live, connecting, offline. */
export const link = computed(() => {
  if (silent.value) return 'offline';
  const states = [eventState.value, readingState.value].filter((s) => s !== 'stopped');
  return states.length && states.every((s) => s === 'live') ? 'live' : 'connecting';
});

/** liveUrl is where the live connections go. */
export const liveUrl = () => location.origin.replace(/^http/, 'ws') + '/api/v1/live';

/** Connections that want to know when the server answers again, or there is another token. */
const doubtful = new Set(/** @type {Live[]} */ ([]));

/**
 * heal has l connect anew when the server answers after a silence: a socket
 * can look open long after the way to it is gone.
 * @param {Live} l
 * @returns {() => void} ends it
 */
export function heal(l) {
  doubtful.add(l);
  return () => doubtful.delete(l);
}

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
  again(askStatus, STATUS_MS);
  again(askDevices, DEVICES_MS);
  const events = new Live({
    url: liveUrl(),
    token: () => session.value?.token || '',
    subscription: { kinds: ['lifecycle', 'rejections'], ports: [] },
    onMessage: takeEvent,
    onState: (s, at) => {
      batch(() => { eventState.value = s; retryAt.value = at; });
      if (s === 'live') api.deadLetters(50).then(addLetters, () => {});
    },
  });
  const unheal = heal(events);
  events.start();
  const wake = () => {
    if (document.hidden) return;
    askStatus();
    for (const l of doubtful) if (l.state === 'waiting') l.again();
  };
  document.addEventListener('visibilitychange', wake);
  addEventListener('online', wake);
  const token = computed(() => session.value?.token);
  const unrenew = effect(() => {
    if (token.value) for (const l of doubtful) l.renew();
  });
  return () => {
    ended = true;
    unrenew();
    timers.forEach(clearTimeout);
    unheal();
    events.stop();
    document.removeEventListener('visibilitychange', wake);
    removeEventListener('online', wake);
    batch(() => { status.value = null; rate.value = null; devices.value = null; silent.value = ''; });
  };
}

let asked = 0;

async function askStatus() {
  try {
    const s = await api.status();
    const at = performance.now();
    const before = status.value;
    const seconds = (at - asked) / 1000;
    const wasSilent = silent.value !== '';
    batch(() => {
      if (before && s.whole && seconds < 60) {
        const r = Math.max(0, s.ledger.received - before.ledger.received) / seconds;
        rate.value = rate.value === null ? r : rate.value * 0.6 + r * 0.4;
      }
      status.value = s;
      silent.value = '';
    });
    asked = at;
    if (before && before.devices !== s.devices) askDevices();
    if (wasSilent) for (const l of doubtful) l.again();
  } catch (e) {
    if (session.value) silent.value = /** @type {Error} */ (e).message;
  }
}

async function askDevices() {
  try {
    devices.value = await api.devices();
  } catch {
    // askStatus says so
  }
}

/** @param {import('./live.js').Message} m */
function takeEvent(m) {
  if (m.type === 'rejection') addLive(m);
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
