// The page's one live connection, and how fresh the page is.
import { batch, computed, effect, signal } from '@preact/signals';
import { Live } from './live.js';
import { session } from './session.js';

/** liveState is that of the connection. */
export const liveState = signal(/** @type {import('./live.js').LiveState} */ ('stopped'));

/** retryAt is when it is tried again, in Unix ms of this machine; 0: it is not waiting. */
export const retryAt = signal(0);

/** silent is why the server could not be asked; empty: it answers. */
export const silent = signal('');

/** freshness sums up how fresh the page is. */
export const freshness = computed(() => {
  if (silent.value) return 'offline';
  return liveState.value === 'live' ? 'live' : 'connecting';
});

/** live is the connection; parts of the page subscribe to it. */
export const live = new Live({
  url: location.origin.replace(/^http/, 'ws') + '/api/v1/live',
  token: () => session.value?.token || '',
  onState: (s, at) => batch(() => { liveState.value = s; retryAt.value = at; }),
});

/**
 * attend keeps the connection in step with the session and the network, until
 * the answered function is called.
 */
export function attend() {
  const wake = () => { if (!document.hidden && live.state === 'waiting') live.again(); };
  document.addEventListener('visibilitychange', wake);
  addEventListener('online', wake);
  const token = computed(() => session.value?.token);
  const unrenew = effect(() => { if (token.value) live.renew(); });
  return () => {
    unrenew();
    live.stop();
    document.removeEventListener('visibilitychange', wake);
    removeEventListener('online', wake);
  };
}

/**
 * heard is called when the server answered; after a silence the connection is
 * in doubt: a socket can look open long after the way to it is gone.
 */
export function heard() {
  if (silent.peek()) live.again();
  silent.value = '';
}

/** @param {unknown} e why it did not answer */
export function unheard(e) {
  if (session.peek()) silent.value = /** @type {Error} */ (e).message;
}
