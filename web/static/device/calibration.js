// The calibrations of a port: the one in force, those before and after it, and
// a new one, whose effect is seen before it is saved.
import { useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Dialog } from '../parts/dialog.js';
import { Field, Form } from '../parts/field.js';
import { say } from '../parts/notice.js';
import { Asking, useQuery } from '../parts/query.js';
import { Table } from '../parts/table.js';
import { exact, moment, value } from '../core/format.js';
import { now } from '../core/clock.js';
import { may } from '../core/me.js';
import { api } from '../core/session.js';
import { zone } from '../core/settings.js';
import { t } from '../core/words.js';
import { apply, inForce } from './line.js';
import { numberOf, refusal, typed } from './numbers.js';
import { formula, pathOf } from './ports.js';
import { TwoPoints } from './points.js';
import { nameOf } from './tile.js';

/**
 * @typedef {import('./watch.js').Watch} Watch
 * @typedef {import('./watch.js').Port} Port
 * @typedef {import('./watch.js').Calibration} Calibration
 */

/** @param {{w: Watch, p: Port, onClose: () => void}} o */
export function CalibrationDialog({ w, p, onClose }) {
  const list = useQuery(async () => /** @type {Calibration[]} */ ((await api.call(pathOf(w.id, p.number) + '/calibrations')).items), [p.number]);
  const current = inForce(list.value || p.calibrations || [], now.value);
  return html`
    <${Dialog} title=${t('device.calibration.title', { name: nameOf(p) })} onClose=${onClose} wide>
      <p class="calibration-now">${t('device.calibration.inForce')}: <b class="num">${formula(current || p)}</b></p>
      ${may('write') && html`<${NewCalibration} w=${w} p=${p} current=${current || p} onDone=${list.reload} />`}
      <h3>${t('device.calibration.history')}</h3>
      <${Asking} of=${list} />
      ${list.value && html`<${History} list=${list.value} current=${current} />`}
    <//>`;
}

/** @param {{list: Calibration[], current?: Calibration}} o the one entered last first */
function History({ list, current }) {
  const when = (/** @type {string} */ at) => html`<span title=${exact(Date.parse(at))}>${moment(Date.parse(at))}</span>`;
  return html`
    <${Table} label=${t('device.calibration.history')} rows=${[...list].reverse()} rowKey=${(/** @type {Calibration} */ c) => String(c.number)} columns=${[
      { name: t('device.calibration.number'), className: 'num', cell: (/** @type {Calibration} */ c) => c.number },
      { name: t('device.calibration.scaling'), className: 'num', cell: (/** @type {Calibration} */ c) => String(c.scaling) },
      { name: t('device.calibration.offset'), className: 'num', cell: (/** @type {Calibration} */ c) => String(c.offset) },
      { name: t('device.calibration.from'), cell: (/** @type {Calibration} */ c) => (c.effectiveFrom ? when(c.effectiveFrom) : t('device.calibration.ever')) },
      { name: t('device.calibration.entered'), cell: (/** @type {Calibration} */ c) => when(c.createdAt) },
      { name: t('device.calibration.state'), cell: (/** @type {Calibration} */ c) => c === current && html`<span class="badge good">${t('device.calibration.inForce')}</span>` },
    ]} />`;
}

/** @param {{w: Watch, p: Port, current: {scaling: number, offset: number}, onDone: () => unknown}} o */
function NewCalibration({ w, p, current, onDone }) {
  const [draft, setDraft] = useState({ scaling: typed(current.scaling), offset: typed(current.offset), effectiveFrom: '' });
  const [faults, setFaults] = useState(/** @type {Record<string, string>} */ ({}));
  /** @param {keyof typeof draft} name */
  const field = (name) => ({ name, value: draft[name], fault: faults[name], autocomplete: 'off', onInput: (/** @type {string} */ v) => setDraft((o) => ({ ...o, [name]: v })) });
  const scaling = numberOf(draft.scaling);
  const offset = numberOf(draft.offset) ?? 0;
  const valid = scaling !== undefined && Number.isFinite(scaling) && scaling !== 0 && Number.isFinite(offset);
  const submit = async () => {
    if (!valid) {
      if (!Number.isFinite(offset)) throw refusal({ offset: t('device.notANumber') });
      throw refusal({ scaling: scaling === 0 ? t('device.calibration.zero') : t('device.notANumber') });
    }
    /** @type {Record<string, any>} */
    const body = { scaling, offset };
    if (draft.effectiveFrom) body.effectiveFrom = new Date(draft.effectiveFrom + (zone.value === 'utc' ? 'Z' : '')).toISOString();
    await api.call(pathOf(w.id, p.number) + '/calibrations', { method: 'POST', body });
    say(t('device.calibration.saved'));
    w.anew(p.number);
    await Promise.all([onDone(), w.refresh()]);
  };
  return html`
    <${Form} onSubmit=${submit} button=${t('device.calibration.save')} onFaults=${setFaults}>
      <${TwoPoints} w=${w} p=${p} onLine=${(/** @type {import('./line.js').Line} */ l) => setDraft((o) => ({ ...o, scaling: String(l.scaling), offset: String(l.offset) }))} />
      <div class="form-row">
        <${Field} label=${t('device.calibration.scaling')} ...${field('scaling')} inputMode="decimal" />
        <${Field} label=${t('device.calibration.offset')} ...${field('offset')} inputMode="decimal" />
        <${Field} label=${t('device.calibration.from')} ...${field('effectiveFrom')} type="datetime-local" hint=${zone.value === 'utc' ? t('device.calibration.fromUtc') : t('device.calibration.fromHint')} />
      </div>
      <${Effect} w=${w} p=${p} next=${valid ? { scaling: /** @type {number} */ (scaling), offset } : null} />
    <//>`;
}

/** @param {{w: Watch, p: Port, next: import('./line.js').Line | null}} o what a new calibration does to the newest reading */
function Effect({ w, p, next }) {
  const r = w.reading(p.number).value;
  if (!r) return html`<p class="hint">${t('device.calibration.noReading')}</p>`;
  const unit = p.unit ? ' ' + p.unit : '';
  return html`
    <p class="effect" aria-live="polite">${t('device.calibration.effect', { raw: String(r.rawValue) })}${' '}<b class="num">${value(r.calibratedValue) + unit}</b> → <b class="num">${next ? value(apply(next, r.rawValue)) + unit : '–'}</b></p>`;
}
