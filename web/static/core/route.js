// Where in the page somebody is: the address bar says it, so that it can be
// kept, shared and gone back to.
import { computed, signal } from '@preact/signals';

/** @typedef {Record<string, string | number | null | undefined>} Changes */

const href = signal(location.pathname + location.search);

/** path is the address below the server, in decoded parts: ['devices', 'd1']. */
export const path = computed(() => href.value.split('?')[0].split('/').filter(Boolean).map(decoded));

/** query is what stands behind the question mark. */
export const query = computed(() => new URLSearchParams(href.value.split('?')[1] || ''));

/** @param {string} part */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/**
 * address builds an address: to('devices', 'd 1') is /devices/d%201.
 * @param {...string} parts
 */
export function to(...parts) { return '/' + parts.map(encodeURIComponent).join('/').replaceAll('%3A', ':'); }

/**
 * go shows another place.
 * @param {string} address of this page, with its query
 * @param {{replace?: boolean}} [o] replace: going back does not lead to where one was
 */
export function go(address, { replace = false } = {}) {
  if (address === location.pathname + location.search) return;
  const elsewhere = address.split('?')[0] !== location.pathname;
  if (replace) history.replaceState(null, '', address); else history.pushState(null, '', address);
  href.value = address;
  if (elsewhere && !replace) scrollTo(0, 0);
}

/**
 * setQuery changes parts of the query, and leaves the rest; null, undefined
 * and the empty string take a part away.
 * @param {Changes} changes
 * @param {{replace?: boolean}} [o] replace is the default: a filter is no place
 */
export function setQuery(changes, { replace = true } = {}) {
  const q = new URLSearchParams(location.search);
  for (const [key, v] of Object.entries(changes)) {
    if (v === null || v === undefined || v === '') q.delete(key); else q.set(key, String(v));
  }
  go(location.pathname + (q.size ? '?' + q.toString().replaceAll('%2C', ',').replaceAll('%3A', ':') : ''), { replace });
}

/** follow takes what the browser's buttons and plain links do. */
export function follow() {
  addEventListener('popstate', () => { href.value = location.pathname + location.search; });
  document.addEventListener('click', (e) => {
    if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
    const a = /** @type {Element | null} */ (e.target)?.closest?.('a[href]');
    if (!(a instanceof HTMLAnchorElement) || a.target || a.hasAttribute('download') || a.origin !== location.origin) return;
    if (a.pathname === '/docs' || a.pathname.startsWith('/api/') || a.pathname.endsWith('.json')) return; // not of this page
    e.preventDefault();
    go(a.pathname + a.search);
  });
}
