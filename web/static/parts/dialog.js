// What stands in front of the page: dialogs, and questions before something
// that cannot be undone.
import { signal } from '@preact/signals';
import { useEffect, useId, useRef } from 'preact/hooks';
import { html } from './html.js';
import { Field, Form } from './field.js';
import { Icon } from './icon.js';
import { t } from '../core/words.js';

/**
 * Dialog is modal; Escape and the cross close it.
 * @param {{title: string, onClose: () => void, children?: any, wide?: boolean}} p
 */
export function Dialog({ title, onClose, children, wide }) {
  const box = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const id = useId();
  useEffect(() => {
    const d = /** @type {HTMLDialogElement} */ (box.current);
    const before = /** @type {HTMLElement | null} */ (document.activeElement);
    d.showModal();
    return () => {
      d.close();
      before?.focus(); // by itself it comes back only when the dialog is closed before it is taken out
    };
  }, []);
  return html`
    <dialog class="dialog ${wide ? 'wide' : ''}" ref=${box} aria-labelledby=${id}
      onCancel=${(/** @type {Event} */ e) => { e.preventDefault(); onClose(); }}
      onKeyDown=${(/** @type {KeyboardEvent} */ e) => e.stopPropagation()}>
      <header class="dialog-head">
        <h2 id=${id}>${title}</h2>
        <button type="button" class="quiet" aria-label=${t('close')} onClick=${onClose}><${Icon} name="close" /></button>
      </header>
      <div class="dialog-body">${children}</div>
    </dialog>`;
}

/**
 * @typedef {{title: string, text: any, button: string, danger?: boolean, act: () => Promise<unknown>, type?: string}} Question
 *   type: what must be typed before the button works, for what cannot be undone
 */
const question = signal(/** @type {Question | null} */ (null));
const typed = signal('');

/**
 * ask has a question answered before something is done; what act throws is
 * shown there.
 * @param {Question} q
 */
export function ask(q) {
  typed.value = '';
  question.value = q;
}

/** Asked shows the question that is open; it stands once in the page. */
export function Asked() {
  const q = question.value;
  if (!q) return null;
  const close = () => { question.value = null; };
  const submit = async () => {
    await q.act();
    close();
  };
  return html`
    <${Dialog} title=${q.title} onClose=${close}>
      <${Form} onSubmit=${submit} onCancel=${close} button=${q.button} danger=${q.danger} disabled=${q.type !== undefined && typed.value !== q.type}>
        <p>${q.text}</p>
        ${q.type !== undefined && html`<${Field} label=${t('typeToConfirm', { text: q.type })} name="confirm" value=${typed.value} autofocus
          onInput=${(/** @type {string} */ v) => { typed.value = v; }} autocomplete="off" />`}
      <//>
    <//>`;
}
