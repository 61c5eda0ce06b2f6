// Recurring hours, of rules and silences.
import { html } from '../parts/html.js';
import { Field } from '../parts/field.js';
import { t } from '../core/words.js';
import { faultOf } from './draft.js';

const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

/** zones that browsers know; a field takes others too. */
const zones = () => /** @type {string[]} */ (['UTC', ...(/** @type {any} */ (Intl).supportedValuesOf?.('timeZone') || [])]);

/**
 * @param {{hours: import('./draft.js').Hours, label: string, hint?: string, faults: Record<string, string>,
 *   onChange: (h: import('./draft.js').Hours) => void}} p
 */
export function HoursFields({ hours, label, hint, faults, onChange }) {
  const set = (/** @type {Partial<import('./draft.js').Hours>} */ some) => onChange({ ...hours, ...some });
  return html`
    <fieldset>
      <legend>${label}</legend>
      <${Field} type="checkbox" label=${t('rules.onlyHours')} name="schedule" value=${hours.on} onInput=${(/** @type {boolean} */ on) => set({ on })} hint=${hint} fault=${faultOf(faults, 'schedule')} />
      ${hours.on && html`
        <div class="segments days" role="group" aria-label=${t('rules.field.days')}>
          ${days.map((d) => html`
            <button type="button" key=${d} aria-pressed=${hours.days.includes(d)}
              onClick=${() => set({ days: hours.days.includes(d) ? hours.days.filter((o) => o !== d) : days.filter((o) => o === d || hours.days.includes(o)) })}>${t('rules.day.' + d)}</button>`)}
        </div>
        ${!hours.days.length && html`<p class="hint">${t('rules.everyDay')}</p>`}
        <div class="form-row">
          <${Field} label=${t('rules.field.from')} name="from" value=${hours.from} placeholder="22:00" onInput=${(/** @type {string} */ from) => set({ from })} fault=${faultOf(faults, 'from')} />
          <${Field} label=${t('rules.field.to')} name="to" value=${hours.to} placeholder="06:00" onInput=${(/** @type {string} */ to) => set({ to })} fault=${faultOf(faults, 'to')} />
          <${Field} label=${t('rules.field.zone')} name="zone" value=${hours.zone} list=${zones()} onInput=${(/** @type {string} */ zone) => set({ zone })} fault=${faultOf(faults, 'zone', 'days')} />
        </div>`}
    </fieldset>`;
}
