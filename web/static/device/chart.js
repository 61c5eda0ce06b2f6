// One chart of the last hour. What is drawn on the canvas follows the watch
// by itself; of the elements around it only those are made anew that change.
import { effect, useComputed } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { html } from '../parts/html.js';
import { now } from '../core/clock.js';
import { clock, count, exact, value } from '../core/format.js';
import { dark } from '../core/settings.js';
import { t } from '../core/words.js';
import { options } from '../chart/plot.js';
import { align } from '../chart/series.js';

/**
 * @typedef {import('./watch.js').Watch} Watch
 * @typedef {import('./charts.js').Drawn} Drawn
 * @typedef {import('../chart/series.js').Series} Series
 */

/** @param {{w: Watch, ports: Drawn[], shown: number}} p */
export function Chart({ w, ports, shown }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const plot = useRef(/** @type {uPlot | null} */ (null));
  const draw = useRef(() => {});
  const [at, setAt] = useState(/** @type {(number | null | undefined)[] | null} */ (null));
  const [said, setSaid] = useState('');
  const theme = dark.value;
  const list = ports.map((p) => w.series(p.number));
  const dense = useComputed(() => {
    void w.version.value;
    return ports.some((p) => w.series(p.number).every > 0);
  }).value;
  const key = JSON.stringify([w.id, ports, shown, dense, theme]);

  const data = () => {
    const a = align(list);
    const columns = dense ? a.mid.flatMap((m, i) => [m, a.low[i], a.high[i]]) : a.mid;
    return /** @type {uPlot.AlignedData} */ (/** @type {unknown} */ ([a.x, ...columns]));
  };

  useEffect(() => {
    const element = /** @type {HTMLElement} */ (box.current);
    const size = () => ({ width: element.clientWidth, height: element.clientHeight });
    const u = new uPlot(options({ ports, shown, dense, element, size: size(), onCursor: setAt }), data(), element);
    plot.current = u;
    draw.current = () => u.batch(() => {
      u.setData(data(), false);
      u.setScale('x', { min: now.peek() - shown, max: now.peek() });
    });
    const stop = effect(() => {
      void w.version.value;
      draw.current();
    });
    const moving = setInterval(() => { if (!document.hidden) w.pace.ask(); }, Math.max(1000, shown / 600)); // time goes on where no reading comes
    const observer = new ResizeObserver(() => u.setSize(size()));
    observer.observe(element);
    return () => {
      stop();
      clearInterval(moving);
      observer.disconnect();
      u.destroy();
      setAt(null);
    };
  }, [key]);

  const xs = plot.current?.data[0];
  const step = dense ? 3 : 1;
  const time = at && xs && at.map((i) => (i == null ? undefined : xs[i])).find((x) => x !== undefined);
  /** @param {number} i a port's place @returns {number | null | undefined} its value under the cursor */
  const under = (i) => {
    const index = at?.[1 + i * step];
    return index == null ? undefined : plot.current?.data[1 + i * step][index];
  };
  const spoken = time ? `${clock(time)}: ` + ports.map((p, i) => {
    const v = under(i);
    return v == null ? '' : `${p.name} ${value(v)} ${p.unit}`;
  }).filter(Boolean).join(', ') : said;
  return html`
    <figure class="chart">
      <figcaption>
        ${ports.map((p, i) => html`<${Legend} key=${p.number} w=${w} p=${p} cursor=${at ? under(i) ?? null : undefined} />`)}
        <span class="hint num when">${time ? html`<span title=${exact(time)}>${clock(time)}</span>`
          : dense ? t('device.live.dense') : html`<${Readings} w=${w} list=${list} />`}</span>
      </figcaption>
      <div class="plot" ref=${box} tabIndex=${0} role="img" onKeyDown=${(/** @type {KeyboardEvent} */ e) => { draw.current(); walk(e, plot.current); }}
        onFocus=${() => setSaid(summary(list, ports[0].unit))}
        onBlur=${() => { setSaid(''); plot.current?.setCursor({ left: -10, top: -10 }); }}
        aria-label=${t('device.live.chart', { names: ports.map((p) => p.name).join(', ') })} />
      <${Nothing} w=${w} ports=${ports} list=${list} />
      <p class="unseen" aria-live="polite">${spoken}</p>
    </figure>`;
}

/** @param {{w: Watch, p: Drawn, cursor: number | null | undefined}} o undefined: no cursor, the newest value */
function Legend({ w, p, cursor }) {
  const v = cursor === undefined ? w.reading(p.number).value?.calibratedValue : cursor;
  return html`
    <span class="legend ${p.color}"><i class="swatch" />${p.name}
      <b class="num">${v == null ? '–' : value(v, w.places(p.number))}${p.unit && ' ' + p.unit}</b></span>`;
}

/** @param {{w: Watch, list: Series[]}} p how many are drawn */
function Readings({ w, list }) {
  void w.version.value;
  const n = list.reduce((sum, s) => sum + s.length, 0);
  return html`<span>${t('device.live.readings', { n: n === 1 ? 1 : count(n) })}</span>`;
}

/** @param {{w: Watch, ports: Drawn[], list: Series[]}} p why nothing is drawn, if so */
function Nothing({ w, ports, list }) {
  void w.version.value;
  if (list.some((s) => s.length)) return null;
  return html`<p class="hint over">${ports.some((p) => w.loading(p.number)) ? t('loading') : t('device.live.none')}</p>`;
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
 * @param {Series[]} list
 * @param {string} unit
 */
function summary(list, unit) {
  let low = Infinity;
  let high = -Infinity;
  for (const s of list) {
    for (const v of s.low) low = Math.min(low, v);
    for (const v of s.high) high = Math.max(high, v);
  }
  return low > high ? t('device.live.none') : t('device.live.between', { low: value(low), high: value(high), unit });
}
