// What the places of the alarms have in common: their tabs, and how
// severities, ports and durations are shown.
import { html } from '../parts/html.js';
import { Badge } from '../parts/page.js';
import { now } from '../core/clock.js';
import { age, value } from '../core/format.js';
import { may } from '../core/me.js';
import { to } from '../core/route.js';
import { t } from '../core/words.js';

/** @typedef {import('../core/api.js').AlertEvent} AlertEvent */

/** severities, the worst first. */
export const severities = ['critical', 'warning', 'info'];

/** tabs are those of the area; channels are shown to whoever may see them. */
export function tabs() {
  return [
    { href: '/alarms', name: t('alarms.inbox') },
    { href: '/alarms/rules', name: t('rules.title') },
    ...(may('write') ? [{ href: '/alarms/channels', name: t('channels.title') }] : []),
    { href: '/alarms/silences', name: t('alarms.silences') },
    { href: '/alarms/sent', name: t('alarms.sent') },
  ];
}

/** @param {{of: string}} p */
export function Severity({ of }) {
  return html`<${Badge} tone=${of === 'critical' ? 'bad' : of === 'warning' ? 'warn' : 'quiet'}>${t('alarms.severity.' + of)}<//>`;
}

/**
 * portOf names a port.
 * @param {{portName?: string, portNumber: number}} e
 */
export function portOf(e) { return e.portName || t('alarms.portNumber', { n: e.portNumber }); }

/** @param {{e: {deviceId: string, portName?: string, portNumber: number}}} p leads to the device */
export function Where({ e }) {
  return html`<a href=${to('devices', e.deviceId)}>${e.deviceId}</a> · ${portOf(e)}`;
}

/**
 * measured writes a value of an alarm with its unit; of silence it is a time.
 * @param {{kind: string, unit?: string}} e
 * @param {number | undefined} v
 */
export function measured(e, v) {
  if (v === undefined) return '–';
  if (e.kind === 'no_data') return age(v * 1000);
  return value(v) + (e.unit ? '\u202f' + e.unit : '');
}

/**
 * lasting answers for how long the condition held, or has held, in ms.
 * @param {{startedAt: string, resolvedAt?: string}} e
 */
export function lasting(e) { return Math.max(0, (e.resolvedAt ? Date.parse(e.resolvedAt) : now.value) - Date.parse(e.startedAt)); }

/**
 * span writes a duration, also one of no time.
 * @param {number} ms
 */
export function span(ms) { return ms < 1500 ? '< 2\u202fs' : age(ms); }

/**
 * person writes who did something: user:ann@example.org is ann@example.org.
 * @param {string} actor
 */
export function person(actor) { return actor.replace(/^user:/, ''); }
