// The page: what stands where, and the keys.
import { render } from 'preact';
import { useEffect } from 'preact/hooks';
import { html } from './html.js';
import { Device } from './device.js';
import { Devices } from './devices.js';
import { NoDevices } from './empty.js';
import { Header } from './header.js';
import { ByLink, Login } from './login.js';
import { devices, start } from './pulse.js';
import { Rejections } from './rejections.js';
import { begin, session } from './session.js';
import { deviceId, follow, narrow, showDevice } from './state.js';
import { followLink, way } from './way.js';

function App() {
  if (way.value) return html`<${ByLink} key=${way.value.token} />`;
  if (session.value === undefined) return null; // in a moment it is known
  return session.value ? html`<${Main} key=${session.value.email} />` : html`<${Login} />`;
}

function Main() {
  useEffect(start, []);
  const first = devices.value?.find((d) => d.online) || devices.value?.[0];
  useEffect(() => {
    if (!deviceId.value && first && !narrow.value) showDevice(first.id, false);
  }, [first?.id, narrow.value]);
  if (devices.value?.length === 0) {
    return html`
      <${Header} />
      <main class="grid bare"><div class="stage"><${NoDevices} /><${Rejections} /></div></main>`;
  }
  return html`
    <${Header} />
    <main class="grid ${deviceId.value ? 'has-device' : ''}">
      <${Devices} />
      <div class="stage">
        <${Device} />
        <${Rejections} />
      </div>
    </main>`;
}

/** @param {KeyboardEvent} e */
function onKey(e) {
  if (e.ctrlKey || e.metaKey || e.altKey || !session.value) return;
  const typing = e.target instanceof HTMLInputElement || e.target instanceof HTMLSelectElement;
  if (e.key === '/' && !typing) {
    e.preventDefault();
    document.getElementById('search')?.focus();
  } else if (e.key >= '1' && e.key <= '9' && !typing) {
    /** @type {HTMLElement | undefined} */ ([...document.querySelectorAll('.tile')][Number(e.key) - 1])?.click();
  } else if (e.key === 'Escape' && narrow.value && deviceId.value) {
    showDevice('');
  }
}

followLink();
begin();
follow();
addEventListener('keydown', onKey);
render(html`<${App} />`, /** @type {HTMLElement} */ (document.getElementById('app')));
