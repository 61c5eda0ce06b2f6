// The time, as the server has it.
import { signal } from '@preact/signals';
import { api } from './session.js';

/** now is the server's time in Unix ms, once a second while the page is seen. */
export const now = signal(Date.now());

/** tick keeps now in step with the clock. */
export function tick() {
  const set = () => {
    if (!document.hidden) now.value = Date.now() + api.skew;
  };
  setInterval(set, 1000);
  document.addEventListener('visibilitychange', set);
}
