// Who is logged in. The access token lives in sessionStorage for some minutes.
// What gets the next one is a cookie that no script can read; all tabs of a
// browser share it, and so its login.
import { signal } from '@preact/signals';
import { Api } from './api.js';
import { exclusively } from './turns.js';

const KEY = 'tidegate.session'; // in sessionStorage: the access token of this tab
const MARK = 'tidegate.login'; // in localStorage: there is a cookie
const TURN = 'tidegate.refresh';
const MOST_LEAD_MS = 60_000; // the next token is fetched so long before the end of this one
const RETRY_MS = 5_000;

/** @typedef {{token: string, email: string, until: number, lead: number}} Session */

/** session is null while nobody is logged in, and undefined until that is known. */
export const session = signal(/** @type {Session | null | undefined} */ (undefined));

/** ended says why the last session is over; empty: it was the user's wish. */
export const ended = signal('');

export const api = new Api(() => session.value?.token || '', renew);

/** Tabs tell each other of new tokens, and of the end. */
const tabs = 'BroadcastChannel' in globalThis ? new BroadcastChannel('tidegate') : null;

let timer = 0;
/** @type {Promise<boolean> | null} */
let refreshing = null;

/**
 * begin finds out who is logged in: by the token of this tab, which a reload
 * keeps, or by the cookie.
 */
export function begin() {
  tabs?.addEventListener('message', ({ data }) => {
    if (data.session) keep(data.session); else forget(data.why);
  });
  addEventListener('visibilitychange', () => {
    // Timers of a page that was not seen, or of a laptop that slept, come late.
    if (!document.hidden && session.value && late(session.value)) refresh().catch(() => {});
  });
  const s = stored();
  if (s && s.until > Date.now()) {
    keep(s);
  } else if (localStorage.getItem(MARK)) {
    refresh().catch((e) => {
      ended.value = e.message;
      session.value = null; // the cookie stays: a reload tries again
    });
  } else {
    session.value = null;
  }
}

/** @returns {Session | null} */
function stored() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) || 'null');
  } catch {
    return null;
  }
}

/** @param {Session} s */
const late = (s) => Date.now() > s.until - s.lead;

/** @param {Session} s */
function keep(s) {
  sessionStorage.setItem(KEY, JSON.stringify(s));
  localStorage.setItem(MARK, '1');
  ended.value = '';
  session.value = s;
  wait(Math.max(0, s.until - s.lead - Date.now()));
}

/** @param {number} ms */
function wait(ms) {
  clearTimeout(timer);
  timer = setTimeout(() => refresh().catch(() => wait(RETRY_MS)), ms);
}

/**
 * take keeps what a login or a refresh has answered, and tells the other tabs.
 * Its end is by the server's clock, which need not be this one.
 * @param {import('./api.js').Login} answer
 */
function take(answer) {
  const until = Date.parse(answer.expiresAt) - api.skew;
  const s = { token: answer.accessToken, email: answer.user.email, until, lead: Math.min(MOST_LEAD_MS, (until - Date.now()) / 3) };
  keep(s);
  tabs?.postMessage({ session: s });
}

/** @param {string} why */
function forget(why) {
  clearTimeout(timer);
  sessionStorage.removeItem(KEY);
  localStorage.removeItem(MARK);
  ended.value = why;
  session.value = null;
}

/**
 * refresh gets the next token. One at a time in the whole browser: a refresh
 * token is good once, and one that comes twice ends the session.
 * @returns {Promise<boolean>} false: nobody is logged in any more
 */
function refresh() {
  refreshing ??= exclusively(TURN, async () => {
    if (session.value && !late(session.value)) return true; // another tab was first
    try {
      take(await api.refresh());
      return true;
    } catch (e) {
      if (/** @type {import('./api.js').Problem} */ (e).status !== 401) throw e;
      end('Your session has ended. Log in again.');
      return false;
    }
  }).finally(() => { refreshing = null; });
  return refreshing;
}

/**
 * renew is asked when the server does not take a token any more.
 * @param {string} token
 * @returns {Promise<boolean>} whether there is another one to try
 */
function renew(token) {
  if (session.value?.token !== token) return Promise.resolve(!!session.value);
  session.value = { ...session.value, until: 0 };
  return refresh();
}

/** @param {string} why */
function end(why) {
  forget(why);
  tabs?.postMessage({ why });
}

/**
 * @param {string} email
 * @param {string} password
 */
export async function login(email, password) { take(await api.login(email, password)); }

/**
 * enter makes the first user, or chooses a password by a link, and logs in.
 * @param {import('./way.js').Way} way
 * @param {string} email of the first user
 * @param {string} password
 */
export async function enter(way, email, password) {
  take(await (way.kind === 'setup' ? api.setup(way.token, email, password) : api.accept(way.token, password)));
}

/**
 * changePassword goes on with the token that the answer has; the other
 * sessions of the user are over.
 * @param {string} currentPassword
 * @param {string} newPassword
 */
export async function changePassword(currentPassword, newPassword) {
  take(await api.call('/me/password', { method: 'POST', body: { currentPassword, newPassword } }));
}

/**
 * logout ends the session, on the server too if that answers: without it the
 * tokens are forgotten here, and end by themselves.
 */
export function logout() {
  end('');
  api.logout().catch(() => {});
}
