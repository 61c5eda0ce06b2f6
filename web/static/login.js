// The ways in: with a password, and by a link.
import { useEffect, useRef, useState } from 'preact/hooks';
import { html } from './html.js';
import { Mark } from './header.js';
import { ended, enter, login } from './session.js';
import { way } from './way.js';

const MIN_PASSWORD = 8; // bytes, as the server has it

/** @typedef {import('./api.js').Problem} Problem */

/**
 * Entry is a form that lets in.
 * @param {{title?: string, lead?: string, button: string, children: any, hint?: any, ended?: string,
 *   submit: (form: HTMLFormElement) => Promise<void>, words: (e: Problem) => string}} o
 */
function Entry({ title, lead, button, children, hint, ended: before, submit, words }) {
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
      <form class="panel" ref=${form} onSubmit=${onSubmit}>
        <h1><${Mark} /> ${title || 'tidegate'}</h1>
        ${lead && html`<p class="lead">${lead}</p>`}
        ${children}
        <p class="problem" role="alert">${problem || before}</p>
        <button class="primary" disabled=${busy}>${busy ? 'Checking…' : button}</button>
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
  <label for="email">Email</label>
  <input id="email" type="email" autocomplete="username" required spellcheck=${false} />`;

export function Login() {
  return html`
    <${Entry} button="Log in" ended=${ended.value}
      submit=${(/** @type {HTMLFormElement} */ f) => login(value(f, 'email').trim(), value(f, 'password'))}
      words=${(/** @type {Problem} */ e) => (e.status === 401 ? 'Email or password is wrong.' : words(e))}
      hint=${html`No user yet? The server prints a link when it starts. On the box: <code>tidegate user add --email you@example.org --role company-admin</code>`}>
      <${Email} />
      <label for="password">Password</label>
      <input id="password" type="password" autocomplete="current-password" required />
    <//>`;
}

/** ByLink makes the first user, or lets whoever was invited choose a password. */
export function ByLink() {
  const w = /** @type {import('./way.js').Way} */ (way.value);
  const first = w.kind === 'setup';
  const submit = async (/** @type {HTMLFormElement} */ f) => {
    const password = value(f, 'password');
    if (password !== value(f, 'again')) throw new Error('The passwords differ.');
    await enter(w, first ? value(f, 'email').trim() : '', password);
    way.value = null;
  };
  return html`
    <${Entry} title=${first ? 'Welcome' : 'Choose a password'} button=${first ? 'Make the first user' : 'Log in'} submit=${submit}
      lead=${first ? 'Make the first user: an administrator of the whole box, who can invite others.' : `With it you log in from now on. At least ${MIN_PASSWORD} characters.`}
      words=${words} hint=${html`<button class="quiet" onClick=${() => { way.value = null; }}>Log in with a password instead</button>`}>
      ${first && html`<${Email} />`}
      <label for="password">Password</label>
      <input id="password" type="password" autocomplete="new-password" minlength=${MIN_PASSWORD} required />
      <label for="again">The password again</label>
      <input id="again" type="password" autocomplete="new-password" required />
    <//>`;
}

/** @param {Problem} e */
function words(e) {
  if (e.status === 429) return `Too many attempts. Wait ${e.retryAfter || 'some'} seconds, then try again.`;
  if (e.status === 0) return 'The server does not answer. Is tidegate running, and is this its address?';
  return e.message.charAt(0).toUpperCase() + e.message.slice(1);
}
