// How far one is on the way from an empty box to a first reading.
import { html } from '../parts/html.js';
import { Icon } from '../parts/icon.js';
import { t } from '../core/words.js';

/** steps, in their order. */
export const steps = /** @type {const} */ (['administrator', 'organization', 'device', 'message']);

/** @param {{at: typeof steps[number], done?: boolean}} p done: the last one is, too */
export function Steps({ at, done = false }) {
  const here = steps.indexOf(at);
  return html`
    <ol class="steps" aria-label=${t('welcome.steps')}>
      ${steps.map((name, i) => html`
        <li key=${name} class=${i < here || done ? 'done' : ''} aria-current=${i === here && !done ? 'step' : undefined}>
          <span class="step-mark num">${i < here || done ? html`<${Icon} name="check" />` : i + 1}</span>${t('welcome.step.' + name)}
        </li>`)}
    </ol>`;
}
