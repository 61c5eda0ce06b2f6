// A port with its newest value; pressed, it is drawn.
import { useComputed } from '@preact/signals';
import { html } from '../parts/html.js';
import { Age } from '../parts/age.js';
import { now } from '../core/clock.js';
import { exact, value } from '../core/format.js';
import { t } from '../core/words.js';
import { alarms } from '../shell/pulse.js';
import { chosen, togglePort } from './chosen.js';
import { useInSight } from './sight.js';

const STALE_MS = 120_000;

/**
 * @typedef {import('./watch.js').Watch} Watch
 * @typedef {import('./watch.js').Port} Port
 */

/** nameOf is what a port is called. @param {{number: number, name?: string}} p */
export const nameOf = (p) => p.name || t('device.port', { n: p.number });

/** @param {{w: Watch, p: Port, color: string}} o */
export function Tile({ w, p, color }) {
  const { ref, seen } = useInSight();
  const isChosen = useComputed(() => !!chosen.value?.includes(p.number)).value;
  const stale = useComputed(() => {
    const r = seen.value ? w.reading(p.number).value : null;
    return !!r && now.value - Date.parse(r.ts) > STALE_MS;
  }).value;
  return html`
    <button class="tile ${color} ${stale ? 'stale' : ''}" ref=${ref} aria-pressed=${isChosen} onClick=${() => togglePort(p.number)}>
      <span class="tile-name"><i class="swatch" /><span>${nameOf(p)}</span>${p.name && html`<small class="num">${p.number}</small>`}</span>
      ${seen.value ? html`<${Value} w=${w} p=${p} />` : html`<span class="tile-value" /><span class="tile-foot" />`}
    </button>`;
}

/** @param {{w: Watch, p: Port}} o what changes with each reading */
function Value({ w, p }) {
  const r = w.reading(p.number).value;
  const alarm = useComputed(() => worst([...(alarms.value?.values() || [])].filter((a) => a.deviceId === w.id && a.portNumber === p.number))).value;
  const ts = r ? Date.parse(r.ts) : 0;
  const high = r && p.high !== undefined && r.calibratedValue > p.high;
  const low = r && p.low !== undefined && r.calibratedValue < p.low;
  return html`
    <span class="tile-value num ${high || low || alarm ? 'alarming' : ''}" title=${r ? t('device.live.raw', { raw: r.rawValue, at: exact(ts) }) : t('device.live.never')}>${
      r ? value(r.calibratedValue, w.places(p.number)) : '–'}${p.unit && html`<small> ${p.unit}</small>`}</span>
    <span class="tile-foot num">
      ${r ? html`<${Age} at=${ts} />` : t('device.live.never')}
      ${r && r.quality !== 'good' && html`<span class="badge ${r.quality}">${r.quality}</span>`}
      ${r?.flags?.map((f) => html`<span class="badge uncertain" key=${f}>${f.replaceAll('_', ' ')}</span>`)}
      ${high && html`<span class="badge bad">${t('device.live.high')}</span>`}
      ${low && html`<span class="badge bad">${t('device.live.low')}</span>`}
      ${alarm && html`<span class="badge bad">${t('device.live.alarm', { severity: alarm })}</span>`}
    </span>`;
}

/** worst is the gravest severity; empty: there is no alarm. @param {{severity: string}[]} list */
export function worst(list) {
  return ['critical', 'warning', 'info'].find((s) => list.some((a) => a.severity === s)) || (list[0]?.severity ?? '');
}
