// How finely a range is drawn: the length of a bucket, and the tiles that
// buckets are fetched and kept in.

const S = 1000;
const M = 60 * S;
const H = 60 * M;
const D = 24 * H;

/** LADDER holds the lengths of a bucket, in ms; each divides the day, or is whole days. */
export const LADDER = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, S, 2 * S, 5 * S, 10 * S, 30 * S, M, 2 * M, 5 * M, 10 * M, 15 * M, 30 * M, H, 2 * H, 6 * H, 12 * H, D, 7 * D, 30 * D,
];

const MOST_BUCKETS = 2_400; // of a chart, however wide
const LEAST_BUCKETS = 200;

/** TILE_BUCKETS is how many buckets are fetched and kept together. */
export const TILE_BUCKETS = 240;

/**
 * bucketFor answers the length of a bucket, in ms, of which there are no more
 * than pixels.
 * @param {number} range ms
 * @param {number} width px of the plot
 */
export function bucketFor(range, width) {
  const least = range / Math.max(LEAST_BUCKETS, Math.min(MOST_BUCKETS, width));
  return LADDER.find((every) => every >= least) || LADDER[LADDER.length - 1];
}

/**
 * tilesOf answers the first and the last tile that a range lies in; tile i
 * begins i tiles after the epoch.
 * @param {number} from Unix ms, inclusive
 * @param {number} to Unix ms, exclusive
 * @param {number} every ms
 * @returns {[number, number]}
 */
export function tilesOf(from, to, every) {
  const span = TILE_BUCKETS * every;
  return [Math.floor(from / span), Math.max(Math.floor(from / span), Math.ceil(to / span) - 1)];
}

/**
 * runs joins neighbours: [3, 4, 5, 9] is [[3, 5], [9, 9]], each fetched by one query.
 * @param {number[]} indexes in ascending order
 */
export function runs(indexes) {
  /** @type {[number, number][]} */
  const list = [];
  for (const i of indexes) {
    const last = list[list.length - 1];
    if (last && last[1] === i - 1) last[1] = i; else list.push([i, i]);
  }
  return list;
}

/** @type {[number, string][]} */
const UNITS = [[D, 'd'], [H, 'h'], [M, 'min'], [S, 's'], [1, 'ms']];

/**
 * lengthName writes the length of a bucket or a range: 15 min, 7 d; at most
 * two units.
 * @param {number} ms
 */
export function lengthName(ms) {
  const i = Math.max(0, UNITS.findIndex(([u]) => ms >= u));
  const [unit, name] = UNITS[i];
  const whole = Math.floor(ms / unit);
  const [less, lessName] = UNITS[i + 1] || [1, ''];
  const rest = i + 1 < UNITS.length ? Math.floor((ms - whole * unit) / less) : 0;
  return `${whole}\u202f${name}` + (rest && whole < 10 ? ` ${rest}\u202f${lessName}` : '');
}
