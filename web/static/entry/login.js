// The ways in: with a password, and by a link.
import { useEffect, useRef, useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Mark } from '../parts/mark.js';
import { go } from '../core/route.js';
import { ended, enter, login } from '../core/session.js';
import { way } from '../core/way.js';
import { t } from '../core/words.js';
import { Steps } from './steps.js';

const MIN_PASSWORD = 8; // bytes, as the server has it

/** @typedef {import('../core/api.js').Problem} Problem */

/**
 * Entry is a form that lets in.
 * @param {{title?: string, lead?: string, above?: any, button: string, children: any, hint?: any, ended?: string,
 *   submit: (form: HTMLFormElement) => Promise<void>, words: (e: Problem) => string}} o
 */
function Entry({ title, lead, above, button, children, hint, ended: before, submit, words }) {
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(false);
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));
  useEffect(() => form.current?.querySelector('input')?.focus(), []);

  const onSubmit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    setProblem('');
    try {
      await submit(/** @type {HTMLFormElement} */ (form.current));
    } catch (e) {
      setProblem(words(/** @type {Problem} */ (e)));
      setBusy(false);
      /** @type {HTMLInputElement | null | undefined} */ (form.current?.querySelector('input[type=password]'))?.select();
    }
  };
  return html`
    <main class="login">
      ${above}
      <form class="panel" ref=${form} onSubmit=${onSubmit}>
        <h1><${Mark} /> ${title || 'tidegate'}</h1>
        ${lead && html`<p class="lead">${lead}</p>`}
        ${children}
        <p class="problem" role="alert">${problem || before}</p>
        <button class="primary" disabled=${busy}>${busy ? t('entry.checking') : button}</button>
      </form>
      ${hint && html`<p class="hint">${hint}</p>`}
    </main>`;
}

/**
 * @param {HTMLFormElement} form
 * @param {string} id
 */
const value = (form, id) => /** @type {HTMLInputElement} */ (form.querySelector('#' + id)).value;

const Email = () => html`
  <label for="email">${t('entry.email')}</label>
  <input id="email" type="email" autocomplete="username" required spellcheck=${false} />`;

export function Login() {
  return html`
    <${Entry} button=${t('entry.login')} ended=${ended.value}
      submit=${(/** @type {HTMLFormElement} */ f) => login(value(f, 'email').trim(), value(f, 'password'))}
      words=${(/** @type {Problem} */ e) => (e.status === 401 ? t('entry.wrong') : words(e))}
      hint=${html`${t('entry.noUser')} <code>tidegate user add --email you@example.org --role company-admin</code>`}>
      <${Email} />
      <label for="password">${t('entry.password')}</label>
      <input id="password" type="password" autocomplete="current-password" required />
    <//>`;
}

/** ByLink makes the first user, or lets whoever was invited choose a password. */
export function ByLink() {
  const w = /** @type {import('../core/way.js').Way} */ (way.value);
  const first = w.kind === 'setup';
  const submit = async (/** @type {HTMLFormElement} */ f) => {
    const password = value(f, 'password');
    if (password !== value(f, 'again')) throw new Error(t('entry.differ'));
    await enter(w, first ? value(f, 'email').trim() : '', password);
    way.value = null;
    if (first) go('/welcome');
  };
  return html`
    <${Entry} title=${first ? t('entry.welcome') : t('entry.choose')} button=${first ? t('entry.first') : t('entry.login')} submit=${submit}
      above=${first && html`<${Steps} at="administrator" />`} lead=${first ? t('entry.firstLead') : t('entry.chooseLead', { n: MIN_PASSWORD })}
      words=${words} hint=${html`<button class="quiet" onClick=${() => { way.value = null; }}>${t('entry.instead')}</button>`}>
      ${first && html`<${Email} />`}
      <label for="password">${t('entry.password')}</label>
      <input id="password" type="password" autocomplete="new-password" minlength=${MIN_PASSWORD} required />
      <label for="again">${t('entry.again')}</label>
      <input id="again" type="password" autocomplete="new-password" required />
    <//>`;
}

/** @param {Problem} e */
function words(e) {
  if (e.status === 429) return t('entry.tooMany', { n: e.retryAfter || 60 });
  if (e.status === 0) return t('entry.silent');
  return e.message.charAt(0).toUpperCase() + e.message.slice(1);
}
