// What was fetched of a port: tiles of readings or of buckets, and the memory
// of them.

/**
 * @typedef {import('../core/api.js').Reading} Reading
 * @typedef {import('../core/api.js').Aggregate} Aggregate
 */

const EMPTY = 10; // points that an empty tile counts

/** Tile is a port between two times, as the server had it at a time. */
export class Tile {
  /**
   * @param {number} from Unix ms, inclusive
   * @param {number} to Unix ms, exclusive
   * @param {number} every ms of a bucket; 0: readings
   * @param {number} at when it was asked for, in Unix ms of the server
   */
  constructor(from, to, every, at) {
    this.from = from;
    this.to = to;
    this.every = every;
    this.at = at;
    /** stale is whether readings came since that are not in it. */
    this.stale = false;
    /** cost is what it counts among the tiles that are remembered, in points. */
    this.cost = 0;
    /** @type {number[]} Unix ms; of a bucket its begin */
    this.ts = [];
    /** @type {number[]} */
    this.mid = [];
    /** @type {number[]} */
    this.low = [];
    /** @type {number[]} */
    this.high = [];
    /** @type {number[]} readings in a bucket */
    this.n = [];
    /** @type {{ts: number, value: number, quality: string}[]} readings that the device does not vouch for */
    this.marks = [];
  }

  /** @param {Aggregate} b in order of time */
  addBucket(b) {
    this.ts.push(Date.parse(b.ts));
    this.mid.push(b.mean);
    this.low.push(b.min);
    this.high.push(b.max);
    this.n.push(b.count);
  }

  /** @param {Reading} r in any order; one at a time of its own */
  addReading(r) {
    const ts = Date.parse(r.ts);
    const v = r.calibratedValue;
    if (v === null) return; // it left the range of numbers
    let i = this.ts.length;
    while (i > 0 && this.ts[i - 1] >= ts) i--;
    const there = this.ts[i] === ts ? 1 : 0;
    this.ts.splice(i, there, ts);
    this.mid.splice(i, there, v);
    this.low = this.high = this.mid;
    this.n.splice(i, there, 1);
    this.marks = this.marks.filter((m) => m.ts !== ts);
    if (r.quality !== 'good') this.marks.push({ ts, value: v, quality: r.quality });
  }
}

/**
 * Tiles remembers tiles up to a number of points; those that were not used for
 * the longest time are forgotten.
 */
export class Tiles {
  /** @param {number} most points */
  constructor(most) {
    this.most = most;
    this.points = 0;
    /** @type {Map<string, Tile>} the last used at the end */
    this.byKey = new Map();
  }

  /** @param {string} key */
  get(key) {
    const tile = this.byKey.get(key);
    if (tile) {
      this.byKey.delete(key);
      this.byKey.set(key, tile);
    }
    return tile;
  }

  /**
   * @param {string} key
   * @param {Tile} tile
   */
  put(key, tile) {
    this.#drop(key);
    this.byKey.set(key, tile);
    tile.cost = tile.ts.length + EMPTY; // readings that are added later do not count: it is fetched again before long
    this.points += tile.cost;
    for (const old of this.byKey.keys()) {
      if (this.points <= this.most || old === key) break;
      this.#drop(old);
    }
  }

  /** @param {string} key */
  #drop(key) {
    const tile = this.byKey.get(key);
    if (!tile) return;
    this.byKey.delete(key);
    this.points -= tile.cost;
  }

  /**
   * of answers the tiles of a port that a time lies in.
   * @param {string} begin of their keys
   * @param {number} ts Unix ms
   */
  *of(begin, ts) {
    for (const [key, tile] of this.byKey) if (ts >= tile.from && ts < tile.to && key.startsWith(begin)) yield tile;
  }

  clear() {
    this.byKey.clear();
    this.points = 0;
  }
}
