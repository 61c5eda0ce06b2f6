// The device that is looked at: its ports, their newest values and the last
// hour of those chosen; fed by queries first, then by the live connection.
import { batch, signal } from '@preact/signals';
import { Series } from '../chart/series.js';
import { decimals } from '../core/format.js';
import { live } from '../core/line.js';
import { api } from '../core/session.js';

/** HISTORY_MS is how far back the charts reach. */
export const HISTORY_MS = 3_600_000;
const AHEAD_MS = 600_000; // a device's clock may be ahead
const RAW_MOST = 4_000; // points of a port; above it buckets are drawn
const BUCKET_MS = 5_000;
const REFRESH_MS = 10_000;
const REDRAW_MS = 200;
const RECENT = 15; // values that say how many digits a port has

/** @typedef {{series: Series, waiting: import('../core/api.js').Reading[] | null, failed: boolean}} Line */

/** Watch is open from its making until close. */
export class Watch {
  /** @param {string} id of the device */
  constructor(id) {
    this.id = id;
    this.device = signal(/** @type {import('../core/api.js').Device | null} */ (null));
    this.problem = signal(/** @type {import('../core/api.js').Problem | null} */ (null));
    this.latest = signal(/** @type {Map<number, import('../core/api.js').Reading> | null} */ (null));
    /** @type {Map<number, number[]>} the last values of each port, oldest first */
    this.recent = new Map();
    /** version moves when there is something new to draw. */
    this.version = signal(0);
    /** @type {Map<number, Line>} */
    this.lines = new Map();
    this.closed = false;
    this.drawing = 0;
    this.unlisten = () => {};
    this.timer = setInterval(() => { if (!document.hidden) this.refresh(); }, REFRESH_MS);
    this.refresh();
  }

  close() {
    this.closed = true;
    clearInterval(this.timer);
    clearTimeout(this.drawing);
    this.unlisten();
  }

  /** refresh asks for the device; its ports may have changed. */
  async refresh() {
    try {
      const [device, latest] = await Promise.all([api.device(this.id), this.latest.value ? null : api.latest(this.id)]);
      if (this.closed) return;
      const ports = (d = this.device.value) => JSON.stringify(d?.ports?.map((p) => p.number));
      const changed = ports() !== ports(device);
      batch(() => {
        this.problem.value = null;
        this.device.value = device;
        if (latest) this.#takeLatest(latest);
      });
      if (changed) this.#listen(device.ports || []);
    } catch (e) {
      if (!this.closed) this.problem.value = /** @type {import('../core/api.js').Problem} */ (e);
    }
  }

  /** @param {import('../core/api.js').Port[]} ports */
  #listen(ports) {
    this.unlisten();
    this.unlisten = () => {};
    if (!ports.length) return;
    const chosen = ports.map((p) => ({ deviceId: this.id, portNumber: p.number }));
    this.unlisten = live.subscribe({ kinds: ['readings'], ports: chosen }, (m) => this.#take(m), () => this.catchUp());
  }

  /** @param {import('../core/live.js').Message} m */
  #take(m) {
    if (m.type !== 'readings' || this.closed) return;
    const items = (m.items || []).filter((r) => r.deviceId === this.id);
    this.#takeLatest(items);
    for (const r of items) {
      const line = this.lines.get(r.portNumber);
      if (!line) continue;
      if (line.waiting) line.waiting.push(r); else this.#draw(line, r);
    }
    this.#redraw();
  }

  /** @param {import('../core/api.js').Reading[]} items */
  #takeLatest(items) {
    const latest = new Map(this.latest.value || []);
    for (const r of items) {
      const there = latest.get(r.portNumber);
      if (there && Date.parse(there.ts) > Date.parse(r.ts)) continue;
      latest.set(r.portNumber, r);
      this.recent.set(r.portNumber, [...(this.recent.get(r.portNumber) || []).slice(-RECENT), r.calibratedValue]);
    }
    this.latest.value = latest;
  }

  /**
   * @param {Line} line
   * @param {import('../core/api.js').Reading} r
   */
  #draw({ series }, r) {
    const oldest = this.#now() - HISTORY_MS;
    const ts = Date.parse(r.ts);
    if (ts < oldest) return;
    series.add(ts, r.calibratedValue);
    series.trim(oldest);
    if (!series.every && series.length > 2 * RAW_MOST) series.compact(BUCKET_MS);
  }

  #now() { return Date.now() + api.skew; }

  #redraw() {
    if (this.drawing) return;
    this.drawing = setTimeout(() => {
      this.drawing = 0;
      this.version.value++;
    }, REDRAW_MS);
  }

  /**
   * series answers what is drawn of a port, and begins to load it.
   * @param {number} port
   */
  series(port) {
    let line = this.lines.get(port);
    if (!line) {
      line = { series: new Series(), waiting: null, failed: false };
      this.lines.set(port, line);
      this.#fill(port, line, this.#now() - HISTORY_MS);
    }
    return line.series;
  }

  /**
   * places is how many digits behind the point the values of a port have.
   * @param {number} port
   */
  places(port) { return decimals(this.recent.get(port) || []); }

  /**
   * loading says whether the past of a port is still on its way.
   * @param {number} port
   */
  loading(port) { return this.lines.get(port)?.waiting != null; }

  /** catchUp loads what was missed while the connection was away or too slow. */
  catchUp() {
    const oldest = this.#now() - HISTORY_MS;
    for (const [port, line] of this.lines) {
      const { ts, every } = line.series;
      if (!line.waiting) this.#fill(port, line, ts.length && !line.failed ? Math.max(oldest, ts[ts.length - 1] - every) : oldest);
    }
    api.latest(this.id).then((l) => { if (!this.closed) this.#takeLatest(l); }, () => {});
  }

  /**
   * fill loads a port from a time on: every reading, or buckets where there
   * are too many of them.
   * @param {number} port
   * @param {Line} line
   * @param {number} from Unix ms
   */
  async #fill(port, line, from) {
    const s = line.series;
    line.waiting = [];
    try {
      const to = this.#now() + AHEAD_MS;
      const buckets = await api.aggregates(this.id, port, from - from % BUCKET_MS, to, BUCKET_MS);
      const total = buckets.reduce((n, b) => n + b.count, s.every ? 0 : s.length);
      if (s.every || total > RAW_MOST) {
        if (!s.every) s.compact(BUCKET_MS);
        for (const b of buckets) s.put(Date.parse(b.ts), b);
      } else if (buckets.length) {
        const { items } = await api.readings(this.id, port, from, to, RAW_MOST);
        for (const r of items) s.add(Date.parse(r.ts), r.calibratedValue);
      }
      line.failed = false;
    } catch {
      line.failed = true; // the next catchUp begins from the oldest again
    }
    const waiting = line.waiting;
    line.waiting = null;
    if (this.closed) return;
    for (const r of waiting) this.#draw(line, r);
    this.#redraw();
  }
}
