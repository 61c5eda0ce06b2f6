// How a chart looks and behaves: the options of uPlot.
import uPlot from 'uplot';
import { clock, value } from '../core/format.js';
import { colors } from './colors.js';
import { limits } from './limits.js';

/**
 * colorOf is the class, and the variable, that colours a port.
 * @param {number} i its place among the ports of the device
 */
export function colorOf(i) { return 'c' + (i % 8); }

/**
 * @param {{ports: import('../device/charts.js').Drawn[], shown: number, dense: boolean, element: HTMLElement,
 *   size: {width: number, height: number}, onCursor: (at: (number|null|undefined)[] | null) => void}} o
 *   dense: three columns a port (middle, least, greatest) instead of one
 * @returns {uPlot.Options}
 */
export function options({ ports, shown, dense, element, size, onCursor }) {
  const style = getComputedStyle(element);
  const css = colors(element);
  const em = parseFloat(style.fontSize);
  const font = `${Math.round(0.78 * em)}px ${style.fontFamily}`;
  const axis = { stroke: css('--muted'), font, grid: { stroke: css('--grid'), width: 1 }, ticks: { show: false } };
  const fine = shown <= 300_000;
  /** @type {uPlot.Series[]} */
  const series = [{}];
  /** @type {uPlot.Band[]} */
  const bands = [];
  for (const p of ports) {
    const color = css('--' + p.color);
    series.push({ label: p.name, stroke: color, width: 1.3, spanGaps: false, points: { size: 4, fill: color, width: 0 } });
    if (!dense) continue;
    const edge = { stroke: 'transparent', width: 0, points: { show: false } };
    series.push(edge, { ...edge });
    bands.push({ series: [series.length - 1, series.length - 2], fill: css('--' + p.color, 0.2) });
  }
  return {
    ...size,
    ms: 1,
    legend: { show: false },
    padding: [8, 1.3 * em, 0, 0],
    scales: {
      x: { time: true },
      y: { range: (_u, min, max) => padded(min, max) },
    },
    axes: [
      { ...axis, space: (fine ? 5 : 4.2) * em, size: 1.9 * em, values: (_u, ticks) => ticks.map((t) => (fine && t % 60_000 ? clock(t) : clock(t).slice(0, 5))) },
      { ...axis, size: 3.7 * em, gap: 6, values: (_u, ticks) => ticks.map((t) => value(t)) },
    ],
    series,
    bands,
    cursor: {
      y: false,
      drag: { x: false, y: false },
      points: { size: 7 },
      sync: { key: 'tidegate', setSeries: false },
      dataIdx: (u, k, i) => nearest(u.data[k], i),
    },
    hooks: {
      setCursor: [(u) => onCursor(u.cursor.left != null && u.cursor.left >= 0 ? [...(u.cursor.idxs || [])] : null)],
      draw: [(u) => limits(u, ports, css('--alarm'))],
    },
  };
}

/**
 * padded leaves room above and below, also around a value that never moves.
 * @param {number} min
 * @param {number} max
 * @returns {[number, number]}
 */
function padded(min, max) {
  if (min == null || max == null) return [0, 1];
  const pad = (max - min) * 0.1 || Math.abs(max) * 0.02 || 1;
  return [min - pad, max + pad];
}

/**
 * nearest finds the point of a column next to a place of the axis: other ports
 * have times of their own.
 * @param {ArrayLike<number | null | undefined>} column
 * @param {number} i
 */
function nearest(column, i) {
  for (let step = 0; step < 50; step++) {
    if (column[i - step] != null) return i - step;
    if (column[i + step] != null) return i + step;
  }
  return i;
}
