// The line above the list: search, and what narrows it.
import { html } from '../parts/html.js';
import { setQuery } from '../core/route.js';
import { t } from '../core/words.js';
import { choices, criteria, names, sort, sortBy } from './choice.js';

const hint = () => (matchMedia('(hover: hover)').matches ? t('devices.find') + '  /' : t('devices.find'));

/** @param {{onKeyDown: (e: KeyboardEvent) => void}} p keys of the list, which work in the search too */
export function Filters({ onKeyDown }) {
  const c = criteria.value;
  const { orgs, tags } = choices.value;
  /** @param {keyof typeof c} name @param {string[][]} options */
  const select = (name, options) => html`
    <select aria-label=${t('devices.by.' + name)} value=${c[name]} class=${c[name] ? 'set' : ''}
      onChange=${(/** @type {Event} */ e) => setQuery({ [name]: /** @type {HTMLSelectElement} */ (e.target).value })}>
      <option value="">${t('devices.by.' + name)}</option>
      ${options.map(([value, text]) => html`<option key=${value} value=${value}>${text}</option>`)}
      ${c[name] && !options.some(([v]) => v === c[name]) && html`<option value=${c[name]}>${c[name]}</option>`}
    </select>`;
  const same = (/** @type {string[]} */ list) => list.map((v) => [v, v]);
  return html`
    <div class="filters" role="search">
      <input id="search" type="search" placeholder=${hint()} aria-label=${t('devices.search')} value=${c.q} autocomplete="off" spellcheck=${false}
        onInput=${(/** @type {Event} */ e) => setQuery({ q: /** @type {HTMLInputElement} */ (e.target).value })} onKeyDown=${onKeyDown} />
      ${(orgs.length > 1 || c.org) && select('org', same(orgs))}
      ${select('is', [['online', t('devices.is.online')], ['offline', t('devices.is.offline')], ['silent', t('devices.is.silent')]])}
      ${select('state', [['active', t('devices.is.active')], ['retired', t('devices.is.retired')]])}
      ${(tags.length > 0 || c.tag) && select('tag', same(tags))}
      ${select('secret', [['none', t('devices.noSecret')]])}
      <select class="phone-sort" aria-label=${t('devices.order')} value=${sort.value} onChange=${(/** @type {Event} */ e) => {
        const by = /** @type {HTMLSelectElement} */ (e.target).value;
        sortBy(by, false);
      }}>
        ${['id', 'name', 'org', 'is', 'seen'].map((by) => html`<option key=${by} value=${by}>${t('devices.sort.' + by)}</option>`)}
      </select>
      ${names.some((n) => c[n]) && html`<button class="quiet" onClick=${() => setQuery(Object.fromEntries(names.map((n) => [n, null])))}>${t('devices.all')}</button>`}
    </div>`;
}
