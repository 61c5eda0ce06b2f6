// The device that is looked at: its ports, their newest values and the last
// hour of those chosen; fed by queries first, then by the live connection.
import { batch, signal } from '@preact/signals';
import { Series } from '../chart/series.js';
import { decimals } from '../core/format.js';
import { live } from '../core/line.js';
import { api } from '../core/session.js';
import { Pace } from './pace.js';

/** HISTORY_MS is how far back the charts reach. */
export const HISTORY_MS = 3_600_000;
const AHEAD_MS = 600_000; // a device's clock may be ahead
const RAW_MOST = 4_000; // points of a port; above it buckets are drawn
const BUCKET_MS = 5_000;
const REFRESH_MS = 10_000;
const RECENT = 15; // values that say how many digits a port has

/**
 * @typedef {import('../core/api.js').Reading} Reading
 * @typedef {{number: number, scaling: number, offset: number, effectiveFrom: string | null, createdAt: string}} Calibration
 * @typedef {import('../core/api.js').Port & {scaling: number, offset: number, calibrations: Calibration[]}} Port
 * @typedef {Omit<import('../core/api.js').Device, 'ports'> & {hasSecret: boolean, acceptPast: string, acceptAhead: string, assumeZone?: string,
 *   createdAt: string, secret?: string, ports?: Port[]}} Device
 * @typedef {{series: Series, waiting: Reading[] | null, failed: boolean}} Line
 */

/**
 * Watch is open from its making until close. Values of the live connection are
 * shown with the next frame, those of all ports at once; the charts as often
 * as their drawing leaves time for other things.
 */
export class Watch {
  /** @param {string} id of the device */
  constructor(id) {
    this.id = id;
    this.device = signal(/** @type {Device | null} */ (null));
    this.problem = signal(/** @type {import('../core/api.js').Problem | null} */ (null));
    /** ready is whether the newest values are there; speaking is of how many ports. */
    this.ready = signal(false);
    this.speaking = signal(0);
    /** @type {Map<number, import('@preact/signals').Signal<Reading | null>>} */
    this.values = new Map();
    /** @type {Map<number, Reading>} heard since the last frame */
    this.heard = new Map();
    /** @type {Map<number, number[]>} the last values of each port, oldest first */
    this.recent = new Map();
    /** version moves when there is something new to draw. */
    this.version = signal(0);
    /** @type {Map<number, Line>} */
    this.lines = new Map();
    this.closed = false;
    this.frame = 0;
    this.pace = new Pace(() => { this.version.value++; });
    /** @type {(() => void) | null} */
    this.unlisten = null;
    this.timer = setInterval(() => { if (!document.hidden) this.refresh(); }, REFRESH_MS);
    this.refresh();
  }

  close() {
    this.closed = true;
    clearInterval(this.timer);
    cancelAnimationFrame(this.frame);
    this.pace.stop();
    this.unlisten?.();
  }

  /**
   * reading is the newest of a port; null: there is none.
   * @param {number} port
   */
  reading(port) {
    let s = this.values.get(port);
    if (!s) {
      s = signal(/** @type {Reading | null} */ (null));
      this.values.set(port, s);
    }
    return s;
  }

  /** refresh asks for the device, which somebody may have changed. */
  async refresh() {
    try {
      const [device, latest] = await Promise.all([/** @type {Promise<Device>} */ (api.device(this.id)), this.ready.peek() ? null : api.latest(this.id)]);
      if (this.closed) return;
      batch(() => {
        this.problem.value = null;
        this.take(device);
        if (latest) this.#show(latest);
      });
      this.unlisten ??= live.subscribe({ kinds: ['readings'], devices: [this.id] }, (m) => this.#take(m), () => this.catchUp());
    } catch (e) {
      if (!this.closed) this.problem.value = /** @type {import('../core/api.js').Problem} */ (e);
    }
  }

  /**
   * take shows the device as a change has answered it. One that is as before
   * is not shown anew.
   * @param {Device} device
   */
  take(device) {
    if (JSON.stringify(device) !== JSON.stringify(this.device.peek())) this.device.value = device;
  }

  /** @param {import('../core/live.js').Message} m */
  #take(m) {
    if (m.type !== 'readings' || this.closed) return;
    let drawn = false;
    for (const r of m.items || []) {
      if (r.deviceId !== this.id) continue;
      if (!older(r, this.heard.get(r.portNumber))) this.heard.set(r.portNumber, r);
      this.#remember(r);
      const line = this.lines.get(r.portNumber);
      if (!line) continue;
      if (line.waiting) line.waiting.push(r); else this.#draw(line, r);
      drawn = true;
    }
    if (drawn) this.pace.ask();
    if (!this.frame && this.heard.size) {
      this.frame = requestAnimationFrame(() => {
        this.frame = 0;
        this.#show([...this.heard.values()]);
        this.heard.clear();
      });
    }
  }

  /** @param {Reading[]} items the newest of ports, however they became known */
  #show(items) {
    batch(() => {
      for (const r of items) {
        const s = this.reading(r.portNumber);
        const there = s.peek();
        if (there && older(r, there)) continue;
        if (!there) {
          this.speaking.value++;
          this.#remember(r);
        }
        s.value = r;
      }
      this.ready.value = true;
    });
  }

  /** @param {Reading} r */
  #remember(r) {
    const list = this.recent.get(r.portNumber) || [];
    if (list.push(r.calibratedValue) > RECENT) list.shift();
    this.recent.set(r.portNumber, list);
  }

  /**
   * @param {Line} line
   * @param {Reading} r
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
  places(port) {
    void this.reading(port).value;
    return decimals(this.recent.get(port) || []);
  }

  /**
   * loading says whether the past of a port is still on its way.
   * @param {number} port
   */
  loading(port) { return this.lines.get(port)?.waiting != null; }

  /**
   * anew has a port loaded again: another calibration says other values.
   * @param {number} port
   */
  anew(port) {
    this.recent.delete(port);
    const line = this.lines.get(port);
    if (line && !line.waiting) {
      line.series.clear();
      this.#fill(port, line, this.#now() - HISTORY_MS);
    }
    api.latest(this.id).then((l) => { if (!this.closed) this.#show(l); }, () => {});
  }

  /** catchUp loads what was missed while the connection was away or too slow. */
  catchUp() {
    const oldest = this.#now() - HISTORY_MS;
    for (const [port, line] of this.lines) {
      const { ts, every } = line.series;
      if (!line.waiting) this.#fill(port, line, ts.length && !line.failed ? Math.max(oldest, ts[ts.length - 1] - every) : oldest);
    }
    api.latest(this.id).then((l) => { if (!this.closed) this.#show(l); }, () => {});
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
    this.pace.ask();
  }
}

/**
 * older says whether a is of an earlier time than b.
 * @param {Reading} a
 * @param {Reading | undefined} b
 */
function older(a, b) { return !!b && Date.parse(a.ts) < Date.parse(b.ts); }
