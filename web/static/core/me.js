// Who is logged in, and what they may do.
import { computed, effect, signal } from '@preact/signals';
import { api, session } from './session.js';

/**
 * @typedef {{id: string, email: string, name?: string, role: string, orgId?: string}} User
 * @typedef {{actor: string, role: string, orgId?: string, may: string[], user?: User}} Me
 */

/** me is null until it is known. */
export const me = signal(/** @type {Me | null} */ (null));

/** whole is whether all organizations are theirs. */
export const whole = computed(() => me.value?.role === 'company-admin');

/**
 * may says whether something is allowed, so that no button is shown that the
 * server refuses. It refuses all the same.
 * @param {'read' | 'write' | 'admin' | 'company'} action
 */
export function may(action) { return !!me.value?.may.includes(action); }

/** learn asks the server who is logged in, again when somebody else is. */
export function learn() {
  const email = computed(() => session.value?.email);
  effect(() => {
    const who = email.value;
    if (me.peek() && me.peek()?.user?.email !== who) me.value = null;
    if (!who) return;
    ask(who);
  });
}

/** @param {string} who */
async function ask(who) {
  for (let wait = 500; session.peek()?.email === who; wait = Math.min(2 * wait, 10_000)) {
    try {
      const answer = await api.call('/me');
      if (session.peek()?.email === who) me.value = answer;
      return;
    } catch {
      await new Promise((done) => setTimeout(done, wait));
    }
  }
}
