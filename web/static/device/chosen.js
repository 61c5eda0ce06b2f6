// Which ports of the device are drawn, and how much of the past.
import { computed, signal } from '@preact/signals';
import { query, setQuery } from '../core/route.js';

/** chosen are the numbers of the chosen ports; null: not chosen yet. */
export const chosen = computed(() => {
  const ports = query.value.get('ports');
  return ports === null ? null : ports.split(',').filter(Boolean).map(Number).filter(Number.isInteger);
});

/** span is how much of the past the charts show, in ms; 0: as much as there is. */
export const span = signal(0);

/** @param {number[]} ports */
export function choosePorts(ports) { setQuery({ ports: ports.length ? ports.join(',') : ',' }); }

/** @param {number} port */
export function togglePort(port) {
  const before = chosen.value || [];
  choosePorts(before.includes(port) ? before.filter((p) => p !== port) : [...before, port].sort((a, b) => a - b));
}
