// The axis of time: in the zone that the reader chose, with as much of a time
// as its steps need, and the date where it changes.

const S = 1000;
const M = 60 * S;
const D = 86_400 * S;

const two = (/** @type {number} */ n) => String(n).padStart(2, '0');
const date = (/** @type {Date} */ d) => `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;

/**
 * zoned answers a function from Unix ms to a Date whose local fields are those
 * of the zone.
 * @param {boolean} utc
 * @returns {(ts: number) => Date}
 */
export function zoned(utc) {
  return (ts) => {
    const d = new Date(Math.round(ts));
    return utc ? new Date(d.getTime() + d.getTimezoneOffset() * M) : d;
  };
}

/**
 * ticks names places of the axis: the time, and below it what changes less often.
 * @param {number[]} places Unix ms
 * @param {number} step ms between them
 * @param {(ts: number) => Date} zone
 */
export function ticks(places, step, zone) {
  let before = '';
  return places.map((ts) => {
    const d = zone(ts);
    if (step >= 360 * D) return String(d.getFullYear());
    const [name, under] = step >= 28 * D ? [`${d.getFullYear()}-${two(d.getMonth() + 1)}`, '']
      : step >= D ? [`${two(d.getMonth() + 1)}-${two(d.getDate())}`, String(d.getFullYear())]
        : [time(d, step), date(d)];
    const second = under !== before;
    before = under;
    return second ? `${name}\n${under}` : name;
  });
}

/**
 * @param {Date} d
 * @param {number} step ms
 */
function time(d, step) {
  const minutes = `${two(d.getHours())}:${two(d.getMinutes())}`;
  if (step >= M) return minutes;
  const seconds = `${minutes}:${two(d.getSeconds())}`;
  return step >= S ? seconds : `${seconds}.${String(d.getMilliseconds()).padStart(3, '0')}`;
}
