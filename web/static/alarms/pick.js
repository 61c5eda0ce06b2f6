// A field for several values: what is chosen stands as tokens before it.
import { useId, useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Icon } from '../parts/icon.js';
import { t } from '../core/words.js';

const OFFERED = 60;

/**
 * @param {{label: string, name: string, values: string[], options: {value: string, name: string}[], onChange: (v: string[]) => void,
 *   fault?: string, hint?: string, empty?: string, byName?: boolean}} p empty: what it means when nothing is chosen; byName: values are
 *   ids that say nothing to people
 */
export function Pick({ label, name, values, options, onChange, fault, hint, empty, byName }) {
  const id = useId();
  const [text, setText] = useState('');
  const add = (/** @type {string} */ some) => {
    const fresh = some.split(/[,;]/).map((v) => v.trim()).filter((v) => v && !values.includes(v));
    const named = options.find((o) => o.value === some.trim() || o.name === some.trim());
    if (named) onChange([...new Set([...values, named.value])]); else if (fresh.length) onChange([...new Set([...values, ...fresh])]);
    setText('');
  };
  const input = (/** @type {any} */ e) => {
    // What is taken from the list comes as one replacement, and is whole.
    const whole = e.inputType === 'insertReplacementText' || !e.inputType;
    if (whole && options.some((o) => o.value === e.target.value)) add(e.target.value); else setText(e.target.value);
  };
  const key = (/** @type {KeyboardEvent} */ e) => {
    if (e.key === 'Enter' && text.trim()) {
      e.preventDefault(); // it adds, and does not send the form
      add(text);
    } else if (e.key === 'Backspace' && !text && values.length) {
      onChange(values.slice(0, -1));
    }
  };
  const words = text.toLowerCase();
  const offered = options.filter((o) => !values.includes(o.value) && (!words || `${o.value} ${o.name}`.toLowerCase().includes(words))).slice(0, OFFERED);
  const titleOf = (/** @type {string} */ v) => options.find((o) => o.value === v)?.name;
  const described = [hint && id + 'h', fault && id + 'f'].filter(Boolean).join(' ') || undefined;
  return html`
    <div class="field pick">
      <label for=${id}>${label}</label>
      <div class="pick-box">
        ${values.map((v) => html`
          <span class="token" key=${v} title=${byName ? v : undefined}>${byName ? titleOf(v) || v : v}${!byName && titleOf(v) && html` <small>${titleOf(v)}</small>`}<button type="button" aria-label=${t('alarms.takeAway', { what: v })}
            onClick=${() => onChange(values.filter((o) => o !== v))}><${Icon} name="close" /></button></span>`)}
        <input id=${id} name=${name} value=${text} list=${id + 'l'} placeholder=${values.length ? '' : empty} autocomplete="off" aria-describedby=${described}
          aria-invalid=${fault ? 'true' : undefined} onInput=${input} onKeyDown=${key} onBlur=${() => text.trim() && add(text)} />
        <datalist id=${id + 'l'}>${offered.map((o) => html`<option key=${o.value} value=${o.value}>${o.name}</option>`)}</datalist>
      </div>
      ${hint && html`<p class="hint" id=${id + 'h'}>${hint}</p>`}${fault && html`<p class="fault" id=${id + 'f'}>${fault}</p>`}
    </div>`;
}
