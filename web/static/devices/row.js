// One device of the list.
import { html } from '../parts/html.js';
import { Age } from '../parts/age.js';
import { now } from '../core/clock.js';
import { exact, value } from '../core/format.js';
import { to } from '../core/route.js';
import { t } from '../core/words.js';
import { alarms } from '../shell/pulse.js';
import { stateOf } from '../device/state.js';
import { worst } from '../device/tile.js';
import { glanceOf, SPAN_MS } from './glance.js';
import { Spark } from './spark.js';

const GAP_MS = 150_000; // between two minutes that are joined
const MOST_TAGS = 3;

/** @param {{d: import('./choice.js').Device, at: number, active: boolean}} p */
export function Row({ d, at, active }) {
  const state = stateOf(d);
  const tags = d.tags || [];
  return html`
    <div class="row ${active ? 'active' : ''}" role="row" id=${'device-' + d.id} aria-rowindex=${at + 2}>
      <span role="gridcell" class="col-id"><i class="dot ${state}" role="img" aria-label=${t('devices.is.' + state)} title=${t('devices.is.' + state)} />
        <a href=${to('devices', d.id)}>${d.id}</a><${Alarm} id=${d.id} /></span>
      <span role="gridcell" class="col-name">${d.name || d.serialNumber || ''}</span>
      <span role="gridcell" class="col-org">${d.orgId}</span>
      <span role="gridcell" class="col-tags">
        ${d.state !== 'active' && html`<span class="badge">${t('devices.is.' + d.state)}</span>`}
        ${d.hasSecret === false && d.state === 'active' && html`<span class="badge warn">${t('devices.noSecret')}</span>`}
        ${tags.slice(0, MOST_TAGS).map((tag) => html`<a key=${tag} class="tag" href=${'/devices?tag=' + encodeURIComponent(tag)} tabIndex=${-1}>${tag}</a>`)}
        ${tags.length > MOST_TAGS && html`<small title=${tags.slice(MOST_TAGS).join(', ')}>+${tags.length - MOST_TAGS}</small>`}
      </span>
      <${Glance} id=${d.id} />
      <${Seen} d=${d} />
    </div>`;
}

/** @param {{id: string}} p */
function Alarm({ id }) {
  const here = [...(alarms.value?.values() || [])].filter((a) => a.deviceId === id);
  if (!here.length) return null;
  return html` <span class="badge ${worst(here) === 'critical' ? 'bad' : 'warn'}">${t('devices.alarms', { n: here.length })}</span>`;
}

/** @param {{d: import('./choice.js').Device}} p of who never connects the time of the newest reading is told: it may send over HTTP */
function Seen({ d }) {
  const at = Math.max(d.lastSeen ? Date.parse(d.lastSeen) : 0, glanceOf(d.id).value?.ts || 0);
  return html`
    <span role="gridcell" class="col-seen num">${d.online ? t('devices.is.online') : at ? html`<${Age} at=${at} />`
      : html`<span title=${t('devices.neverSeen')}>${t('devices.never')}</span>`}</span>`;
}

/** @param {{id: string}} p the newest value, and how it went */
function Glance({ id }) {
  const g = glanceOf(id).value;
  if (!g) {
    return html`<span role="gridcell" class="col-value num">${g === null ? html`<span title=${t('devices.noReading')}>–</span>` : ''}</span><span role="gridcell" class="col-spark" />`;
  }
  const until = now.peek();
  return html`
    <span role="gridcell" class="col-value num" title=${t('devices.portAt', { n: g.port, at: exact(g.ts) })}>${value(g.value)}${g.unit && html`<small> ${g.unit}</small>`}</span>
    <span role="gridcell" class="col-spark"><${Spark} points=${g.points} from=${until - SPAN_MS} to=${until} gap=${GAP_MS} label=${t('devices.spark', { n: g.port })} /></span>`;
}
