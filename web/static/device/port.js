// A port that is made or changed.
import { useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Dialog } from '../parts/dialog.js';
import { Field, Form } from '../parts/field.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { numberOf, refusal, typed } from './numbers.js';
import { pathOf } from './ports.js';
import { nameOf } from './tile.js';

const limits = /** @type {const} */ (['validMin', 'validMax', 'low', 'high']);

/** @param {{w: import('./watch.js').Watch, d: import('./watch.js').Device, p?: import('./watch.js').Port, onClose: () => void}} o p absent: a new one */
export function PortDialog({ w, d, p, onClose }) {
  const next = Math.max(0, ...(d.ports || []).map((o) => o.number)) + 1;
  const [draft, setDraft] = useState({
    number: String(p?.number ?? next), name: p?.name || '', unit: p?.unit || '',
    validMin: typed(p?.validMin), validMax: typed(p?.validMax), low: typed(p?.low), high: typed(p?.high),
  });
  const [faults, setFaults] = useState(/** @type {Record<string, string>} */ ({}));
  /** @param {keyof typeof draft} name */
  const field = (name) => ({ name, value: draft[name], fault: faults[name], autocomplete: 'off', onInput: (/** @type {string} */ v) => setDraft((o) => ({ ...o, [name]: v })) });
  const submit = async () => {
    /** @type {Record<string, any>} */
    const body = { name: draft.name.trim(), unit: draft.unit.trim() };
    const clear = [];
    /** @type {Record<string, string>} */
    const wrong = {};
    for (const name of limits) {
      const v = numberOf(draft[name]);
      if (v === undefined) {
        if (p?.[name] !== undefined) clear.push(name);
      } else if (Number.isFinite(v)) {
        body[name] = v;
      } else {
        wrong[name] = t('device.notANumber');
      }
    }
    const n = Number(draft.number);
    if (!Number.isInteger(n) || n < 0 || n > 65_535) wrong.number = t('device.ports.numberFault');
    else if (!p && d.ports?.some((o) => o.number === n)) wrong.number = t('device.ports.taken', { n });
    if (Object.keys(wrong).length) throw refusal(wrong);
    if (clear.length) body.clear = clear;
    await api.call(pathOf(d.id, n), { method: 'PUT', body });
    await w.refresh();
    onClose();
  };
  return html`
    <${Dialog} title=${p ? nameOf(p) : t('device.ports.add')} onClose=${onClose}>
      <${Form} onSubmit=${submit} onCancel=${onClose} button=${p ? t('save') : t('device.ports.make')} onFaults=${setFaults}>
        ${!p && html`<${Field} label=${t('device.ports.number')} ...${field('number')} inputMode="numeric" hint=${t('device.ports.numberHint')} />`}
        <div class="form-row">
          <${Field} label=${t('device.ports.name')} ...${field('name')} autofocus />
          <${Field} label=${t('device.ports.unit')} ...${field('unit')} />
        </div>
        <fieldset><legend>${t('device.ports.validLegend')}</legend>
          <div class="form-row">
            <${Field} label=${t('device.ports.least')} ...${field('validMin')} inputMode="decimal" />
            <${Field} label=${t('device.ports.most')} ...${field('validMax')} inputMode="decimal" />
          </div>
        </fieldset>
        <fieldset><legend>${t('device.ports.alarmLegend')}</legend>
          <div class="form-row">
            <${Field} label=${t('device.ports.below')} ...${field('low')} inputMode="decimal" />
            <${Field} label=${t('device.ports.above')} ...${field('high')} inputMode="decimal" />
          </div>
        </fieldset>
      <//>
    <//>`;
}
