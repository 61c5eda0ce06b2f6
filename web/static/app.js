// The page: who may see it, and what stands around each place.
import { render } from 'preact';
import { useEffect } from 'preact/hooks';
import { html } from './parts/html.js';
import { Asked } from './parts/dialog.js';
import { Downloads } from './parts/download.js';
import { Notices } from './parts/notice.js';
import { tick } from './core/clock.js';
import { learn, me } from './core/me.js';
import { follow } from './core/route.js';
import { begin, session } from './core/session.js';
import { followLink, way } from './core/way.js';
import { speak, t } from './core/words.js';
import { ByLink, Login } from './entry/login.js';
import { Keys, listen } from './shell/keys.js';
import { Nav } from './shell/nav.js';
import { Place } from './shell/place.js';
import { start } from './shell/pulse.js';
import { Top } from './shell/top.js';

function App() {
  if (way.value) return html`<${ByLink} key=${way.value.token} />`;
  if (session.value === undefined) return null; // in a moment it is known
  return session.value ? html`<${Main} key=${session.value.email} />` : html`<${Login} />`;
}

function Main() {
  useEffect(start, []);
  if (!me.value) return html`<p class="hint pad" aria-busy="true">${t('loading')}</p>`;
  return html`
    <a class="skip" href="#main" onClick=${(/** @type {Event} */ e) => { e.preventDefault(); document.querySelector('main')?.focus(); }}>${t('skip')}</a>
    <${Top} />
    <div class="body">
      <${Nav} />
      <main id="main" tabIndex=${-1}><${Place} /></main>
    </div>
    <${Keys} /><${Asked} /><${Downloads} /><${Notices} />`;
}

followLink();
begin();
learn();
follow();
tick();
listen();
await speak();
render(html`<${App} />`, /** @type {HTMLElement} */ (document.getElementById('app')));
