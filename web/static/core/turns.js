// Taking turns among all tabs of this browser.

const LEASE_MS = 5_000; // of a tab that ended in the middle of its turn
const RENEW_MS = 1_000; // a turn may take longer than a lease
const LOOK_MS = 50;

/**
 * exclusively runs fn in no two tabs at once. Web locks exist on secure origins
 * alone (https, localhost), and a box in a plant is often asked by plain http;
 * therefore a note in localStorage says whose turn it is. It also outlives a
 * page that is reloaded meanwhile: its request may still be on its way.
 * @template T
 * @param {string} name
 * @param {() => Promise<T>} fn
 * @returns {Promise<T>}
 */
export function exclusively(name, fn) {
  const run = () => leased(name, fn);
  return navigator.locks ? navigator.locks.request(name, run) : run();
}

/**
 * @template T
 * @param {string} name
 * @param {() => Promise<T>} fn
 * @returns {Promise<T>}
 */
async function leased(name, fn) {
  const mine = Math.random().toString(36).slice(2);
  for (;;) {
    const [owner, until] = (localStorage.getItem(name) || '').split(' ');
    if (owner === mine) break;
    // A clock that was put back must not lock all out.
    const left = Number(until) - Date.now();
    if (!owner || !(left > 0 && left <= LEASE_MS)) localStorage.setItem(name, `${mine} ${Date.now() + LEASE_MS}`);
    await new Promise((done) => setTimeout(done, LOOK_MS)); // two may have written at once: the last one has it
  }
  const renewing = setInterval(() => localStorage.setItem(name, `${mine} ${Date.now() + LEASE_MS}`), RENEW_MS);
  try {
    return await fn();
  } finally {
    clearInterval(renewing);
    if (localStorage.getItem(name)?.startsWith(mine)) localStorage.removeItem(name);
  }
}
