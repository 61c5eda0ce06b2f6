// What is looked at now: the view of the address, its range, the cursor, and
// the readings; and how the range is moved.
import { batch, computed, effect, signal } from '@preact/signals';
import { Problem } from '../core/api.js';
import { now } from '../core/clock.js';
import { live } from '../core/line.js';
import { query, setQuery } from '../core/route.js';
import { api } from '../core/session.js';
import { History } from './history.js';
import { endsNow, panned, zoomed } from './motion.js';
import { read, resolve, wanted } from './view.js';

const STEPS = 1_500; // a range that ends now moves so often in its length, and no more than each second
const RAW_MOST = 4_000; // readings of a port that are drawn one by one
const RAW_ALL = 24_000; // and of all ports

/** @typedef {{from: number, to: number}} Range */

/** view is what the address says. */
export const view = computed(() => read(query.value));

/** ports is the list of chosen ports as one text, for what depends on nothing else. */
export const portKeys = computed(() => view.value.ports.map((p) => p.key).join());

/** held is the range while it is moved by hand; null: it is as the address says. */
const held = signal(/** @type {Range | null} */ (null));

/** extent is from the oldest to the newest reading of the ports; null: not known. */
export const extent = signal(/** @type {import('./view.js').Extent | null} */ (null));

/** moment is now, as exactly as the range needs it. */
const moment = computed(() => {
  const rough = resolve(view.value, now.peek(), extent.value);
  const step = Math.max(1_000, (rough.to - rough.from) / STEPS);
  return Math.ceil(now.value / step) * step;
});

/** range is what is seen, in Unix ms; live: it ends now. */
export const range = computed(() => (held.value ? { ...held.value, live: false } : resolve(view.value, moment.value, extent.value)));

/** width is that of a plot in px; 0: not known yet. */
export const width = signal(0);

/** cursor is the time that is read out; null: none. */
export const cursor = signal(/** @type {number | null} */ (null));

/** version moves when there is something new to draw. */
export const version = signal(0);

/** history is null while nothing is looked at. */
export const history = signal(/** @type {History | null} */ (null));

/** slow is whether one waits for readings long enough to be told. */
export const slow = signal(false);

const SLOW_MS = 250;
const TIMEOUT_MS = 60_000;
const DRAW_MS = 15; // answers that come together are drawn together

/**
 * ask asks the server, for some time.
 * @type {import('./history.js').Ask}
 */
async function ask(path, q, signal) {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  try {
    return await api.call(path, { query: q, signal: AbortSignal.any([signal, timeout]) });
  } catch (e) {
    throw timeout.aborted ? new Problem(0, 'The server does not answer.') : e;
  }
}

/**
 * look begins; the answered function ends it.
 * @returns {() => void}
 */
export function look() {
  let timer = 0;
  let drawing = 0;
  const h = new History({
    ask,
    now: () => Date.now() + api.skew,
    onChange: () => { drawing ||= setTimeout(draw, DRAW_MS); },
  });
  const draw = () => {
    drawing = 0;
    version.value++;
    const waits = [...h.tracks.values()].some((track) => track.loading);
    if (!waits) {
      clearTimeout(timer);
      timer = 0;
      slow.value = false;
    } else if (!timer) {
      timer = setTimeout(() => { slow.value = true; }, SLOW_MS);
    }
  };
  history.value = h;
  const following = computed(() => (range.value.live ? portKeys.value : ''));
  const ends = [effect(see), effect(() => follow(following.value)), effect(measure)];
  return () => {
    for (const end of ends) end();
    clearTimeout(timer);
    clearTimeout(drawing);
    h.close();
    batch(() => { history.value = null; held.value = null; cursor.value = null; slow.value = false; extent.value = null; });
    outer.length = 0;
  };
}

