// The charts: one for each unit among the chosen ports, one for each port
// without unit. They share the cursor.
import { useComputed } from '@preact/signals';
import { html } from '../parts/html.js';
import { Chart } from './chart.js';
import { colorOf } from '../chart/plot.js';
import { now } from '../core/clock.js';
import { t } from '../core/words.js';
import { chosen, span } from './chosen.js';
import { nameOf } from './tile.js';
import { HISTORY_MS } from './watch.js';

const SPANS = [0, 60_000, 300_000, 900_000, HISTORY_MS];

/**
 * @typedef {import('./watch.js').Watch} Watch
 * @typedef {import('./watch.js').Device} DeviceInfo
 * @typedef {{number: number, name: string, unit: string, color: string, limits: number[]}} Drawn
 */

/** @param {{w: Watch, d: DeviceInfo}} p */
export function Charts({ w, d }) {
  const picked = chosen.value || [];
  /** @type {Map<string, Drawn[]>} */
  const groups = new Map();
  (d.ports || []).forEach((p, i) => {
    if (!picked.includes(p.number)) return;
    const key = p.unit ? 'unit ' + p.unit : 'port ' + p.number;
    const limits = [p.low, p.high].filter((v) => v !== undefined);
    groups.set(key, [...(groups.get(key) || []), { number: p.number, name: nameOf(p), unit: p.unit || '', color: colorOf(i), limits }]);
  });
  const shown = useComputed(() => {
    void w.version.value;
    return span.value || fitting((chosen.value || []).map((n) => w.series(n)));
  }).value;
  if (!d.ports?.length || (w.ready.value && !w.speaking.value)) return null;
  if (!groups.size) return html`<div class="panel"><p class="hint pad">${t('device.live.choose')}</p></div>`;
  return html`
    <div class="panel charts">
      <header class="panel-head">
        <h2>${t('device.live.last', { span: spanName(shown) })}</h2>
        <div class="segments" role="group" aria-label=${t('device.live.span')}>
          ${SPANS.map((ms) => html`
            <button key=${ms} aria-pressed=${span.value === ms} onClick=${() => { span.value = ms; }}>${ms ? spanName(ms) : t('device.live.auto')}</button>`)}
        </div>
      </header>
      <div class="chart-grid">
        ${[...groups].map(([key, ports]) => html`<${Chart} key=${key} w=${w} ports=${ports} shown=${shown} />`)}
      </div>
    </div>`;
}

/** @param {number} ms */
function spanName(ms) { return ms < HISTORY_MS ? t('device.live.minutes', { n: ms / 60_000 }) : t('device.live.hour'); }

/**
 * fitting answers the least span that holds all there is.
 * @param {import('../chart/series.js').Series[]} list
 */
function fitting(list) {
  const oldest = Math.min(...list.map((s) => s.ts[0] ?? Infinity));
  const needed = oldest === Infinity ? HISTORY_MS : now.peek() - oldest;
  return SPANS.find((ms) => ms > 0 && ms >= needed * 0.98) || HISTORY_MS;
}
