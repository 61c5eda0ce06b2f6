// A line as long as a word: how a value went.
import { html } from '../parts/html.js';

const WIDTH = 96;
const HEIGHT = 22;

/**
 * line answers the path through points; a hole of more than gap ms is left open.
 * @param {{ts: number, v: number}[]} points in order of time
 * @param {number} from @param {number} to the time of both ends, Unix ms
 * @param {number} gap
 */
export function line(points, from, to, gap) {
  let low = Infinity;
  let high = -Infinity;
  for (const { v } of points) {
    low = Math.min(low, v);
    high = Math.max(high, v);
  }
  const size = high - low;
  let d = '';
  points.forEach((p, i) => {
    const x = ((p.ts - from) / (to - from)) * WIDTH;
    const y = size > 0 ? HEIGHT - 2 - ((p.v - low) / size) * (HEIGHT - 4) : HEIGHT / 2;
    const joined = i > 0 && p.ts - points[i - 1].ts <= gap;
    d += `${joined ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`;
    const alone = !joined && (i === points.length - 1 || points[i + 1].ts - p.ts > gap);
    if (alone) d += 'h1';
  });
  return d;
}

/** @param {{points: {ts: number, v: number}[], from: number, to: number, gap: number, label: string}} p */
export function Spark({ points, from, to, gap, label }) {
  if (!points.length) return null;
  return html`<svg class="spark" viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label=${label}><path d=${line(points, from, to, gap)} /></svg>`;
}
