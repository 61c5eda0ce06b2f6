// The device that is looked at: who it is, and its parts, each at an address
// below it.
import { signal } from '@preact/signals';
import { useEffect, useLayoutEffect } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Age } from '../parts/age.js';
import { Page } from '../parts/page.js';
import { exact } from '../core/format.js';
import { may } from '../core/me.js';
import { go, path, to } from '../core/route.js';
import { t } from '../core/words.js';
import { devices } from '../shell/pulse.js';
import { CommandsTab } from './commands.js';
import { LedgerTab } from './ledger.js';
import { LiveTab } from './live.js';
import { MessagesTab } from './messages.js';
import { PortsTab } from './ports.js';
import { SettingsTab } from './settings.js';
import { stateOf } from './state.js';
import { TimelineTab } from './timeline.js';
import { Watch } from './watch.js';

const watch = signal(/** @type {Watch | null} */ (null));

/** @type {Record<string, any>} by the part of the address */
const tabs = { live: LiveTab, ports: PortsTab, timeline: TimelineTab, messages: MessagesTab, commands: CommandsTab, ledger: LedgerTab, settings: SettingsTab };

/** @param {{id: string}} p */
export function Device({ id }) {
  useEffect(() => {
    const w = new Watch(id);
    watch.value = w;
    return () => {
      w.close();
      watch.value = null;
    };
  }, [id]);
  useLayoutEffect(() => { // the key counts as soon as the page is seen
    /** @param {KeyboardEvent} e */
    const key = (e) => {
      if (e.key !== 'Escape' || e.defaultPrevented || document.querySelector('dialog[open]') || (e.target instanceof HTMLElement && e.target.matches('input, select, textarea'))) return;
      go('/devices');
    };
    addEventListener('keydown', key);
    return () => removeEventListener('keydown', key);
  }, []);
  const w = watch.value;
  const d = w?.id === id ? w.device.value : null;
  const tab = path.value[2] || 'live';
  const Tab = Object.hasOwn(tabs, tab) && (tab !== 'settings' || may('write')) ? tabs[tab] : null;
  if (!w || !d) {
    const problem = w?.problem.value;
    const words = problem?.status === 404 ? t('device.missing', { id }) : problem?.message;
    return html`<${Page} title=${id} lead=${html`<${Back} />`}><p class="panel pad" aria-busy=${!problem}>${words || t('loading')}</p><//>`;
  }
  const names = Object.keys(tabs).filter((n) => n !== 'settings' || may('write'));
  return html`
    <${Page} title=${id} wide lead=${html`<${Lead} d=${d} />`} actions=${html`<${Back} />`}
      tabs=${names.map((n) => ({ href: n === 'live' ? to('devices', id) : to('devices', id, n), name: t('device.tab.' + n) }))}>
      ${Tab ? html`<${Tab} w=${w} d=${d} />` : html`<p class="panel pad">${t('notFound.text')}</p>`}
    <//>`;
}

function Back() {
  return html`<a class="button back" href="/devices" aria-label=${t('device.back')}>‹ ${t('nav.devices')}</a>`;
}

/** @param {{d: import('./watch.js').Device}} p */
function Lead({ d }) {
  const listed = devices.value?.find((o) => o.id === d.id) || d;
  const state = stateOf({ state: d.state, online: listed.online });
  const seen = listed.lastSeen ? Date.parse(listed.lastSeen) : 0;
  return html`
    <span class="facts">
      <span class="state ${state}" title=${seen ? exact(seen) : t('devices.neverSeen')}><i class="dot ${state}" />${t('devices.is.' + state)}${
        seen && state !== 'online' ? html`, ${t('device.seen')} <${Age} at=${seen} suffix />` : ''}</span>
      ${d.name && html`<span>${d.name}</span>`}
      <span>${t('device.org', { id: d.orgId })}</span>
      ${d.serialNumber && d.serialNumber !== d.id && html`<span>${t('device.serial', { n: d.serialNumber })}</span>`}
      ${d.tags?.map((tag) => html`<a key=${tag} class="tag" href=${'/devices?tag=' + encodeURIComponent(tag)}>${tag}</a>`)}
      ${!d.hasSecret && d.state === 'active' && html`<span class="badge warn">${t('devices.noSecret')}</span>`}
    </span>`;
}
