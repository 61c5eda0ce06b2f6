// The area that the address names; each is loaded when it is first shown.
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Page } from '../parts/page.js';
import { path } from '../core/route.js';
import { t } from '../core/words.js';

/** @type {Record<string, () => Promise<{default: any}>>} by the first part of the path */
const areas = {
  '': () => import('../overview/overview.js'),
  devices: () => import('../devices/devices.js'),
  explore: () => import('../explore/explore.js'),
  alarms: () => import('../alarms/alarms.js'),
  admin: () => import('../admin/admin.js'),
  me: () => import('../me/me.js'),
  welcome: () => import('../entry/welcome.js'),
};

/** loaded are the areas that are there, or why one is not. */
const loaded = signal(/** @type {Record<string, any>} */ ({}));

/** Place shows it. */
export function Place() {
  const area = path.value[0] || '';
  const known = Object.hasOwn(areas, area);
  useEffect(() => {
    if (!known || typeof loaded.value[area] === 'function') return;
    const keep = (/** @type {any} */ v) => { loaded.value = { ...loaded.value, [area]: v }; };
    areas[area]().then((m) => keep(() => m.default), (e) => keep(e));
  }, [area]);
  if (!known) return html`<${Page} title=${t('notFound.title')}><p class="pad">${t('notFound.text')} <a href="/">${t('nav.overview')}</a></p><//>`;
  const found = loaded.value[area];
  if (typeof found === 'function') return html`<${found()} key=${area} />`;
  if (found) return html`<${Page} title=${t('nav.' + (area || 'overview'))}><p class="problem pad" role="alert">${t('areaFailed')}</p><//>`;
  return html`<p class="hint pad" aria-busy="true">${t('loading')}</p>`;
}
