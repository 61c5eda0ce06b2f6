// Forms: fields with their names, hints and faults, and what happens when
// they are sent.
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { html } from './html.js';
import { t } from '../core/words.js';

/** @typedef {import('../core/api.js').Problem} Problem */

/**
 * Field is a labelled control. type text (default), number, password, email,
 * search, url, datetime-local, textarea, select or checkbox; options for select.
 * onInput gets the new value as a string, of a checkbox as a boolean.
 * @param {{label: string, name: string, value?: any, onInput?: (v: any) => void, type?: string, hint?: any, fault?: string,
 *   options?: {value: string, name: string}[], required?: boolean, disabled?: boolean, autofocus?: boolean, unit?: string,
 *   placeholder?: string, rows?: number, min?: number | string, max?: number | string, step?: number | string,
 *   autocomplete?: string, className?: string, list?: string[]}} p
 */
export function Field({ label, name, value = '', onInput = () => {}, type = 'text', hint, fault, options, unit, autofocus, className = '', list, ...rest }) {
  const id = useId();
  const control = useRef(/** @type {any} */ (null));
  useEffect(() => { if (autofocus) control.current?.focus(); }, []);
  const described = [hint && id + 'h', fault && id + 'f'].filter(Boolean).join(' ') || undefined;
  const common = { id, name, ref: control, 'aria-describedby': described, 'aria-invalid': fault ? 'true' : undefined, autofocus, ...rest };
  const take = (/** @type {Event} */ e) => onInput(/** @type {HTMLInputElement} */ (e.target).value);
  if (type === 'checkbox') {
    return html`
      <div class="field check ${className}">
        <input type="checkbox" checked=${!!value} onChange=${(/** @type {Event} */ e) => onInput(/** @type {HTMLInputElement} */ (e.target).checked)} ...${common} />
        <label for=${id}>${label}</label>
        ${hint && html`<p class="hint" id=${id + 'h'}>${hint}</p>`}${fault && html`<p class="fault" id=${id + 'f'}>${fault}</p>`}
      </div>`;
  }
  const control_ = type === 'select' ? html`
    <select value=${value} onChange=${take} ...${common}>
      ${(options || []).map((o) => html`<option key=${o.value} value=${o.value} selected=${o.value === value}>${o.name}</option>`)}
    </select>` : type === 'textarea' ? html`<textarea value=${value} onInput=${take} ...${common} />`
    : html`<input type=${type} value=${value} onInput=${take} list=${list && id + 'l'} ...${common} />`;
  return html`
    <div class="field ${className}">
      <label for=${id}>${label}</label>
      ${unit ? html`<span class="with-unit">${control_}<span class="unit">${unit}</span></span>` : control_}
      ${list && html`<datalist id=${id + 'l'}>${list.map((v) => html`<option key=${v} value=${v} />`)}</datalist>`}
      ${hint && html`<p class="hint" id=${id + 'h'}>${hint}</p>`}${fault && html`<p class="fault" id=${id + 'f'}>${fault}</p>`}
    </div>`;
}

/**
 * Form sends once at a time, and says what the server did not take: at the
 * field that it names when faults wants it, and below the form.
 * @param {{onSubmit: () => Promise<unknown>, button: string, onCancel?: () => void, disabled?: boolean, danger?: boolean, children?: any,
 *   onFaults?: (faults: Record<string, string>) => void, className?: string, extra?: any}} p
 *   onFaults gets the faults by the field's name in the body, such as name or ports.0.unit
 */
export function Form({ onSubmit, button, onCancel, disabled, danger, children, onFaults, className = '', extra }) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState('');
  const submit = async (/** @type {Event} */ e) => {
    e.preventDefault();
    if (busy) return;
    setBusy(true);
    setProblem('');
    onFaults?.({});
    try {
      await onSubmit();
    } catch (err) {
      const p = /** @type {Problem} */ (err);
      onFaults?.(Object.fromEntries((p.errors || []).map((f) => [(f.location || '').replace(/^body\./, ''), f.message])));
      setProblem(p.message);
    }
    setBusy(false);
  };
  return html`
    <form class="form ${className}" onSubmit=${submit} noValidate>
      ${children}
      <p class="problem" role="alert">${problem}</p>
      <div class="form-foot">
        ${extra}
        ${onCancel && html`<button type="button" class="quiet" onClick=${onCancel}>${t('cancel')}</button>`}
        <button class=${danger ? 'danger' : 'primary'} disabled=${busy || disabled}>${busy ? t('busy') : button}</button>
      </div>
    </form>`;
}
