// The devices: their list, and the one that the address names.
import { html } from '../parts/html.js';
import { Icon } from '../parts/icon.js';
import { Page } from '../parts/page.js';
import { count } from '../core/format.js';
import { may } from '../core/me.js';
import { path, query, setQuery } from '../core/route.js';
import { t } from '../core/words.js';
import { devices } from '../shell/pulse.js';
import { Device } from '../device/device.js';
import { NoDevices } from '../device/empty.js';
import { all } from './choice.js';
import { ImportDialog } from './import.js';
import { List } from './list.js';
import { NewDialog } from './new.js';

export default function DevicesPlace() {
  const id = path.value[1];
  return id ? html`<${Device} key=${id} id=${id} />` : html`<${Overview} />`;
}

function Overview() {
  const there = devices.value;
  const { n, online } = all.value;
  const open = may('write') ? query.value.get('do') : '';
  const close = () => setQuery({ do: null });
  const actions = may('write') && html`
    <button class="secondary" onClick=${() => setQuery({ do: 'import' })}><${Icon} name="up" />${t('devices.import.button')}</button>
    <button class="primary" onClick=${() => setQuery({ do: 'new' })}>${t('devices.new.button')}</button>`;
  return html`
    <${Page} title=${t('nav.devices')} wide actions=${actions}
      lead=${there && html`<span class="num">${t('devices.online', { online: count(online), n: count(n) })}</span>`}>
      ${there === null ? html`<p class="panel pad hint" aria-busy="true">${t('loading')}</p>` : there.length ? html`<${List} />` : html`<${NoDevices} />`}
      ${open === 'new' && html`<${NewDialog} onClose=${close} />`}
      ${open === 'import' && html`<${ImportDialog} onClose=${close} />`}
    <//>`;
}
