// A port over a range: what of it is needed, and what is there.
import { Line } from '../chart/line.js';
import { bucketFor, TILE_BUCKETS, tilesOf } from './ladder.js';

/** RAW_FIRST_MS is the longest range that is asked for reading by reading when nothing is known of the port yet. */
const RAW_FIRST_MS = 600_000;

/**
 * @typedef {import('./tile.js').Tile} Tile
 * @typedef {{deviceId: string, number: number, from: number, to: number, width: number, ingested: boolean, shift: number, rawMost: number}} Want
 *   a port between two times, on so many px; shift: ms that it is moved by; rawMost: readings that are drawn one by one
 */

/** prefix begins the keys of all tiles of a port. @param {Pick<Want, 'deviceId' | 'number'>} w */
export const prefix = (w) => `${w.deviceId}:${w.number}|`;

/**
 * tileKey names tile i of a port.
 * @param {Want} w
 * @param {number} every ms; the tile is so many buckets long, also one of readings
 * @param {boolean} raw
 * @param {number} i
 */
export const tileKey = (w, every, raw, i) => `${prefix(w)}${w.ingested ? 'i' : 'c'}${raw ? 'r' : 'a'}${every}|${i}`;

/** Track remembers what was last drawn, until there is better. */
export class Track {
  /** @param {Want} want */
  constructor(want) {
    this.want = want;
    /** @type {Line | null} null: nothing is there yet */
    this.line = null;
    /** @type {Error | null} why it could not be loaded */
    this.problem = null;
    this.loading = true;
    /** crowded is the least bucket at which there were too many readings to draw each. */
    this.crowded = Infinity;
    /** @type {number | null} readings a ms, as last seen */
    this.density = null;
    this.drawn = { every: 0, raw: false };
    /** @type {unknown[]} what the line is made of: tiles, and how many points they had */
    this.made = [];
  }

  /**
   * plan says which tiles are needed, as buckets or as readings: readings when
   * they are few, which the buckets know.
   * @param {(key: string) => Tile | undefined} get
   */
  plan(get) {
    const w = this.want;
    const every = bucketFor(w.to - w.from, w.width);
    const [first, last] = tilesOf(w.from, w.to, every);
    const all = (/** @type {boolean} */ raw) => Array.from({ length: last - first + 1 }, (_, k) => get(tileKey(w, every, raw, first + k)));
    const buckets = all(false);
    const known = buckets.every((tile) => tile) ? within(/** @type {Tile[]} */ (buckets), w.from, w.to) : null;
    const expected = known ?? (this.density === null ? (w.to - w.from <= RAW_FIRST_MS ? 0 : Infinity) : this.density * (w.to - w.from));
    const raw = every < this.crowded && (expected <= w.rawMost || (known === null && all(true).every((tile) => tile)));
    return { every, raw, first, last };
  }

  /**
   * take draws what there is of a plan. What was drawn before stays until all
   * of it is there, but for tiles at the side of the same kind: panning shows
   * what is known at once.
   * @param {{every: number, raw: boolean, first: number, last: number}} plan
   * @param {(key: string) => Tile | undefined} get
   */
  take({ every, raw, first, last }, get) {
    const w = this.want;
    /** @type {Tile[]} */
    const there = [];
    let whole = true;
    for (let i = first - 1; i <= last + 1; i++) {
      const tile = get(tileKey(w, every, raw, i));
      if (tile) there.push(tile);
      else if (i >= first && i <= last) whole = false;
    }
    const same = this.line !== null && this.drawn.every === every && this.drawn.raw === raw;
    if (!whole && !same) return;
    const made = [w.shift, ...there.flatMap((tile) => [tile, tile.ts.length, tile.ts[tile.ts.length - 1]])];
    if (!same || made.length !== this.made.length || made.some((m, i) => m !== this.made[i])) {
      this.line = new Line(raw ? 0 : every, there, w.shift);
      this.made = made;
    }
    this.drawn = { every, raw };
    if (whole) this.density = within(there, w.from, w.to) / (w.to - w.from);
  }

  /**
   * tile answers the times of tile i.
   * @param {number} every
   * @param {number} i
   */
  static times(every, i) { return { from: i * TILE_BUCKETS * every, to: (i + 1) * TILE_BUCKETS * every }; }
}

/**
 * within counts the readings of tiles in a range, whole buckets at its ends.
 * @param {Tile[]} tiles
 * @param {number} from
 * @param {number} to
 */
function within(tiles, from, to) {
  let sum = 0;
  for (const { ts, n, every } of tiles) for (let i = 0; i < ts.length; i++) if (ts[i] + every > from && ts[i] < to) sum += n[i];
  return sum;
}
