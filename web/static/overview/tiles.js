// The figures of the box, each with what it is made of.
import { computed } from '@preact/signals';
import { html } from '../parts/html.js';
import { Age } from '../parts/age.js';
import { now } from '../core/clock.js';
import { bytes, count, exact, short } from '../core/format.js';
import { t } from '../core/words.js';
import { alarms, devices, rate } from '../shell/pulse.js';
import { box } from './box.js';
import { Trace } from './trace.js';

const DAYS_TIGHT = 30;
const DAYS_SHORT = 7;

/** @typedef {'good' | 'warn' | 'bad' | ''} Tone */

/** Tiles are those that there is something to say in: who has not the whole box sees what is theirs. */
export function Tiles() {
  const whole = box.value?.whole;
  return html`
    <div class="stats">
      <${Devices} /><${Alarms} />
      <${Rate} />
      ${whole && html`<${Log} /><${Disk} />`}
      <${Uptime} />
    </div>`;
}

/** @param {{name: string, value: any, tone?: Tone, href?: string, title?: string, children?: any}} p */
function Tile({ name, value, tone = '', href, title, children }) {
  return html`
    <section class=${'stat ' + tone} title=${title}>
      <h2>${href ? html`<a href=${href}>${name}</a>` : name}</h2>
      <p class="stat-value num">${value}</p>
      <div class="stat-foot">${children}</div>
    </section>`;
}

/** numbers are of the devices that may send; those that were never heard of are counted here, for the status does not tell them apart. */
const numbers = computed(() => {
  const { online = 0, offline = 0, silent = 0 } = box.value?.deviceStates || {};
  const unheard = (devices.value || []).filter((d) => d.state === 'active' && !d.online && !d.lastSeen).length;
  const never = Math.min(unheard, offline - silent);
  return { all: online + offline, online, silent, never, offline: offline - silent - never };
});

function Devices() {
  const n = numbers.value;
  if (!devices.value) return html`<${Tile} name=${t('nav.devices')} value="–" href="/devices" />`;
  return html`
    <${Tile} name=${t('nav.devices')} href="/devices" value=${html`${count(n.online)}<small> / ${count(n.all)}</small>`}>
      <span>${t('overview.online')}</span>
      ${n.offline > 0 && html`<span title=${t('overview.offlineHint')}>${t('overview.offline', { n: n.offline })}</span>`}
      ${n.silent > 0 && html`<span class="tone-warn" title=${t('overview.silentHint')}>${t('overview.silent', { n: n.silent })}</span>`}
      ${n.never > 0 && html`<span>${t('overview.never', { n: n.never })}</span>`}
      <${Share} parts=${[['good', n.online], ['calm', n.offline], ['warn', n.silent], ['none', n.never]]} />
    <//>`;
}

/** @param {{parts: [string, number][]}} p shares of a whole, as a bar; the words beside it say the same */
export function Share({ parts }) {
  const all = parts.reduce((sum, [, n]) => sum + n, 0);
  if (!all) return null;
  return html`<span class="share" aria-hidden="true">${parts.map(([tone, n]) => n > 0 && html`<i key=${tone} class=${tone} style=${{ flexGrow: n / all }} />`)}</span>`;
}

function Alarms() {
  const open = alarms.value;
  const of = (/** @type {string} */ severity) => [...(open?.values() || [])].filter((a) => a.severity === severity).length;
  const n = { critical: of('critical'), warning: of('warning'), info: of('info') };
  const tone = n.critical ? 'bad' : n.warning ? 'warn' : '';
  return html`
    <${Tile} name=${t('overview.alarms')} href="/alarms" tone=${tone} value=${open ? count(open.size) : '–'}>
      ${open?.size === 0 && html`<span>${t('overview.noAlarm')}</span>`}
      ${n.critical > 0 && html`<span class="tone-bad">${t('overview.critical', { n: n.critical })}</span>`}
      ${n.warning > 0 && html`<span class="tone-warn">${t('overview.warning', { n: n.warning })}</span>`}
      ${n.info > 0 && html`<span>${t('overview.info', { n: n.info })}</span>`}
    <//>`;
}

function Rate() {
  const r = rate.value;
  return html`
    <${Tile} name=${t('overview.rate')} value=${html`${r === null ? '–' : r < 10 ? r.toFixed(1) : short(r)}<small> /s</small>`}>
      <${Trace} />
    <//>`;
}

function Log() {
  const log = box.value?.log;
  if (!log) return null;
  const full = log.maxBytes ? log.bytes / log.maxBytes : 0;
  return html`
    <${Tile} name=${t('overview.log')} value=${count(log.depth)} tone=${full > 0.8 ? 'warn' : ''} title=${t('overview.logHint')}>
      <span>${log.depth === 0 ? t('overview.drained') : log.etaSeconds !== undefined ? t('overview.drain', { n: Math.ceil(log.etaSeconds) }) : t('overview.draining')}</span>
      <span>${t('overview.ofBytes', { used: bytes(log.bytes), of: bytes(log.maxBytes) })}</span>
    <//>`;
}

function Disk() {
  const b = box.value;
  if (!b?.diskFreeBytes) return null;
  const left = b.diskDaysLeft;
  const tone = left === undefined ? '' : left < DAYS_SHORT ? 'bad' : left < DAYS_TIGHT ? 'warn' : '';
  return html`
    <${Tile} name=${t('overview.disk')} value=${bytes(b.diskFreeBytes)} tone=${tone} title=${b.dataDir}>
      <span>${t('overview.diskUsed', { used: bytes(b.diskUsedBytes || 0) })}</span>
      <span class=${tone && 'tone-' + tone}>${left === undefined ? t('overview.daysUnknown') : t('overview.daysLeft', { n: count(left) })}</span>
      ${!!b.diskBytesPerDay && html`<span>${t('overview.perDay', { bytes: bytes(b.diskBytesPerDay) })}</span>`}
    <//>`;
}

function Uptime() {
  const b = box.value;
  if (!b) return null;
  const since = Date.parse(b.startedAt);
  return html`
    <${Tile} name=${t('overview.uptime')} value=${lasting(now.value - since)} title=${exact(since)}>
      <span>tidegate ${b.version}</span>
      ${b.whole && html`<span>${t('overview.connections', { n: b.connections })}</span>`}
      ${b.tls && html`<span class=${b.tls.daysLeft < DAYS_TIGHT ? 'tone-warn' : ''}>${t('overview.certificate')} <${Age} at=${b.tls.notAfter} /></span>`}
    <//>`;
}

/**
 * lasting writes a duration in its two largest units.
 * @param {number} ms
 */
export function lasting(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  const units = /** @type {const} */ ([['d', 86400], ['h', 3600], ['min', 60], ['s', 1]]);
  const first = units.findIndex(([, size]) => s >= size);
  if (first < 0) return '0\u202fs';
  const [a, b] = [units[first], units[first + 1]];
  const rest = b ? Math.floor((s % a[1]) / b[1]) : 0;
  return Math.floor(s / a[1]) + '\u202f' + a[0] + (rest ? ' ' + rest + '\u202f' + b[0] : '');
}
