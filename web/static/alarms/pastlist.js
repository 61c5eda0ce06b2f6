// The alarms that a rule would have raised, one a line.
import { useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Table } from '../parts/table.js';
import { exact, moment } from '../core/format.js';
import { t } from '../core/words.js';
import { measured, span } from './frame.js';

const PAGE = 12;

/** @typedef {import('./test.js').Past} Past */

/**
 * @param {{tested: import('./test.js').Tested, shown: {deviceId: string, number: number, unit: string}, kind: string,
 *   onShow: (deviceId: string, number: number) => void}} p shown: the port whose curve is seen
 */
export function PastList({ tested, shown, kind, onShow }) {
  const [most, setMost] = useState(PAGE);
  const rows = tested.episodes.slice(0, most);
  const left = tested.ports - tested.tested;
  if (!tested.ports) return html`<p class="hint pad">${t('rules.watchesNone')}</p>`;
  const here = (/** @type {Past} */ e) => e.deviceId === shown.deviceId && e.portNumber === shown.number;
  const columns = [
    { name: t('rules.past.start'), cell: (/** @type {Past} */ e) => html`<time class="num" dateTime=${e.start} title=${exact(Date.parse(e.start))}>${moment(Date.parse(e.start))}</time>` },
    { name: t('alarms.fact.port'), cell: (/** @type {Past} */ e) => (here(e) ? `${e.deviceId} · ${e.portNumber}`
      : html`<button type="button" class="link" onClick=${() => onShow(e.deviceId, e.portNumber)}>${e.deviceId} · ${e.portNumber}</button>`), className: 'wide' },
    { name: t('alarms.fact.lasted'), cell: (/** @type {Past} */ e) => (e.end ? span(Date.parse(e.end) - Date.parse(e.start)) : t('rules.past.goesOn')), className: 'num' },
    { name: kind === 'no_data' ? t('alarms.fact.silence') : t('alarms.worst'), cell: (/** @type {Past} */ e) => measured({ kind, unit: here(e) ? shown.unit : '' }, e.worst), className: 'num' },
  ];
  return html`
    ${left > 0 && html`<p class="hint pad">${t('rules.portsLeft', { n: left })}</p>`}
    ${rows.length > 0 && html`
      <${Table} label=${t('rules.past.label')} columns=${columns} rows=${rows} rowKey=${(/** @type {Past} */ e) => `${e.deviceId}:${e.portNumber}:${e.start}`}
        more=${most < tested.episodes.length ? () => setMost(most + 5 * PAGE) : null} />`}
    ${tested.leftOut > 0 && html`<p class="hint pad">${t('rules.leftOut', { n: tested.leftOut })}</p>`}`;
}
