// A port as it is drawn: its points in order of time, and where they are not
// joined.

/** USUAL is how many usual distances two readings may be apart and still be joined. */
const USUAL = 3.5;
const LEAST_GAP_MS = 1_000;

/**
 * @typedef {{from: number, to: number, every: number, ts: number[], mid: number[], low: number[], high: number[], n: number[],
 *   marks: {ts: number, value: number, quality: string}[]}} Piece
 */

/** Line is made of pieces that follow each other in time, and does not change. */
export class Line {
  /**
   * @param {number} every ms of a bucket; 0: readings
   * @param {Piece[]} pieces in order of time
   * @param {number} [shift] ms that all points are moved by, to be compared with later ones
   */
  constructor(every, pieces, shift = 0) {
    this.every = every;
    this.ts = pieces.flatMap((p) => p.ts);
    if (shift) this.ts = this.ts.map((t) => t + shift);
    this.mid = pieces.flatMap((p) => p.mid);
    this.low = every ? pieces.flatMap((p) => p.low) : this.mid;
    this.high = every ? pieces.flatMap((p) => p.high) : this.mid;
    this.n = pieces.flatMap((p) => p.n);
    this.marks = pieces.flatMap((p) => p.marks).map((m) => ({ ...m, ts: m.ts + shift }));
    this.distance = this.#distance();
  }

  get length() { return this.ts.length; }

  /** at answers where a point stands: a bucket at its middle. @param {number} i */
  at(i) { return this.ts[i] + this.every / 2; }

  /**
   * gap is the distance from which two points are not joined. Buckets without
   * readings are left out, so that buckets are joined with their neighbours
   * alone; readings by their usual distance.
   */
  gap() { return this.distance; }

  #distance() {
    if (this.every) return this.every;
    const steps = [];
    for (let i = 1; i < this.ts.length; i++) steps.push(this.ts[i] - this.ts[i - 1]);
    if (steps.length < 2) return Infinity;
    steps.sort((a, b) => a - b);
    return Math.max(USUAL * steps[steps.length >> 1], LEAST_GAP_MS);
  }

  /**
   * first answers the index of the first point at or after a time.
   * @param {number} t Unix ms
   */
  first(t) {
    let a = 0;
    let b = this.ts.length;
    while (a < b) {
      const m = (a + b) >> 1;
      if (this.at(m) < t) a = m + 1; else b = m;
    }
    return a;
  }

  /**
   * near answers the index of the point next to a time; -1: none is near enough
   * to speak for it.
   * @param {number} t Unix ms
   */
  near(t) {
    const after = this.first(t);
    const before = after - 1;
    const toAfter = after < this.ts.length ? this.at(after) - t : Infinity;
    const toBefore = before >= 0 ? t - this.at(before) : Infinity;
    const least = Math.min(toAfter, toBefore);
    if (least === Infinity || least > this.distance / 2) return -1;
    return toAfter <= toBefore ? after : before; // where two buckets meet, the later one begins
  }

  /** quality answers what the device says of a reading; buckets do not tell. @param {number} i */
  quality(i) { return this.marks.find((m) => m.ts === this.ts[i])?.quality || 'good'; }

  /**
   * between sums up the points of a range; null: there are none.
   * @param {number} from Unix ms, inclusive
   * @param {number} to Unix ms, exclusive
   */
  between(from, to) {
    let low = Infinity;
    let high = -Infinity;
    let readings = 0;
    for (let i = this.first(from); i < this.ts.length && this.at(i) < to; i++) {
      if (this.low[i] < low) low = this.low[i];
      if (this.high[i] > high) high = this.high[i];
      readings += this.n[i];
    }
    return readings ? { low, high, readings } : null;
  }
}
