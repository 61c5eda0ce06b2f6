// Who is logged in. The token lives in sessionStorage: it ends with the tab.
import { signal } from '@preact/signals';
import { Api } from './api.js';

const KEY = 'tidegate.session';

/** @typedef {{token: string, email: string}} Session */

/**
 * stored answers the session of this tab, perhaps one that has run out: the
 * server says so, by a clock that need not be this one.
 * @returns {Session | null}
 */
function stored() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) || 'null');
  } catch {
    return null;
  }
}

/** session is null while nobody is logged in. */
export const session = signal(stored());

/** ended says why the last session is over; empty: it was the user's wish. */
export const ended = signal('');

export const api = new Api(() => session.value?.token || '', () => logout('Your session has ended. Log in again.'));

/**
 * login asks for a token.
 * @param {string} email
 * @param {string} password
 */
export async function login(email, password) {
  const answer = await api.login(email, password);
  const s = { token: answer.accessToken, email };
  sessionStorage.setItem(KEY, JSON.stringify(s));
  ended.value = '';
  session.value = s;
}

/** @param {string} [why] */
export function logout(why = '') {
  sessionStorage.removeItem(KEY);
  ended.value = why;
  session.value = null;
}