/** see tells the history what is looked at. */
function see() {
  const { ports, compare, ingested } = view.value;
  const { from, to } = range.value;
  if (!width.value || (view.value.from === 'all' && !extent.value)) return;
  const rawMost = Math.min(RAW_MOST, Math.round(RAW_ALL / Math.max(1, ports.length)));
  /** @type {Map<string, import('./track.js').Want>} */
  const wants = new Map();
  for (const { key, deviceId, number } of ports) {
    const want = { deviceId, number, from, to, width: width.value, ingested, shift: 0, rawMost };
    wants.set(key, want);
    if (compare) wants.set(before(key), { ...want, from: 2 * from - to, to: from, shift: to - from });
  }
  history.peek()?.see(wants);
}

/** before names the track of a port in the time before. @param {string} key */
export const before = (key) => key + ' before';

/** follow takes the readings of ports as they are stored. @param {string} keys */
function follow(keys) {
  const { ports } = view.peek();
  if (!keys) return undefined;
  const h = history.peek();
  return live.subscribe({ kinds: ['readings'], ports: ports.map((p) => ({ deviceId: p.deviceId, portNumber: p.number })) }, (m) => {
    if (m.items) h?.add(m.items);
  }, () => h?.doubt());
}

/** measure asks from when to when there are readings, when all of them are to be seen. */
function measure() {
  if (view.value.from !== 'all' || !portKeys.value) return undefined;
  const { ports } = view.peek();
  const stop = new AbortController();
  const end = async (/** @type {import('./view.js').PortRef} */ p, /** @type {string} */ order) => {
    const { items } = await api.call('/readings', { query: { deviceId: p.deviceId, portNumber: p.number, order, limit: 1 }, signal: stop.signal }).catch(() => ({ items: [] }));
    return items.map((/** @type {any} */ r) => Date.parse(r.ts));
  };
  (async () => {
    const times = [];
    for (const p of ports) times.push(...(await Promise.all([end(p, 'asc'), end(p, 'desc')])).flat());
    if (stop.signal.aborted) return;
    const t = now.peek();
    extent.value = times.length ? { oldest: Math.min(...times), newest: Math.max(...times) } : { oldest: t - 86_400_000, newest: t };
  })();
  return () => stop.abort();
}

/** outer are the ranges that one zoomed in from, as the address had them. @type {{from: string | null, to: string | null}[]} */
const outer = [];

/** hold shows a range while it is moved by hand. @param {Range} r */
export function hold(r) { held.value = r; }

/** holding says whether the range is moved by hand now. */
export const holding = () => held.peek() !== null;

/** release gives up what hold began. */
export function release() { held.value = null; }

/**
 * settle ends what hold began, and keeps the range in the address.
 * @param {Range} r
 * @param {{push?: boolean}} [o] push: going back leads to the range before
 */
export function settle(r, { push = false } = {}) {
  const isLive = endsNow(r, now.peek());
  batch(() => {
    setQuery(wanted(r, isLive), { replace: !push });
    held.value = null;
  });
}

/** zoom shows a part of what is seen. @param {Range} r */
export function zoom(r) {
  outer.push({ from: query.peek().get('from'), to: query.peek().get('to') });
  outer.splice(0, outer.length - 50);
  batch(() => {
    setQuery({ from: wanted(r, false).from, to: wanted(r, false).to }, { replace: false });
    held.value = null;
  });
}

/** zoomOut shows what was seen before the last zoom, or twice as much. */
export function zoomOut() {
  const last = outer.pop();
  if (last) setQuery(last, { replace: false });
  else settle(zoomed(range.peek(), 2, (range.peek().from + range.peek().to) / 2, now.peek()), { push: true });
}

/** pan moves what is seen by a part of its length. @param {number} part */
export function pan(part) { settle(panned(range.peek(), part, now.peek())); }

/**
 * choose shows a range that was named, such as from=-24h.
 * @param {string | null} from
 * @param {string | null} to
 */
export function choose(from, to) {
  outer.length = 0;
  setQuery({ from, to }, { replace: false });
}

/** choosePorts changes which ports are drawn. @param {string[]} keys */
export function choosePorts(keys) { setQuery({ ports: keys.join() }); }
