// The curve of a port over some time, with what a rule made of it: episodes
// are shaded, levels are dashed, and can be moved where that makes sense.
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { html } from '../parts/html.js';
import { colors } from '../chart/colors.js';
import { options } from '../chart/plot.js';
import { align } from '../chart/series.js';
import { moment, value } from '../core/format.js';
import { dark, zone } from '../core/settings.js';
import { t } from '../core/words.js';
import { Level } from './level.js';

/**
 * @typedef {{start: number, end: number, tone?: 'now' | 'before'}} Shade Unix ms; before: what the rule does now, beside a change
 * @typedef {import('./history.js').Level} LevelInfo
 */

/**
 * @param {{series: import('../chart/series.js').Series | null, from: number, to: number, name: string, unit?: string, shades: Shade[],
 *   levels?: LevelInfo[], onMove?: (field: string, v: number) => void}} p onMove: levels can be moved
 */
export function Curve({ series, from, to, name, unit = '', shades, levels = [], onMove }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const plot = useRef(/** @type {uPlot | null} */ (null));
  const latest = useRef({ shades, levels, from, to });
  latest.current = { shades, levels, from, to };
  const [at, setAt] = useState(/** @type {number | null} */ (null));
  const [drawn, setDrawn] = useState(0); // levels stand where the newest drawing has them
  const dense = !!series && series.every > 0;

  useEffect(() => {
    if (!series || !box.current) return undefined;
    const element = box.current;
    const css = colors(element);
    const size = () => ({ width: element.clientWidth, height: element.clientHeight });
    const port = { number: 0, name, unit, color: 'c0', limits: [] };
    const o = options({ ports: [port], shown: to - from, dense, element, size: size(), onCursor: (all) => setAt(all?.[1] ?? null) });
    o.cursor = { ...o.cursor, sync: undefined };
    o.scales = { ...o.scales, y: { range: (_u, min, max) => reach(min, max, latest.current.levels) } };
    if (to - from > 36 * 3_600_000) {
      o.axes = (o.axes || []).map((a, i) => (i ? a : { ...a, space: 90, values: (_u, ticks) => ticks.map((ts) => moment(ts).slice(5, ts % 86_400_000 ? 16 : 10)) }));
    }
    o.hooks = {
      ...o.hooks,
      drawClear: [(u) => shade(u, latest.current.shades, css)],
      draw: [(u) => { dash(u, latest.current.levels, css); setDrawn((n) => n + 1); }],
    };
    const table = align([series]);
    const columns = dense ? [table.mid[0], table.low[0], table.high[0]] : [table.mid[0]];
    const u = new uPlot(o, /** @type {uPlot.AlignedData} */ (/** @type {unknown} */ ([table.x, ...columns])), element);
    u.setScale('x', { min: from, max: to });
    plot.current = u;
    const observer = new ResizeObserver(() => u.setSize(size()));
    observer.observe(element);
    return () => {
      observer.disconnect();
      u.destroy();
      plot.current = null;
      setAt(null);
    };
  }, [series, from, to, dark.value, zone.value, unit]);

  const levelsKey = JSON.stringify([levels, shades]);
  useEffect(() => {
    const u = plot.current;
    if (u) u.setScale('x', { min: latest.current.from, max: latest.current.to });
    u?.redraw(false, true);
  }, [levelsKey]);

  const x = plot.current?.data[0];
  const v = at !== null ? plot.current?.data[1][at] : undefined;
  const readout = at !== null && x && v != null ? `${moment(x[at])}  ${value(v)}${unit && ' ' + unit}` : '';
  const summary = series?.length ? t('alarms.curveLabel', {
    name, low: value(Math.min(...series.low)), high: value(Math.max(...series.high)), unit, n: shades.filter((s) => s.tone !== 'before').length,
  }) : t('alarms.curveEmpty', { name });
  return html`
    <figure class="alarm-curve">
      <div class="plot" ref=${box} role="img" tabIndex=${0} aria-label=${summary} onKeyDown=${(/** @type {KeyboardEvent} */ e) => walk(e, plot.current)}
        onBlur=${() => plot.current?.setCursor({ left: -10, top: -10 })} />
      ${onMove && drawn > 0 && plot.current && levels.map((l) => html`
        <${Level} key=${l.field} level=${l} plot=${plot.current} unit=${unit} onMove=${(/** @type {number} */ to_) => onMove(l.field, to_)} />`)}
      ${series && !series.length && html`<p class="hint over">${t('alarms.curveEmpty', { name })}</p>`}
      <p class="readout num hint" aria-live="polite">${readout}</p>
    </figure>`;
}

