// The charts: one for each unit among the chosen ports, one for each port
// without unit. They share the cursor.
import { effect } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { html } from '../parts/html.js';
import { clock, count, exact, value } from '../core/format.js';
import { colorOf, options } from '../chart/plot.js';
import { align } from '../chart/series.js';
import { now } from '../core/clock.js';
import { dark } from '../core/settings.js';
import { chosen, span } from './chosen.js';
import { HISTORY_MS } from './watch.js';

const SPANS = [
  { ms: 0, name: 'auto' }, { ms: 60_000, name: '1 min', title: 'minute' }, { ms: 300_000, name: '5 min' }, { ms: 900_000, name: '15 min' },
  { ms: HISTORY_MS, name: '1 h', title: 'hour' },
];

/**
 * @typedef {import('./watch.js').Watch} Watch
 * @typedef {import('../core/api.js').Device} DeviceInfo
 * @typedef {{number: number, name: string, unit: string, color: string, limits: number[]}} Drawn
 */

/** @param {{w: Watch, d: DeviceInfo}} p */
export function Charts({ w, d }) {
  void w.version.value;
  /** @type {Map<string, Drawn[]>} */
  const groups = new Map();
  (d.ports || []).forEach((p, i) => {
    if (!chosen.value?.includes(p.number)) return;
    const key = p.unit ? 'unit ' + p.unit : 'port ' + p.number;
    const limits = [p.low, p.high].filter((v) => v !== undefined);
    const drawn = { number: p.number, name: p.name || 'Port ' + p.number, unit: p.unit || '', color: colorOf(i), limits };
    groups.set(key, [...(groups.get(key) || []), drawn]);
  });
  if (!d.ports?.length || w.latest.value?.size === 0) return null;
  if (!groups.size) return html`<div class="panel"><p class="hint pad">Choose a port above to see its last hour. The keys 1 to 9 do it too.</p></div>`;
  const shown = span.value || fitting([...groups.values()].flat().map((p) => w.series(p.number)));
  return html`
    <div class="panel charts">
      <header class="panel-head">
        <h2>Last ${title(shown)}</h2>
        <div class="segments" role="group" aria-label="Time span">
          ${SPANS.map((s) => html`
            <button key=${s.ms} aria-pressed=${span.value === s.ms} onClick=${() => { span.value = s.ms; }}>${s.name}</button>`)}
        </div>
      </header>
      <div class="chart-grid">
        ${[...groups].map(([key, ports]) => html`<${Chart} key=${key} w=${w} ports=${ports} shown=${shown} />`)}
      </div>
    </div>`;
}

/** @param {number} ms */
function title(ms) {
  const s = SPANS.find((o) => o.ms === ms);
  return s?.title || s?.name;
}

/**
 * fitting answers the least span that holds all there is.
 * @param {import('../chart/series.js').Series[]} list
 */
function fitting(list) {
  const oldest = Math.min(...list.map((s) => s.ts[0] ?? Infinity));
  const needed = oldest === Infinity ? HISTORY_MS : now.peek() - oldest;
  return SPANS.find((s) => s.ms > 0 && s.ms >= needed * 0.98)?.ms || HISTORY_MS;
}

