// How the rate was in the last minutes, as far as this page has seen it.
import { effect, signal } from '@preact/signals';
import { html } from '../parts/html.js';
import { rate, status } from '../shell/pulse.js';

const MOST = 120; // at one each two seconds: four minutes
const WIDE = 120;
const HIGH = 28;

const seen = signal(/** @type {number[]} */ ([]));

effect(() => {
  if (!status.value) {
    seen.value = []; // somebody else may log in
    return;
  }
  const r = rate.peek();
  if (r !== null) seen.value = [...seen.peek(), r].slice(-MOST);
});

export function Trace() {
  const list = seen.value;
  if (list.length < 3) return html`<span class="trace" />`;
  const top = Math.max(1, ...list);
  const points = list.map((v, i) => `${(WIDE - (list.length - 1 - i)).toFixed(1)},${(HIGH - 1 - (v / top) * (HIGH - 3)).toFixed(1)}`);
  return html`
    <svg class="trace" viewBox=${`0 0 ${WIDE} ${HIGH}`} preserveAspectRatio="none" aria-hidden="true">
      <polyline points=${points.join(' ')} />
    </svg>`;
}
