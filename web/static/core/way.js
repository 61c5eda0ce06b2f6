// The link that somebody has come by: #setup=… makes the first user, #accept=…
// chooses a password. It works once, and does not stay in the address.
import { signal } from '@preact/signals';

/** @typedef {{kind: 'setup' | 'accept', token: string}} Way */

/** way is null without a link. */
export const way = signal(/** @type {Way | null} */ (null));

function read() {
  const found = /^#(setup|accept)=([0-9a-z]+)$/.exec(location.hash);
  if (!found) return;
  way.value = { kind: /** @type {Way['kind']} */ (found[1]), token: found[2] };
  history.replaceState(null, '', location.pathname + location.search);
}

/** followLink takes the link of the address, and later ones. */
export function followLink() {
  read();
  addEventListener('hashchange', read);
}
