// How a chart of the past looks: the options of uPlot for lines with a band
// from the least to the greatest value, lines of an earlier time, and marks.
import uPlot from 'uplot';
import { value } from '../core/format.js';
import { ticks, zoned } from './axis.js';
import { align } from './series.js';
import { limits } from './limits.js';

/**
 * @typedef {import('./line.js').Line} Line
 * @typedef {{color: string, dash: boolean, name: string, limits: number[]}} Look of a port: color is a variable of the style without --
 * @typedef {{look: Look, line: Line | null, before: Line | null}} Shown
 */

/** COLUMNS is how many columns a port has: middle, least, greatest, and the middle of before. */
export const COLUMNS = 4;

/** LEFT_EM and RIGHT_EM are what stands beside the plot. */
export const LEFT_EM = 4.4;
export const RIGHT_EM = 2.2;

/**
 * columns puts ports on one axis of time.
 * @param {Shown[]} shown
 * @returns {{data: uPlot.AlignedData, lonely: (number[] | null)[]}} lonely: for each column the points that no line leads to
 */
export function columns(shown) {
  const lines = shown.flatMap((s) => [s.line, s.before]);
  const none = { ts: [], mid: [], low: [], high: [], every: 0, gap: () => Infinity };
  const table = align(/** @type {any} */ (lines.map((l) => l || none)));
  const all = shown.flatMap((_, i) => [table.mid[2 * i], table.low[2 * i], table.high[2 * i], table.mid[2 * i + 1]]);
  return { data: /** @type {any} */ ([table.x, ...all]), lonely: [null, ...all.map((c, i) => (i % COLUMNS === 0 ? lonely(c) : null))] };
}

/**
 * lonely answers the points with a gap, or nothing, at both sides.
 * @param {(number | null | undefined)[]} column
 */
function lonely(column) {
  const list = [];
  let before = -1; // the last point, if no gap came since
  let alone = false;
  for (let i = 0; i < column.length; i++) {
    const v = column[i];
    if (v === undefined) continue;
    if (v === null) {
      if (alone) list.push(before);
      before = -1;
      alone = false;
    } else {
      alone = before < 0;
      before = i;
    }
  }
  if (alone) list.push(before);
  return list;
}

/**
 * @param {{looks: Look[], css: (name: string, opacity?: number) => string, em: number, family: string, utc: boolean, live: () => Shown[],
 *   lonely: () => (number[] | null)[], size: {width: number, height: number}, onCursor: (at: number | null) => void}} o
 *   live: what is drawn now; onCursor gets the time under the pointer
 * @returns {uPlot.Options}
 */
export function historyOptions({ looks, css, em, family, utc, live, lonely, size, onCursor }) {
  const font = `${Math.round(0.78 * em)}px ${family}`;
  const axis = { stroke: css('--muted'), font, grid: { stroke: css('--grid'), width: 1 }, ticks: { show: false } };
  const zone = zoned(utc);
  /** @type {uPlot.Series[]} */
  const series = [{}];
  /** @type {uPlot.Band[]} */
  const bands = [];
  /** gaps takes a pixel at each side too: a steep line beside a gap would show a stub of itself. @type {uPlot.Series.GapsRefiner} */
  const gaps = (_u, _k, _a, _b, list) => list.map(([a, b]) => [a - devicePixelRatio, b + devicePixelRatio]);
  const filter = (/** @type {any} */ _u, /** @type {number} */ i, /** @type {boolean} */ show) => (show ? null : lonely()[i]);
  for (const look of looks) {
    const color = css('--' + look.color);
    const points = { size: 4, fill: color, width: 0, filter };
    series.push({ label: look.name, stroke: color, width: 1.3, dash: look.dash ? [7, 3] : undefined, spanGaps: false, gaps, points: /** @type {any} */ (points) });
    const edge = { stroke: 'transparent', width: 0, gaps, points: { show: false } };
    series.push(edge, { ...edge });
    bands.push({ series: [series.length - 1, series.length - 2], fill: css('--' + look.color, 0.2) });
    series.push({ stroke: css('--' + look.color, 0.7), width: 1.2, dash: [4, 4], spanGaps: false, gaps, points: { show: false } });
  }
  return {
    ...size,
    ms: 1,
    tzDate: zone,
    legend: { show: false },
    padding: [Math.round(0.5 * em), Math.round(RIGHT_EM * em), 0, 0],
    scales: { x: { time: true }, y: { range: (_u, min, max) => roomy(min, max) } },
    axes: [
      { ...axis, space: 5.4 * em, size: Math.round(2.9 * em), gap: 6, values: (_u, places, _i, _space, step) => ticks(places, step, zone) },
      { ...axis, space: 2.4 * em, size: Math.round(LEFT_EM * em), gap: 6, values: (u, places) => places.map((v) => (filled(u, live()) ? value(v) : '')) },
    ],
    series,
    bands,
    cursor: {
      y: false,
      drag: { x: false, y: false, setScale: false },
      bind: /** @type {any} */ ({ mousedown: () => null, mouseup: () => null, dblclick: () => null, click: () => null }),
      points: { size: 7 },
      dataIdx: (u, k, _i, at) => (k % COLUMNS === 1 ? nearest(u, live()[(k - 1) / COLUMNS]?.line, at) : null),
    },
    hooks: {
      setCursor: [(u) => {
        const at = u.cursor.left != null && u.cursor.left >= 0 ? u.posToVal(u.cursor.left, 'x') : NaN;
        onCursor(Number.isFinite(at) ? at : null); // before the first range there is none
      }],
      draw: [(u) => limits(u, looks, css('--alarm')), (u) => marks(u, live(), css)],
    },
  };
}

/**
 * filled says whether there is anything to measure in what is seen.
 * @param {uPlot} u
 * @param {Shown[]} shown
 */
function filled(u, shown) {
  const { min = 0, max = 0 } = u.scales.x;
  return shown.some((s) => s.line?.between(min, max) || s.before?.between(min, max));
}

/**
 * roomy leaves room above and below, also around a value that never moves.
 * @param {number | null} min
 * @param {number | null} max
 * @returns {[number, number]}
 */
function roomy(min, max) {
  if (min == null || max == null) return [0, 1];
  const pad = (max - min) * 0.08 || Math.abs(max) * 0.02 || 1;
  return [min - pad, max + pad];
}

/**
 * nearest finds the point under the cursor, as the read-out does; null: there
 * is none.
 * @param {uPlot} u
 * @param {Line | null} line
 * @param {number} at
 */
function nearest(u, line, at) {
  const i = line ? line.near(at) : -1;
  return line && i >= 0 ? u.valToIdx(line.at(i)) : null;
}

/**
 * marks draws a ring around readings that the device does not vouch for.
 * @param {uPlot} u
 * @param {Shown[]} shown
 * @param {(name: string) => string} css
 */
function marks(u, shown, css) {
  const { min = 0, max = 0 } = u.scales.x;
  const { ctx } = u;
  ctx.save();
  ctx.beginPath();
  ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
  ctx.clip();
  ctx.lineWidth = 1.6 * devicePixelRatio;
  for (const m of shown.flatMap((s) => s.line?.marks || [])) {
    if (m.ts < min || m.ts > max) continue;
    ctx.strokeStyle = css(m.quality === 'bad' ? '--alarm' : '--warn');
    ctx.beginPath();
    ctx.arc(u.valToPos(m.ts, 'x', true), u.valToPos(m.value, 'y', true), 4.5 * devicePixelRatio, 0, 2 * Math.PI);
    ctx.stroke();
  }
  ctx.restore();
}
