// The readings of the ports that are looked at: fetched in tiles, a few
// requests at a time, remembered, and kept up to date.
import { Queue } from './queue.js';
import { runs } from './ladder.js';
import { Tile, Tiles } from './tile.js';
import { prefix, tileKey, Track } from './track.js';

const PARALLEL = 4;
const MOST_POINTS = 400_000; // remembered, some 20 MB
const LATE_MS = 60_000; // a tile that ended so long before it was asked for hardly changes any more
const OLD_MS = 600_000; // even that is asked for again after this
const OPEN_OLD_MS = 30_000;
const STALE_MS = 2_000; // a tile that lacks readings is asked for again so often
const AHEAD_MS = 600_000; // a device's clock may be ahead
const RETRY_MS = 5_000;
const PAUSE_MS = 1_000; // when there were too many requests
const MOST_AHEAD = 12; // of more tracks the neighbours are not fetched before they are seen

/**
 * @typedef {import('./track.js').Want} Want
 * @typedef {{every: number, raw: boolean, first: number, last: number}} Plan
 * @typedef {(path: string, query: import('../core/api.js').Query, signal: AbortSignal) => Promise<{items: any[], nextCursor?: string}>} Ask
 * @typedef {{control: AbortController, port: string, keys: string[], since: import('../core/api.js').Reading[]}} Fetch
 *   since: readings that were stored while it was on its way; it may lack them
 */

/** History is open from its making until close. */
export class History {
  /**
   * @param {{ask: Ask, now: () => number, onChange: () => void}} o now: the server's; onChange: there is something to draw
   */
  constructor({ ask, now, onChange }) {
    this.ask = ask;
    this.now = now;
    this.onChange = onChange;
    this.queue = new Queue(PARALLEL);
    this.tiles = new Tiles(MOST_POINTS);
    /** @type {Map<string, Track>} */
    this.tracks = new Map();
    /** @type {Map<string, Set<Fetch>>} by track */
    this.fetches = new Map();
    this.timer = 0;
    this.pausedUntil = 0;
    this.changing = false;
    this.closed = false;
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    for (const key of this.fetches.keys()) this.#abort(key, () => true);
    this.tracks.clear();
    this.tiles.clear();
  }

  /**
   * see says what is looked at; what is not any more is let go, and its
   * requests are ended.
   * @param {Map<string, Want>} wants by a name of each
   */
  see(wants) {
    for (const name of this.tracks.keys()) {
      if (wants.has(name)) continue;
      this.tracks.delete(name);
      this.#abort(name, () => true);
      this.fetches.delete(name);
    }
    for (const [name, want] of wants) {
      const track = this.tracks.get(name);
      if (!track) {
        this.tracks.set(name, new Track(want));
      } else {
        const before = track.want;
        track.want = want;
        if (before.ingested !== want.ingested || before.shift !== want.shift) track.line = null;
        if (before.from !== want.from || before.to !== want.to) track.problem = null;
      }
      this.#follow(name);
    }
  }

  /** @param {string} name */
  track(name) { return this.tracks.get(name); }

  /** again tries what failed. */
  again() {
    for (const [name, track] of this.tracks) {
      track.problem = null;
      this.#follow(name);
    }
  }

  /** doubt asks for all anew that may have changed: something was missed. */
  doubt() {
    for (const tile of this.tiles.byKey.values()) if (tile.to > tile.at - LATE_MS) tile.stale = true;
    this.again();
  }

  /** @param {import('../core/api.js').Reading[]} readings as they were stored just now */
  add(readings) {
    for (const r of readings) {
      const port = { deviceId: r.deviceId, number: r.portNumber };
      for (const tile of this.tiles.of(prefix(port), Date.parse(r.ts))) {
        if (tile.every) tile.stale = true; else tile.addReading(r);
      }
    }
    const ports = new Set(readings.map((r) => prefix({ deviceId: r.deviceId, number: r.portNumber })));
    for (const f of [...this.fetches.values()].flatMap((all) => [...all])) {
      if (ports.has(f.port)) f.since.push(...readings.filter((r) => f.port === prefix({ deviceId: r.deviceId, number: r.portNumber })));
    }
    for (const [name, track] of this.tracks) if (ports.has(prefix(track.want))) this.#follow(name);
    this.#later(STALE_MS);
  }

  /** @param {string} key */
  #get = (key) => this.tiles.get(key);

