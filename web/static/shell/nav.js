// The ways through the page: a column beside it, on a phone a line below it.
import { html } from '../parts/html.js';
import { Icon } from '../parts/icon.js';
import { may } from '../core/me.js';
import { path } from '../core/route.js';
import { t } from '../core/words.js';
import { alarms } from './pulse.js';

/** places are the areas, in the order of the keys 1 to 5 after g. */
export const places = /** @type {const} */ ([
  { at: '', name: 'overview', key: 'o' },
  { at: 'devices', name: 'devices', key: 'd' },
  { at: 'explore', name: 'explore', key: 'e' },
  { at: 'alarms', name: 'alarms', key: 'a' },
  { at: 'admin', name: 'admin', key: 'm' },
]);

export function Nav() {
  const here = path.value[0] || '';
  const open = alarms.value?.size || 0;
  const worst = [...(alarms.value?.values() || [])].some((a) => a.severity === 'critical') ? 'bad' : 'warn';
  return html`
    <nav class="nav" aria-label=${t('nav.label')}>
      ${places.filter((p) => p.at !== 'admin' || may('read')).map((p) => html`
        <a key=${p.at} href=${'/' + p.at} aria-current=${here === p.at ? 'page' : undefined} title=${`${t('nav.' + p.name)} (g ${p.key})`}>
          <${Icon} name=${p.name} /><span>${t('nav.' + p.name)}</span>
          ${p.at === 'alarms' && open > 0 && html`<b class="pill ${worst} num" aria-label=${t('nav.open', { n: open })}>${open}</b>`}
        </a>`)}
    </nav>`;
}
