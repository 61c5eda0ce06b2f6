// The way in.
import { useEffect, useRef, useState } from 'preact/hooks';
import { html } from './html.js';
import { Mark } from './header.js';
import { ended, login } from './session.js';

export function Login() {
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(false);
  const email = useRef(/** @type {HTMLInputElement | null} */ (null));
  const password = useRef(/** @type {HTMLInputElement | null} */ (null));
  useEffect(() => email.current?.focus(), []);

  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    setProblem('');
    try {
      await login(email.current?.value.trim() || '', password.current?.value || '');
    } catch (e) {
      setProblem(words(/** @type {import('./api.js').Problem} */ (e)));
      setBusy(false);
      password.current?.select();
    }
  };
  const message = problem || ended.value;
  return html`
    <main class="login">
      <form class="panel" onSubmit=${submit}>
        <h1><${Mark} /> tidegate</h1>
        <label for="email">Email</label>
        <input id="email" ref=${email} type="email" autocomplete="username" required spellcheck=${false} />
        <label for="password">Password</label>
        <input id="password" ref=${password} type="password" autocomplete="current-password" required />
        <p class="problem" role="alert">${message}</p>
        <button class="primary" disabled=${busy}>${busy ? 'Checking…' : 'Log in'}</button>
      </form>
      <p class="hint">No user yet? On the box: <code>tidegate init --admin-email you@example.org --admin-password-stdin</code></p>
    </main>`;
}

/** @param {import('./api.js').Problem} e */
function words(e) {
  if (e.status === 401) return 'Email or password is wrong.';
  if (e.status === 429) return `Too many attempts. Wait ${e.retryAfter || 'some'} seconds, then try again.`;
  if (e.status === 0) return 'The server does not answer. Is tidegate running, and is this its address?';
  return e.message;
}
