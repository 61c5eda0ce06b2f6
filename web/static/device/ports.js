// The ports of a device: what they are called, what they may say, how their
// raw values are calibrated.
import { useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { ask } from '../parts/dialog.js';
import { Icon } from '../parts/icon.js';
import { Empty, Panel } from '../parts/page.js';
import { Table } from '../parts/table.js';
import { value } from '../core/format.js';
import { may } from '../core/me.js';
import { query, setQuery } from '../core/route.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { CalibrationDialog } from './calibration.js';
import { PortDialog } from './port.js';
import { nameOf } from './tile.js';

const STEP = 100; // ports that are listed at once

/**
 * @typedef {import('./watch.js').Watch} Watch
 * @typedef {import('./watch.js').Device} Device
 * @typedef {import('./watch.js').Port} Port
 */

/** pathOf is a port's below the API. @param {string} id @param {number} n */
export const pathOf = (id, n) => `/devices/${encodeURIComponent(id)}/ports/${n}`;

/** @param {{w: Watch, d: Device}} p */
export function PortsTab({ w, d }) {
  const [shown, setShown] = useState(STEP);
  const ports = d.ports || [];
  const open = query.value.get('do') || '';
  const port = ports.find((p) => String(p.number) === query.value.get('port'));
  const close = () => setQuery({ do: null, port: null });
  const range = (/** @type {number | undefined} */ low, /** @type {number | undefined} */ high) =>
    (low === undefined && high === undefined ? '' : `${low === undefined ? '' : value(low)} … ${high === undefined ? '' : value(high)}`);
  const drop = (/** @type {Port} */ p) => ask({
    title: t('device.ports.delete', { name: nameOf(p) }), text: t('device.ports.deleteText'), button: t('remove'), danger: true, act: async () => {
      await api.call(pathOf(d.id, p.number), { method: 'DELETE' });
      await w.refresh();
    },
  });
  const columns = [
    { name: t('device.ports.number'), className: 'num', cell: (/** @type {Port} */ p) => p.number },
    { name: t('device.ports.name'), className: 'wide', cell: (/** @type {Port} */ p) => p.name || html`<span class="hint">–</span>` },
    { name: t('device.ports.unit'), cell: (/** @type {Port} */ p) => p.unit || '' },
    { name: t('device.ports.newest'), className: 'num', cell: (/** @type {Port} */ p) => html`<${Newest} w=${w} p=${p} />` },
    { name: t('device.ports.calibration'), className: 'num', cell: (/** @type {Port} */ p) => (p.scaling === 1 && p.offset === 0 ? html`<span class="hint">${t('device.ports.none')}</span>`
      : formula(p)) },
    { name: t('device.ports.valid'), className: 'num', cell: (/** @type {Port} */ p) => range(p.validMin, p.validMax) },
    { name: t('device.ports.alarm'), className: 'num', cell: (/** @type {Port} */ p) => range(p.low, p.high) },
    { name: t('device.ports.actions'), className: 'row-actions', cell: (/** @type {Port} */ p) => html`
        <button class="quiet" onClick=${() => setQuery({ do: 'calibrate', port: p.number })} aria-label=${t('device.ports.calibrateOf', { name: nameOf(p) })}>${t('device.ports.calibrate')}</button>
        ${may('write') && html`
          <button class="quiet" onClick=${() => setQuery({ do: 'edit', port: p.number })} aria-label=${t('device.ports.editOf', { name: nameOf(p) })}>${t('edit')}</button>
          <button class="quiet" onClick=${() => drop(p)} aria-label=${t('device.ports.delete', { name: nameOf(p) })}>${t('remove')}</button>`}` },
  ];
  return html`
    <${Panel} title=${t('device.tab.ports')} hint=${t('device.ports.count', { n: ports.length })}
      actions=${may('write') && html`<button class="secondary" onClick=${() => setQuery({ do: 'add', port: null })}><${Icon} name="plus" />${t('device.ports.add')}</button>`}>
      ${ports.length ? html`<${Table} label=${t('device.tab.ports')} columns=${columns} rows=${ports.slice(0, shown)} rowKey=${(/** @type {Port} */ p) => String(p.number)}
        more=${ports.length > shown ? () => setShown(shown + STEP) : null} />` : html`<${Empty}>${t('device.noPorts')}<//>`}
    <//>
    ${may('write') && (open === 'add' || (open === 'edit' && port)) && html`<${PortDialog} key=${port?.number} w=${w} d=${d} p=${open === 'edit' ? port : undefined} onClose=${close} />`}
    ${open === 'calibrate' && port && html`<${CalibrationDialog} key=${port.number} w=${w} p=${port} onClose=${close} />`}`;
}

/** formula writes what becomes of a raw value. @param {{scaling: number, offset: number}} c */
export function formula(c) {
  const offset = c.offset === 0 ? '' : ` ${c.offset < 0 ? '−' : '+'} ${value(Math.abs(c.offset))}`;
  return t('device.calibration.raw') + ' × ' + value(c.scaling) + offset;
}

/** @param {{w: Watch, p: Port}} o */
function Newest({ w, p }) {
  const r = w.reading(p.number).value;
  return html`<span>${r ? `${value(r.calibratedValue, w.places(p.number))} ${p.unit || ''}` : '–'}</span>`;
}
