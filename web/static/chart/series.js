// What is drawn: the points of a port in the last hour.

/**
 * Series keeps points in order of time, one at a time of its own. With every
 * above 0 a point is a bucket of so many ms: its mean, least and greatest.
 */
export class Series {
  constructor() {
    this.every = 0;
    /** @type {number[]} Unix ms; of a bucket its begin */
    this.ts = [];
    /** @type {number[]} */
    this.mid = [];
    /** @type {number[]} */
    this.low = [];
    /** @type {number[]} */
    this.high = [];
    /** @type {number[]} */
    this.n = [];
  }

  get length() { return this.ts.length; }

  /** @param {number} ts */
  #find(ts) {
    let a = 0;
    let b = this.ts.length;
    if (b > 0 && this.ts[b - 1] < ts) return b; // by far the most frequent
    while (a < b) {
      const m = (a + b) >> 1;
      if (this.ts[m] < ts) a = m + 1; else b = m;
    }
    return a;
  }

  /**
   * put sets a point, whatever was at its time before.
   * @param {number} ts
   * @param {{mean: number, min: number, max: number, count: number}} p
   */
  put(ts, p) {
    const i = this.#find(ts);
    const there = this.ts[i] === ts ? 1 : 0;
    this.ts.splice(i, there, ts);
    this.mid.splice(i, there, p.mean);
    this.low.splice(i, there, p.min);
    this.high.splice(i, there, p.max);
    this.n.splice(i, there, p.count);
  }

  /**
   * add takes a reading: a point of its own, or a part of its bucket.
   * @param {number} ts
   * @param {number} v
   */
  add(ts, v) {
    const at = this.every ? ts - ts % this.every : ts;
    const i = this.#find(at);
    if (!this.every || this.ts[i] !== at) {
      this.put(at, { mean: v, min: v, max: v, count: 1 });
      return;
    }
    this.n[i]++;
    this.mid[i] += (v - this.mid[i]) / this.n[i];
    this.low[i] = Math.min(this.low[i], v);
    this.high[i] = Math.max(this.high[i], v);
  }

  /**
   * trim forgets what is older.
   * @param {number} before Unix ms
   */
  trim(before) {
    const i = this.#find(before);
    if (i > 0) for (const list of [this.ts, this.mid, this.low, this.high, this.n]) list.splice(0, i);
  }

  /** clear forgets everything and takes buckets of every ms from now on. */
  clear(every = 0) {
    for (const list of [this.ts, this.mid, this.low, this.high, this.n]) list.length = 0;
    this.every = every;
  }

  /**
   * compact turns points into buckets, when there are too many to draw.
   * @param {number} every ms
   */
  compact(every) {
    const { ts, mid } = this;
    this.ts = [];
    this.mid = [];
    this.clear(every);
    for (let i = 0; i < ts.length; i++) this.add(ts[i], mid[i]);
  }

  /**
   * gap answers the time from which two points are not joined by a line: well
   * above the usual distance, by the median of the newest ones.
   */
  gap() {
    const steps = [];
    for (let i = Math.max(1, this.ts.length - 200); i < this.ts.length; i++) steps.push(this.ts[i] - this.ts[i - 1]);
    if (steps.length < 2) return Infinity;
    steps.sort((a, b) => a - b);
    return Math.max(3.5 * steps[steps.length >> 1], 2_500);
  }
}

/**
 * @typedef {(number|null|undefined)[]} Column undefined: no point at that time; null: a gap
 * @typedef {{x: number[], mid: Column[], low: Column[], high: Column[]}} Table
 */

/**
 * align brings series together on one axis of time: for each the middle, the
 * least and the greatest value at each time. A bucket stands at its middle.
 * @param {Series[]} list
 * @returns {Table}
 */
export function align(list) {
  const rows = list.map(withGaps);
  const next = rows.map(() => 0);
  const broken = rows.map(() => false); // between two points that are not joined
  /** @type {Table} */
  const table = { x: [], mid: list.map(() => []), low: list.map(() => []), high: list.map(() => []) };
  for (;;) {
    let t = Infinity;
    for (let k = 0; k < rows.length; k++) {
      if (next[k] < rows[k].x.length && rows[k].x[next[k]] < t) t = rows[k].x[next[k]];
    }
    if (t === Infinity) return table;
    table.x.push(t);
    for (let k = 0; k < rows.length; k++) {
      const here = next[k] < rows[k].x.length && rows[k].x[next[k]] === t;
      const i = here ? rows[k].at[next[k]++] : -1;
      if (here) broken[k] = i < 0;
      const none = broken[k] ? null : undefined;
      const of = (/** @type {number[]} */ values) => (i < 0 ? none : values[i]);
      table.mid[k].push(of(list[k].mid));
      table.low[k].push(of(list[k].low));
      table.high[k].push(of(list[k].high));
    }
  }
}

/**
 * withGaps answers where the points of s stand, and the index of each; -1 is a
 * gap, just behind the point that it follows.
 * @param {Series} s
 */
function withGaps(s) {
  const gap = s.gap();
  /** @type {number[]} */
  const x = [];
  /** @type {number[]} */
  const at = [];
  for (let i = 0; i < s.ts.length; i++) {
    const t = s.ts[i] + s.every / 2;
    if (i > 0 && s.ts[i] - s.ts[i - 1] > gap) {
      x.push(x[x.length - 1] + 1);
      at.push(-1);
    }
    x.push(t);
    at.push(i);
  }
  return { x, at };
}
