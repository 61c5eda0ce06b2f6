// The device that is looked at: who it is, its ports, their charts.
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Age } from '../parts/age.js';
import { Charts } from './charts.js';
import { NoPorts, NoReadings } from './empty.js';
import { exact, value } from '../core/format.js';
import { colorOf } from '../chart/plot.js';
import { devices } from '../shell/pulse.js';
import { now } from '../core/clock.js';
import { go } from '../core/route.js';
import { choosePorts, chosen, togglePort } from './chosen.js';
import { Watch } from './watch.js';

const FIRST_PORTS = 4; // chosen by themselves
const STALE_MS = 120_000;

const watch = signal(/** @type {Watch | null} */ (null));

/** @param {{id: string}} p */
export function Device({ id }) {
  useEffect(() => {
    if (!id) return undefined;
    const w = new Watch(id);
    watch.value = w;
    document.title = id + ' · tidegate';
    return () => {
      w.close();
      watch.value = null;
    };
  }, [id]);
  const w = watch.value;
  if (!w || w.id !== id) return null;
  const d = w.device.value;
  if (!d) {
    const problem = w.problem.value;
    const words = problem?.status === 404 ? `There is no device “${id}”, or it is not yours to see.` : problem?.message;
    return html`
      <section class="panel device" aria-busy=${!problem}>
        <header class="panel-head"><${Back} /><h2>${id}</h2></header>
        <p class="hint pad">${words || 'Loading…'}</p>
      </section>`;
  }
  return html`
    <section class="device" aria-labelledby="device-title">
      <div class="panel">
        <${Head} d=${d} />
        <${Ports} w=${w} d=${d} />
      </div>
      <${Charts} w=${w} d=${d} />
    </section>`;
}

function Back() {
  return html`<button class="quiet back" aria-label="Back to the devices" onClick=${() => go('/devices')}>‹ Devices</button>`;
}

/** @param {{d: import('../core/api.js').Device}} p */
function Head({ d }) {
  const listed = devices.value?.find((o) => o.id === d.id) || d;
  const state = d.state === 'active' ? (listed.online ? 'online' : 'offline') : d.state;
  const seen = listed.lastSeen ? Date.parse(listed.lastSeen) : 0;
  return html`
    <header class="panel-head device-head">
      <${Back} />
      <h1 id="device-title">${d.id}</h1>
      <span class="state ${state}" title=${seen ? exact(seen) : 'It has never connected.'}><i class="dot ${state}" />${state}${
        seen && state !== 'online' ? html`, seen <${Age} at=${seen} suffix />` : ''}</span>
      <span class="facts">
        ${d.name && html`<span>${d.name}</span>`}
        <span>org ${d.orgId}</span>
        ${d.serialNumber && d.serialNumber !== d.id && html`<span>serial ${d.serialNumber}</span>`}
      </span>
    </header>`;
}

/** @param {{w: Watch, d: import('../core/api.js').Device}} p */
function Ports({ w, d }) {
  const ports = d.ports || [];
  const latest = w.latest.value;
  useEffect(() => {
    if (chosen.value !== null || !latest || !ports.length) return;
    const speaking = ports.filter((p) => latest.has(p.number));
    choosePorts((speaking.length ? speaking : ports).slice(0, FIRST_PORTS).map((p) => p.number));
  }, [latest, d]);
  if (!ports.length) return html`<${NoPorts} d=${d} />`;
  return html`
    <div class="ports" role="group" aria-label="Ports; the chosen ones are drawn">
      ${ports.map((p, i) => html`<${Tile} key=${p.number} w=${w} p=${p} color=${colorOf(i)} />`)}
    </div>
    ${latest?.size === 0 && html`<${NoReadings} d=${d} />`}`;
}

/** @param {{w: Watch, p: import('../core/api.js').Port, color: string}} o */
function Tile({ w, p, color }) {
  const r = w.latest.value?.get(p.number);
  const isChosen = (chosen.value || []).includes(p.number);
  const ts = r ? Date.parse(r.ts) : 0;
  const stale = r && now.value - ts > STALE_MS;
  const flags = (r?.flags || []).map((f) => f.replaceAll('_', ' '));
  const alarm = r && ((p.high !== undefined && r.calibratedValue > p.high) || (p.low !== undefined && r.calibratedValue < p.low));
  return html`
    <button class="tile ${color} ${stale ? 'stale' : ''}" aria-pressed=${isChosen} onClick=${() => togglePort(p.number)}
      title=${r ? `raw ${r.rawValue}\n${exact(ts)}` : 'No reading yet.'}>
      <span class="tile-name"><i class="swatch" /><span>${p.name || 'Port ' + p.number}</span>${p.name && html`<small class="num">${p.number}</small>`}</span>
      <span class="tile-value num ${alarm ? 'alarm' : ''}">${r ? value(r.calibratedValue, w.places(p.number)) : '–'}${p.unit && html`<small> ${p.unit}</small>`}</span>
      <span class="tile-foot num">
        ${r ? html`<${Age} at=${ts} />` : 'no reading'}
        ${r && r.quality !== 'good' && html`<span class="badge ${r.quality}">${r.quality}</span>`}
        ${flags.map((f) => html`<span class="badge uncertain" key=${f}>${f}</span>`)}
        ${alarm && html`<span class="badge bad">${p.high !== undefined && r.calibratedValue > p.high ? 'high' : 'low'}</span>`}
      </span>
    </button>`;
}
