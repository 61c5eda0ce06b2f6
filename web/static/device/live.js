// What a device measures now, and in the last hour.
import { useEffect } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Age } from '../parts/age.js';
import { colorOf } from '../chart/plot.js';
import { t } from '../core/words.js';
import { to } from '../core/route.js';
import { alarms } from '../shell/pulse.js';
import { Charts } from './charts.js';
import { choosePorts, chosen, togglePort } from './chosen.js';
import { NoPorts, NoReadings } from './empty.js';
import { Tile } from './tile.js';

const FIRST_PORTS = 4; // chosen by themselves
const MOST_ALARMS = 5; // that are listed

/**
 * @typedef {import('./watch.js').Watch} Watch
 * @typedef {import('./watch.js').Device} Device
 */

/** @param {{w: Watch, d: Device}} p */
export function LiveTab({ w, d }) {
  const ports = d.ports || [];
  const ready = w.ready.value;
  useEffect(() => {
    if (chosen.value !== null || !ready || !ports.length) return;
    const speaking = ports.filter((p) => w.reading(p.number).peek());
    choosePorts((speaking.length ? speaking : ports).slice(0, FIRST_PORTS).map((p) => p.number));
  }, [ready, d]);
  useEffect(() => {
    /** @param {KeyboardEvent} e */
    const key = (e) => {
      if (document.querySelector('dialog[open]') || e.ctrlKey || e.metaKey || e.altKey || (e.target instanceof HTMLElement && e.target.matches('input, select, textarea'))) return;
      const p = /^[1-9]$/.test(e.key) && (w.device.value?.ports || [])[Number(e.key) - 1];
      if (p) togglePort(p.number);
    };
    addEventListener('keydown', key);
    return () => removeEventListener('keydown', key);
  }, [w]);
  if (!ports.length) return html`<section class="panel"><${NoPorts} d=${d} /></section>`;
  return html`
    <${Alarms} id=${d.id} />
    <section class="panel" aria-label=${t('device.live.ports')}>
      <div class="ports" role="group" aria-label=${t('device.live.portsHint')}>
        ${ports.map((p, i) => html`<${Tile} key=${p.number} w=${w} p=${p} color=${colorOf(i)} />`)}
      </div>
      ${ready && !w.speaking.value && html`<${NoReadings} d=${d} />`}
    </section>
    <${Charts} w=${w} d=${d} />`;
}

/** @param {{id: string}} p the alarms of the device that go on */
function Alarms({ id }) {
  const list = [...(alarms.value?.values() || [])].filter((a) => a.deviceId === id);
  if (!list.length) return null;
  return html`
    <section class="panel device-alarms" aria-label=${t('device.live.alarms')}>
      <ul>
        ${list.slice(0, MOST_ALARMS).map((a) => html`
          <li key=${a.id}>
            <span class="badge ${a.severity === 'critical' ? 'bad' : a.severity === 'info' ? '' : 'warn'}">${a.severity}</span>
            <a href=${to('alarms', a.id)}>${a.ruleName || a.kind}</a>
            <span>${a.message}</span>
            <span class="when"><${Age} at=${a.triggeredAt || a.startedAt} suffix /></span>
          </li>`)}
      </ul>
      ${list.length > MOST_ALARMS && html`<p class="hint">${t('device.live.moreAlarms', { n: list.length - MOST_ALARMS })}</p>`}
    </section>`;
}