/**
 * reach is the range of values that is shown: all of the curve, and levels that
 * are not so far from it that it would be flat.
 * @param {number | null} min
 * @param {number | null} max
 * @param {LevelInfo[]} levels
 * @returns {[number, number]}
 */
function reach(min, max, levels) {
  let [low, high] = [min ?? levels[0]?.value ?? 0, max ?? levels[0]?.value ?? 1];
  const room = 4 * (high - low) || Math.abs(high) || 1;
  for (const { value: v } of levels) {
    if (v > high && v < high + room) high = v;
    if (v < low && v > low - room) low = v;
  }
  const pad = (high - low) * 0.08 || Math.abs(high) * 0.02 || 1;
  return [low - pad, high + pad];
}

/** @typedef {ReturnType<typeof colors>} Css */

/** @param {uPlot} u @param {Shade[]} shades @param {Css} css */
function shade(u, shades, css) {
  const { ctx } = u;
  const { left, top, width, height } = u.bbox;
  ctx.save();
  for (const s of shades) {
    const a = Math.max(left, u.valToPos(s.start, 'x', true));
    const b = Math.min(left + width, u.valToPos(s.end, 'x', true));
    if (b < left || a > left + width) continue;
    const wide = Math.max(b - a, 2 * devicePixelRatio);
    if (s.tone === 'before') {
      ctx.fillStyle = css('--muted', 0.5);
      ctx.fillRect(a, top + height - 5 * devicePixelRatio, wide, 5 * devicePixelRatio);
    } else {
      ctx.fillStyle = css('--alarm', 0.16);
      ctx.fillRect(a, top, wide, height);
      ctx.fillStyle = css('--alarm', 0.8);
      ctx.fillRect(a, top, wide, 2 * devicePixelRatio);
    }
  }
  ctx.restore();
}

/** @param {uPlot} u @param {LevelInfo[]} levels @param {Css} css */
function dash(u, levels, css) {
  const { ctx } = u;
  const { left, top, width, height } = u.bbox;
  ctx.save();
  ctx.lineWidth = devicePixelRatio;
  for (const l of levels) {
    const y = Math.round(u.valToPos(l.value, 'y', true));
    if (y < top || y > top + height) continue;
    ctx.strokeStyle = css(l.field === 'clear' ? '--good' : '--alarm');
    ctx.setLineDash((l.own ? [2, 4] : [5, 4]).map((n) => n * devicePixelRatio));
    ctx.beginPath();
    ctx.moveTo(left, y);
    ctx.lineTo(left + width, y);
    ctx.stroke();
  }
  ctx.restore();
}

/**
 * walk moves the cursor by one point.
 * @param {KeyboardEvent} e
 * @param {uPlot | null} u
 */
function walk(e, u) {
  if (!u || !['ArrowLeft', 'ArrowRight'].includes(e.key)) return;
  e.preventDefault();
  const x = u.data[0];
  if (!x.length) return;
  const here = u.cursor.left != null && u.cursor.left >= 0 ? u.posToIdx(u.cursor.left) : x.length;
  const next = Math.max(0, Math.min(x.length - 1, here + (e.key === 'ArrowLeft' ? -1 : 1)));
  u.setCursor({ left: Math.max(0, u.valToPos(x[next], 'x')), top: u.over.clientHeight / 2 });
}