  /**
   * follow draws what is there of a track, and asks for the rest.
   * @param {string} name
   */
  #follow(name) {
    const track = this.tracks.get(name);
    if (!track || this.closed) return;
    const plan = track.plan(this.#get);
    track.take(plan, this.#get);
    const key = (/** @type {number} */ i) => tileKey(track.want, plan.every, plan.raw, i);
    const useful = new Set(Array.from({ length: plan.last - plan.first + 3 }, (_, k) => key(plan.first - 1 + k)));
    this.#abort(name, (f) => !f.keys.some((k) => useful.has(k)));
    const coming = new Set([...(this.fetches.get(name) || [])].flatMap((f) => f.keys));
    const lacking = [];
    let absent = false;
    for (let i = plan.first; i <= plan.last; i++) {
      if (coming.has(key(i))) {
        absent ||= !this.tiles.get(key(i));
      } else if (this.#wanted(key(i), plan, i)) {
        lacking.push(i);
        absent ||= !this.tiles.get(key(i));
      }
    }
    track.loading = absent && !track.problem;
    const pause = this.pausedUntil - this.now();
    if (pause > 0) {
      this.#later(pause);
    } else if (!track.problem) {
      for (const run of runs(lacking)) this.#fetch(name, track, plan, run, false);
      if (!absent && this.tracks.size <= MOST_AHEAD) {
        for (const i of [plan.last + 1, plan.first - 1]) {
          if (!this.tiles.get(key(i)) && !coming.has(key(i)) && this.#wanted(key(i), plan, i)) this.#fetch(name, track, plan, [i, i], true);
        }
      }
    }
    this.#changed();
  }

  /**
   * wanted says whether a tile is not there, or not as it is on the server.
   * @param {string} key
   * @param {Plan} plan
   * @param {number} i
   */
  #wanted(key, { every }, i) {
    const now = this.now();
    const { from } = Track.times(every, i);
    const tile = this.tiles.get(key);
    if (!tile) {
      if (from <= now + AHEAD_MS) return true;
      this.tiles.put(key, new Tile(from, from, 0, now)); // the future is empty
      return false;
    }
    const age = now - tile.at;
    if (tile.stale) {
      if (age >= STALE_MS) return true;
      this.#later(STALE_MS - age);
      return false;
    }
    return age > (tile.to > tile.at - LATE_MS ? OPEN_OLD_MS : OLD_MS);
  }

  /**
   * @param {string} name
   * @param {Track} track
   * @param {Plan} plan
   * @param {[number, number]} run tiles
   * @param {boolean} low nobody looks at them yet
   */
  async #fetch(name, track, { every, raw }, [first, last], low) {
    const w = track.want;
    const control = new AbortController();
    const keys = Array.from({ length: last - first + 1 }, (_, k) => tileKey(w, every, raw, first + k));
    /** @type {Fetch} */
    const mine = { control, port: prefix(w), keys, since: [] };
    const all = this.fetches.get(name) || new Set();
    this.fetches.set(name, all.add(mine));
    const at = this.now();
    try {
      const answer = await this.queue.add(() => this.ask('/readings', query(w, every, raw, first, last), control.signal), control.signal, low);
      if (this.closed) return;
      if (raw && answer.nextCursor) track.crowded = Math.min(track.crowded, every);
      else fill(first, last, every, raw, at, answer.items, mine.since).forEach((tile, k) => this.tiles.put(keys[k], tile));
      all.delete(mine);
    } catch (e) {
      all.delete(mine);
      if (control.signal.aborted || this.closed || low) return;
      const { status = 0, retryAfter } = /** @type {import('../core/api.js').Problem} */ (e);
      if (status === 429) {
        this.pausedUntil = this.now() + ((retryAfter || 0) * 1000 || PAUSE_MS); // no fault of the port's
      } else {
        track.problem = /** @type {Error} */ (e);
        if (status === 0 || status >= 500) this.#retry((retryAfter || 0) * 1000 || RETRY_MS);
      }
    }
    if (this.tracks.get(name) === track) this.#follow(name);
  }

  /**
   * @param {string} name
   * @param {(f: Fetch) => boolean} which
   */
  #abort(name, which) {
    const all = this.fetches.get(name);
    for (const f of all || []) {
      if (!which(f)) continue;
      all?.delete(f);
      f.control.abort();
    }
  }

  /** @param {number} ms */
  #retry(ms) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => { this.timer = 0; this.again(); }, ms);
  }

  /** later follows all tracks once more. @param {number} ms */
  #later(ms) {
    if (this.timer || this.closed) return;
    this.timer = setTimeout(() => {
      this.timer = 0;
      for (const name of this.tracks.keys()) this.#follow(name);
    }, ms);
  }

  #changed() {
    if (this.changing) return;
    this.changing = true;
    queueMicrotask(() => {
      this.changing = false;
      if (!this.closed) this.onChange();
    });
  }
}

/**
 * query asks for tiles of a port. More readings than can be drawn are not
 * asked for: the answer says that there are more.
 * @param {Want} w
 * @param {number} every ms
 * @param {boolean} raw
 * @param {number} first
 * @param {number} last
 */
export function query(w, every, raw, first, last) {
  const iso = (/** @type {number} */ ts) => new Date(ts).toISOString();
  return {
    deviceId: w.deviceId, portNumber: w.number, from: iso(Track.times(every, first).from), to: iso(Track.times(every, last).to),
    every: raw ? undefined : every + 'ms', calibration: w.ingested ? 'ingested' : undefined, limit: raw ? 3 * w.rawMost : 10_000,
  };
}

/**
 * fill puts what was answered into tiles.
 * @param {number} first
 * @param {number} last
 * @param {number} every ms
 * @param {boolean} raw
 * @param {number} at
 * @param {any[]} items in order of time
 * @param {import('../core/api.js').Reading[]} since
 */
function fill(first, last, every, raw, at, items, since) {
  const tiles = Array.from({ length: last - first + 1 }, (_, k) => {
    const { from, to } = Track.times(every, first + k);
    return new Tile(from, to, raw ? 0 : every, at);
  });
  let k = 0;
  for (const item of items) {
    const ts = Date.parse(item.ts);
    while (k < tiles.length - 1 && ts >= tiles[k].to) k++;
    if (raw) tiles[k].addReading(item); else tiles[k].addBucket(item);
  }
  for (const r of since) {
    const ts = Date.parse(r.ts);
    const tile = tiles.find((o) => ts >= o.from && ts < o.to);
    if (tile && raw) tile.addReading(r); else if (tile) tile.stale = true;
  }
  return tiles;
}
