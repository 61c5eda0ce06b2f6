// One command in the list: how far it has come, and what the device answered.
import { html } from '../parts/html.js';
import { Age } from '../parts/age.js';
import { Badge } from '../parts/page.js';
import { clock, day, exact, moment } from '../core/format.js';
import { now } from '../core/clock.js';
import { t } from '../core/words.js';
import { person } from '../alarms/frame.js';
import { isOpen } from './follow.js';
import { isShort, Json } from './json.js';

/** @typedef {import('./follow.js').DeviceCommand} DeviceCommand */

/** @type {Record<import('./follow.js').State, 'good' | 'warn' | 'bad' | 'quiet'>} */
const tones = { queued: 'quiet', sent: 'quiet', acknowledged: 'quiet', done: 'good', failed: 'bad', expired: 'warn' };

const BESIDE = 32; // characters of a result that stand beside the state
const TAKEN_MS = 10_000; // so soon a device that is there has taken a command

/**
 * @param {{online: boolean, withdraw: ((c: DeviceCommand) => void) | null, again: ((c: DeviceCommand) => void) | null}} o null: that
 *   is not offered
 */
export function columns({ online, withdraw, again }) {
  return [
    { name: t('device.commands.command'), className: 'wide', cell: (/** @type {DeviceCommand} */ c) => html`
      <div>
        <div class="order"><b>${c.name}</b>${c.params !== undefined && !longParams(c) && html` <${Params} c=${c} />`}</div>
        ${c.result != null && !longResult(c) && html`<${Result} c=${c} />`}
      </div>` },
    { name: t('device.commands.is'), cell: (/** @type {DeviceCommand} */ c) => html`<${Standing} c=${c} online=${online} />` },
    { name: t('device.commands.course'), cell: (/** @type {DeviceCommand} */ c) => html`<${Course} c=${c} />` },
    { name: t('device.commands.by'), cell: (/** @type {DeviceCommand} */ c) => html`<span class="made"><${Age} at=${c.createdAt} suffix /> <small>${person(c.createdBy)}</small></span>` },
    ...(withdraw && again ? [{
      // One button for both: who has the focus on it keeps it when the command ends.
      name: t('device.commands.actions'), className: 'acts', cell: (/** @type {DeviceCommand} */ c) => {
        const text = t(isOpen(c) ? 'device.commands.withdraw' : 'device.commands.again');
        return html`<button class="secondary" aria-label=${`${text}: ${c.name}`} onClick=${() => (isOpen(c) ? withdraw(c) : again(c))}>${text}</button>`;
      },
    }] : []),
  ];
}

/** @param {{c: DeviceCommand, online: boolean}} p */
function Standing({ c, online }) {
  const waits = c.state === 'queued' && (online ? now.value - Date.parse(c.createdAt) > TAKEN_MS && t('device.commands.notTaken') : t('device.commands.away'));
  return html`
    <span class="standing">
      <${Badge} tone=${tones[c.state] || 'quiet'} title=${t('device.commands.means.' + c.state)}>${t('device.commands.state.' + c.state)}<//>
      ${isOpen(c) && html`<small>${t('device.commands.expires')} <${Age} at=${c.expiresAt} /></small>`}
      ${waits && html`<small>${waits}</small>`}
    </span>`;
}

/** @param {{c: DeviceCommand}} p when it went out, was acked, and ended */
function Course({ c }) {
  const steps = [
    ['sent', c.sentAt], ['acknowledged', c.acknowledgedAt], ['ended', c.endedAt],
  ].filter(([, at]) => at);
  return html`
    <ul class="course">
      ${steps.map(([what, at]) => html`
        <li key=${what}>${t('device.commands.step.' + what)} <${When} at=${Date.parse(/** @type {string} */ (at))} />${
          what === 'sent' && c.sent > 1 && html` <small title=${t('device.commands.times', { n: c.sent })}>×${c.sent}</small>`}</li>`)}
    </ul>`;
}

/** @param {{at: number}} p the time of day, of another day with its date */
function When({ at }) {
  return html`<time class="num" dateTime=${new Date(at).toISOString()} title=${exact(at)}>${day(at) === day(now.peek()) ? clock(at) : moment(at)}</time>`;
}

/** @param {DeviceCommand} c */
const longParams = (c) => c.params !== undefined && !isShort(c.params);

/** A result stands behind the params. @param {DeviceCommand} c */
const longResult = (c) => c.result != null && (longParams(c) || !isShort(c.result, BESIDE));

/** @param {{c: DeviceCommand}} p */
function Params({ c }) { return html`<${Json} of=${c.params} label=${t('device.commands.paramsOf', { name: c.name })} />`; }

/** @param {{c: DeviceCommand}} p */
function Result({ c }) {
  return html`
    <div class="order answered ${c.state === 'failed' ? 'failed' : ''}">
      <span class="hint">${t('device.commands.result')}</span> <${Json} of=${c.result} label=${t('device.commands.resultOf', { name: c.name })} />
    </div>`;
}

/**
 * under answers what stands below a command: what is long of its params and of
 * what the device answered, and why it ended so; null: nothing does.
 * @param {DeviceCommand} c
 */
export function under(c) {
  const params = longParams(c);
  const result = longResult(c);
  if (!params && !result && !c.detail) return null;
  return html`
    <div class="under">
      ${params && html`<div class="order"><span class="hint">${t('device.commands.params')}</span> <${Params} c=${c} /></div>`}
      ${result && html`<${Result} c=${c} />`}
      ${c.detail && html`<p class="hint">${c.detail.replace(/\buser:(?=\S+@)/, '')}</p>`}
    </div>`;
}
