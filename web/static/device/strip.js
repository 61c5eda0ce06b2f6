// A day of a device as one strip: when it was there.
import { html } from '../parts/html.js';
import { now } from '../core/clock.js';
import { clock } from '../core/format.js';
import { t } from '../core/words.js';
import { lasted } from './timeline.js';

const DAY_MS = 86_400_000;
const WIDTH = 1000;

/** @param {{entries: import('./timeline.js').Entry[]}} p newest first, with their durations */
export function Strip({ entries }) {
  const end = now.value;
  const begin = end - DAY_MS;
  const parts = entries.flatMap((e) => {
    if (e.ms === undefined || e.at + e.ms < begin) return [];
    const from = Math.max(e.at, begin);
    const x = ((from - begin) / DAY_MS) * WIDTH;
    return [{ x, width: Math.max(1, ((e.at + e.ms - from) / DAY_MS) * WIDTH), ms: e.at + e.ms - from, status: e.life?.status || '' }];
  });
  if (!parts.length) return null;
  const online = parts.filter((p) => p.status === 'online').reduce((sum, p) => sum + p.ms, 0);
  const words = t('device.timeline.day', { age: lasted(online) });
  return html`
    <figure class="strip">
      <svg viewBox=${`0 0 ${WIDTH} 10`} preserveAspectRatio="none" role="img" aria-label=${words}>
        ${parts.map((p) => html`<rect key=${p.x} x=${p.x} y="0" width=${p.width} height="10" class=${p.status} />`)}
      </svg>
      <figcaption class="hint num"><span>${clock(begin).slice(0, 5)}</span><span>${words}</span><span>${t('now')}</span></figcaption>
    </figure>`;
}
