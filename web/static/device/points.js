// Two-point calibration: two raw values, and what they are in truth.
import { useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Field } from '../parts/field.js';
import { t } from '../core/words.js';
import { through } from './line.js';
import { numberOf } from './numbers.js';

const rows = /** @type {const} */ ([['rawA', 'realA'], ['rawB', 'realB']]);

/**
 * TwoPoints fills the line through both into the form around it.
 * @param {{w: import('./watch.js').Watch, p: import('./watch.js').Port, onLine: (l: import('./line.js').Line) => void}} o
 */
export function TwoPoints({ w, p, onLine }) {
  const [v, setV] = useState({ rawA: '', realA: '', rawB: '', realB: '' });
  const r = w.reading(p.number).value;
  const change = (/** @type {Partial<typeof v>} */ some) => {
    const next = { ...v, ...some };
    setV(next);
    const l = lineOf(next);
    if (l) onLine(l);
  };
  /** @param {keyof typeof v} name @param {string} label */
  const field = (name, label) => html`<${Field} label=${label} name=${name} value=${v[name]} inputMode="decimal" autocomplete="off"
    onInput=${(/** @type {string} */ s) => change({ [name]: s })} />`;
  return html`
    <fieldset class="two-points"><legend>${t('device.points.legend')}</legend>
      <p class="hint">${t('device.points.hint')}</p>
      ${rows.map(([raw, real], i) => html`
        <div class="point" key=${raw}>
          ${field(raw, t('device.points.raw', { n: i + 1 }))}
          <button type="button" class="secondary" disabled=${!r} onClick=${() => r && change({ [raw]: String(r.rawValue) })}>${t('device.points.take')}${
            r && html` <span class="num hint">${String(r.rawValue)}</span>`}<span class="unseen"> ${t('device.points.takeOf', { n: i + 1 })}</span></button>
          ${field(real, t('device.points.real', { n: i + 1 }) + (p.unit ? ` (${p.unit})` : ''))}
        </div>`)}
      <p class="fault" role="alert">${fault(v)}</p>
    </fieldset>`;
}

/** @param {{rawA: string, realA: string, rawB: string, realB: string}} v */
function numbers(v) { return [v.rawA, v.realA, v.rawB, v.realB].map(numberOf); }

/** @param {Parameters<typeof numbers>[0]} v */
function lineOf(v) {
  const [rawA = NaN, realA = NaN, rawB = NaN, realB = NaN] = numbers(v);
  return through({ raw: rawA, real: realA }, { raw: rawB, real: realB });
}

/** @param {Parameters<typeof numbers>[0]} v */
function fault(v) {
  const all = numbers(v);
  if (all.some((n) => n !== undefined && !Number.isFinite(n))) return t('device.notANumber');
  const [rawA, realA, rawB, realB] = all;
  if (rawA !== undefined && rawA === rawB) return t('device.points.sameRaw');
  if (realA !== undefined && realA === realB) return t('device.points.sameReal');
  return '';
}