/** @param {{w: Watch, ports: Drawn[], shown: number}} p */
function Chart({ w, ports, shown }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const plot = useRef(/** @type {uPlot | null} */ (null));
  const draw = useRef(() => {});
  const [at, setAt] = useState(/** @type {(number | null | undefined)[] | null} */ (null));
  const theme = dark.value;
  const list = ports.map((p) => w.series(p.number));
  const dense = list.some((s) => s.every > 0);
  const key = JSON.stringify([w.id, ports, shown, dense, theme]);

  const data = () => {
    const t = align(list);
    const columns = dense ? t.mid.flatMap((m, i) => [m, t.low[i], t.high[i]]) : t.mid;
    return /** @type {uPlot.AlignedData} */ (/** @type {unknown} */ ([t.x, ...columns]));
  };

  useEffect(() => {
    const element = /** @type {HTMLElement} */ (box.current);
    const size = () => ({ width: element.clientWidth, height: element.clientHeight });
    const u = new uPlot(options({ ports, shown, dense, element, size: size(), onCursor: setAt }), data(), element);
    plot.current = u;
    draw.current = () => u.batch(() => {
      u.setData(data(), false);
      u.setScale('x', { min: now.value - shown, max: now.value });
    });
    const stop = effect(() => {
      void w.version.value;
      draw.current();
    });
    const observer = new ResizeObserver(() => u.setSize(size()));
    observer.observe(element);
    return () => {
      stop();
      observer.disconnect();
      u.destroy();
      setAt(null);
    };
  }, [key]);

  const xs = plot.current?.data[0];
  const step = dense ? 3 : 1;
  const time = at && xs && at.map((i) => (i == null ? undefined : xs[i])).find((t) => t !== undefined);
  const names = ports.map((p) => p.name).join(', ');
  const empty = list.every((s) => s.length === 0);
  return html`
    <figure class="chart">
      <figcaption>
        ${ports.map((p, i) => {
          const index = at?.[1 + i * step];
          const v = at ? (index == null ? undefined : plot.current?.data[1 + i * step][index]) : w.latest.value?.get(p.number)?.calibratedValue;
          return html`
            <span class="legend ${p.color}" key=${p.number}><i class="swatch" />${p.name}
              <b class="num">${v == null ? '–' : value(v, w.places(p.number))}${p.unit && ' ' + p.unit}</b></span>`;
        })}
        <span class="hint num when">${time ? html`<span title=${exact(time)}>${clock(time)}</span>` : dense ? 'mean, least and greatest of 5 s' : readings(list)}</span>
      </figcaption>
      <div class="plot" ref=${box} tabIndex=${0} role="img" onKeyDown=${(/** @type {KeyboardEvent} */ e) => { draw.current(); walk(e, plot.current); }}
        onBlur=${() => plot.current?.setCursor({ left: -10, top: -10 })}
        aria-label=${`${names}: ${summary(list, ports[0].unit)}. The arrow keys read single values.`} />
      ${empty && html`<p class="hint over">${ports.some((p) => w.loading(p.number)) ? 'Loading…' : 'No reading in the last hour.'}</p>`}
      <p class="unseen" aria-live="polite">${time ? `${clock(time)}: ` + ports.map((p, i) => {
        const index = at?.[1 + i * step];
        const v = index == null ? undefined : plot.current?.data[1 + i * step][index];
        return v == null ? '' : `${p.name} ${value(v)} ${p.unit}`;
      }).filter(Boolean).join(', ') : ''}</p>
    </figure>`;
}

/** @param {import('../chart/series.js').Series[]} list */
function readings(list) {
  const n = list.reduce((sum, s) => sum + s.length, 0);
  return n === 1 ? '1 reading' : count(n) + ' readings';
}

/**
 * walk moves the cursor by one point.
 * @param {KeyboardEvent} e
 * @param {uPlot | null} u
 */
function walk(e, u) {
  if (!u || !['ArrowLeft', 'ArrowRight', 'Escape'].includes(e.key)) return;
  e.preventDefault();
  e.stopPropagation();
  if (e.key === 'Escape') {
    u.setCursor({ left: -10, top: -10 });
    return;
  }
  const x = u.data[0];
  const from = u.cursor.left != null && u.cursor.left >= 0 ? u.posToIdx(u.cursor.left) : x.length;
  const to = Math.max(0, Math.min(x.length - 1, from + (e.key === 'ArrowLeft' ? -1 : 1)));
  if (x.length) u.setCursor({ left: Math.max(0, u.valToPos(x[to], 'x')), top: u.over.clientHeight / 2 });
}

/**
 * @param {import('../chart/series.js').Series[]} list
 * @param {string} unit
 */
function summary(list, unit) {
  const low = Math.min(...list.flatMap((s) => s.low));
  const high = Math.max(...list.flatMap((s) => s.high));
  return low > high ? 'no reading in the last hour' : `between ${value(low)} and ${value(high)} ${unit}`;
}
