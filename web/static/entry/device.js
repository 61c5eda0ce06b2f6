// The step of the device: who sends, and what it measures.
import { useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Field, Form } from '../parts/field.js';
import { say } from '../parts/notice.js';
import { Panel } from '../parts/page.js';
import { may } from '../core/me.js';
import { query } from '../core/route.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { askDevices, devices } from '../shell/pulse.js';

const MOST_NAMED = 16; // more are named later, or imported
const MOST_FOUND = 5;

/** @typedef {{name: string, unit: string}} Named */

/** @returns {string} the first of d1, d2, … that is free */
function free() {
  const taken = new Set((devices.peek() || []).map((d) => d.id));
  for (let n = 1; ; n++) if (!taken.has('d' + n)) return 'd' + n;
}

/**
 * name gives ports their names and units; the device is there already, so what
 * is not taken is told, and its secret is shown all the same.
 * @param {string} id
 * @param {Named[]} ports
 */
async function name(id, ports) {
  for (const [i, p] of ports.entries()) {
    const body = { ...(p.name.trim() && { name: p.name.trim() }), ...(p.unit.trim() && { unit: p.unit.trim() }) };
    if (!Object.keys(body).length) continue;
    try {
      await api.call(`/devices/${encodeURIComponent(id)}/ports/${i + 1}`, { method: 'PUT', body });
    } catch (e) {
      say(t('welcome.portFailed', { n: i + 1, why: /** @type {Error} */ (e).message }), 'bad');
    }
  }
}

/** @param {{orgs: {id: string, name: string}[], onMade: (id: string, secret: string) => void}} p */
export function FirstDevice({ orgs, onMade }) {
  const wanted = query.value.get('org') || '';
  const [org, setOrg] = useState(orgs.some((o) => o.id === wanted) ? wanted : orgs[0].id);
  const [id, setId] = useState(free);
  const [serial, setSerial] = useState('');
  const [title, setTitle] = useState('');
  const [size, setSize] = useState('1');
  const [ports, setPorts] = useState(/** @type {Named[]} */ ([]));
  const [faults, setFaults] = useState(/** @type {Record<string, string>} */ ({}));
  const n = Math.max(0, Math.min(MOST_NAMED, Math.floor(Number(size)) || 0));
  const named = Array.from({ length: n }, (_, i) => ports[i] || { name: '', unit: '' });
  const change = (/** @type {number} */ i, /** @type {Partial<Named>} */ what) => setPorts(named.map((p, j) => (i === j ? { ...p, ...what } : p)));

  const submit = async () => {
    const names = named.map((p) => p.name.trim()).filter(Boolean);
    const twice = names.find((v, i) => names.indexOf(v) !== i);
    if (twice) throw new Error(t('welcome.twice', { name: twice }));
    const body = {
      orgId: org, ...(id.trim() && { id: id.trim() }), ...(serial.trim() && { serialNumber: serial.trim() }), ...(title.trim() && { name: title.trim() }),
      portCount: Number(size),
    };
    const d = await api.call('/devices', { method: 'POST', body });
    await name(d.id, named);
    await askDevices();
    onMade(d.id, d.secret);
  };
  return html`
    <${Panel} title=${t('welcome.step.device')} className="welcome-step">
      <div class="panel-body">
        <p class="hint">${t('welcome.deviceLead')}</p>
        <${Form} onSubmit=${submit} button=${t('welcome.make')} onFaults=${setFaults}
          extra=${may('company') && html`<a class="button" href="/welcome?new=organization">${t('welcome.otherOrg')}</a>`}>
          <${Field} label=${t('welcome.step.organization')} name="orgId" type="select" value=${org} onInput=${setOrg} fault=${faults.orgId}
            options=${orgs.map((o) => ({ value: o.id, name: o.name && o.name !== o.id ? `${o.name} (${o.id})` : o.id }))} />
          <div class="form-row">
            <${Field} label=${t('welcome.deviceId')} name="id" value=${id} onInput=${setId} fault=${faults.id} autofocus autocomplete="off" hint=${t('welcome.deviceIdHint')} />
            <${Field} label=${t('welcome.serial')} name="serialNumber" value=${serial} onInput=${setSerial} fault=${faults.serialNumber} autocomplete="off" hint=${t('welcome.serialHint')} />
          </div>
          <div class="form-row">
            <${Field} label=${t('welcome.deviceName')} name="name" value=${title} onInput=${setTitle} fault=${faults.name} autocomplete="off" placeholder=${t('welcome.deviceExample')} />
            <${Field} label=${t('welcome.ports')} name="portCount" type="number" min=${1} max=${4096} value=${size} onInput=${setSize} fault=${faults.portCount} hint=${t('welcome.portsHint')} />
          </div>
          ${n > 0 && html`
            <fieldset class="ports-named">
              <legend>${t('welcome.named')}</legend>
              ${named.map((p, i) => html`
                <div class="port-named" key=${i}>
                  <span class="num hint">${i + 1}</span>
                  <input name=${'port' + (i + 1)} aria-label=${t('welcome.portName', { n: i + 1 })} placeholder=${i ? '' : t('welcome.portExample')} value=${p.name}
                    onInput=${(/** @type {any} */ e) => change(i, { name: e.target.value })} autocomplete="off" />
                  <input name=${'unit' + (i + 1)} class="unit-named" aria-label=${t('welcome.portUnit', { n: i + 1 })} placeholder=${i ? '' : '°C'} value=${p.unit}
                    onInput=${(/** @type {any} */ e) => change(i, { unit: e.target.value })} autocomplete="off" />
                </div>`)}
              ${Number(size) > MOST_NAMED && html`<p class="hint">${t('welcome.namedMore', { n: MOST_NAMED })}</p>`}
            </fieldset>`}
        <//>
        <${Found} />
      </div>
    <//>`;
}

/** Found leads back to what was made and has never sent: a reload, or somebody who comes back later. */
function Found() {
  const silent = (devices.value || []).filter((d) => d.state === 'active' && !d.lastSeen && !d.online);
  if (!silent.length) return null;
  return html`
    <div class="found">
      <p>${t('welcome.found', { n: silent.length })}</p>
      <ul>${silent.slice(0, MOST_FOUND).map((d) => html`
        <li key=${d.id}><a href=${'/welcome?device=' + encodeURIComponent(d.id)}>${d.id}</a> <span class="hint">${d.name || d.serialNumber || ''} ${d.orgId}</span></li>`)}
      </ul>
    </div>`;
}
