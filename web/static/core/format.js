// How numbers and times are written on the page.
import { zone } from './settings.js';

const NARROW = '\u202f'; // narrow no-break space, between thousands and before units

/**
 * count writes a whole number with its thousands set apart.
 * @param {number} n
 */
export function count(n) {
  return String(Math.round(n)).replace(/\B(?=(\d{3})+(?!\d))/g, NARROW);
}

/**
 * short writes a whole number in at most five characters.
 * @param {number} n
 */
export function short(n) {
  if (n < 10_000) return count(n);
  const units = ['', 'k', 'M', 'G', 'T'];
  let i = 0;
  for (; n >= 1000 && i < units.length - 1; i++) n /= 1000;
  return (n < 100 ? n.toFixed(1) : n.toFixed(0)) + NARROW + units[i];
}

/**
 * decimals says how many digits behind the point show the values without
 * loss, four at most, so that a value that moves keeps its width.
 * @param {number[]} values
 */
export function decimals(values) {
  let most = 0;
  for (const v of values) {
    if (Math.abs(v) >= 1e15 || Math.abs(v) < 1e-4) continue;
    const s = String(Number(v.toPrecision(6)));
    const dot = s.indexOf('.');
    if (dot >= 0) most = Math.max(most, s.length - dot - 1);
  }
  return Math.min(most, 4);
}

/**
 * value writes a measured value: six significant digits, no noise of the
 * floating point.
 * @param {number} v
 * @param {number} [places] digits behind the point, at least
 */
export function value(v, places = 0) {
  if (!Number.isFinite(v)) return '–';
  const size = Math.abs(v);
  if (size !== 0 && (size >= 1e9 || size < 1e-4)) return v.toExponential(3).replace('e+', 'e');
  const rounded = Number(v.toPrecision(size >= 1e5 ? 9 : 6));
  const [whole, fraction = ''] = String(rounded).split('.');
  const tail = fraction.padEnd(places, '0');
  const sign = whole.startsWith('-') ? '−' : '';
  return sign + count(Number(whole.replace('-', ''))) + (tail ? '.' + tail : '');
}

/**
 * age writes how long something takes, or how long ago it was, in one unit.
 * @param {number} ms
 */
export function age(ms) {
  const s = Math.round(ms / 1000);
  if (s < 2) return 'now';
  if (s < 90) return s + NARROW + 's';
  if (s < 90 * 60) return Math.round(s / 60) + NARROW + 'min';
  if (s < 36 * 3600) return Math.round(s / 3600) + NARROW + 'h';
  return Math.round(s / 86400) + NARROW + 'd';
}

const two = (/** @type {number} */ n) => String(Math.floor(Math.abs(n))).padStart(2, '0');

/**
 * parts takes a time apart, in the zone that the reader chose.
 * @param {number} ts Unix ms
 */
function parts(ts) {
  const utc = zone.value === 'utc';
  const offset = utc ? 0 : -new Date(ts).getTimezoneOffset(); // minutes east of UTC
  const [date, time] = new Date(ts + offset * 60_000).toISOString().split('T');
  return { date, time: time.slice(0, 8), ms: time.slice(9, 12), offset, utc };
}

/**
 * exact writes a time in full, with its offset.
 * @param {number} ts Unix ms
 */
export function exact(ts) {
  const p = parts(ts);
  return `${p.date} ${p.time}.${p.ms} ${p.utc ? 'UTC' : (p.offset < 0 ? '-' : '+') + two(p.offset / 60) + ':' + two(p.offset % 60)}`;
}

/**
 * clock writes the time of day.
 * @param {number} ts Unix ms
 */
export function clock(ts) { return parts(ts).time; }

/**
 * day writes the date.
 * @param {number} ts Unix ms
 */
export function day(ts) { return parts(ts).date; }

/**
 * moment writes date and time to the minute.
 * @param {number} ts Unix ms
 */
export function moment(ts) {
  const p = parts(ts);
  return `${p.date} ${p.time.slice(0, 5)}`;
}

/**
 * bytes writes a size.
 * @param {number} n
 */
export function bytes(n) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let i = 0;
  for (; n >= 1024 && i < units.length - 1; i++) n /= 1024;
  return (i === 0 || n >= 100 ? n.toFixed(0) : n.toFixed(1)) + NARROW + units[i];
}
