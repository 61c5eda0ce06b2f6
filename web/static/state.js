// What the page is about now: the time, the chosen device and its ports. The
// address bar holds the choice, so that it can be kept, shared and gone back to.
import { signal } from '@preact/signals';
import { api } from './session.js';

/** now is the server's time in Unix ms, once a second while the page is seen. */
export const now = signal(Date.now());

/** deviceId is the chosen device; empty: none. */
export const deviceId = signal('');

/** chosen are the numbers of the chosen ports; null: not chosen yet. */
export const chosen = signal(/** @type {number[] | null} */ (null));

/** span is how much of the past the charts show, in ms; 0: as much as there is. */
export const span = signal(0);

const phone = matchMedia('(max-width: 819px)'); // as in style.css

/** narrow is whether the page is as narrow as a phone. */
export const narrow = signal(phone.matches);

function readAddress() {
  const query = new URLSearchParams(location.search);
  const ports = query.get('ports');
  deviceId.value = query.get('device') || '';
  chosen.value = ports === null ? null : ports.split(',').filter(Boolean).map(Number).filter(Number.isInteger);
}

/** @param {boolean} push whether going back leads to what was before */
function writeAddress(push) {
  const query = new URLSearchParams();
  if (deviceId.value) query.set('device', deviceId.value);
  if (deviceId.value && chosen.value) query.set('ports', chosen.value.join(','));
  const address = location.pathname + (query.size ? '?' + query.toString().replaceAll('%2C', ',') : '');
  if (push) history.pushState(null, '', address); else history.replaceState(null, '', address);
}

/**
 * showDevice chooses a device; empty: none, back to the list.
 * @param {string} id
 * @param {boolean} [push]
 */
export function showDevice(id, push = true) {
  if (id === deviceId.value) return;
  deviceId.value = id;
  chosen.value = null;
  writeAddress(push);
}

/** @param {number[]} ports */
export function choosePorts(ports) {
  chosen.value = ports;
  writeAddress(false);
}

/** @param {number} port */
export function togglePort(port) {
  const before = chosen.value || [];
  choosePorts(before.includes(port) ? before.filter((p) => p !== port) : [...before, port].sort((a, b) => a - b));
}

/** follow keeps now and the choice in step with the clock and the address. */
export function follow() {
  readAddress();
  addEventListener('popstate', readAddress);
  phone.addEventListener('change', () => { narrow.value = phone.matches; });
  const tick = () => {
    if (!document.hidden) now.value = Date.now() + api.skew;
  };
  setInterval(tick, 1000);
  document.addEventListener('visibilitychange', tick);
}
