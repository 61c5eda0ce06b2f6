// What can be changed of a device, and its end.
import { useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { ask, Dialog } from '../parts/dialog.js';
import { Field, Form } from '../parts/field.js';
import { say } from '../parts/notice.js';
import { Panel } from '../parts/page.js';
import { go } from '../core/route.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { askDevices } from '../shell/pulse.js';
import { choices } from '../devices/choice.js';
import { listOf } from '../devices/new.js';
import { Secret } from './secret.js';

/**
 * @typedef {import('./watch.js').Watch} Watch
 * @typedef {import('./watch.js').Device} Device
 */

/** pathTo is a device's below the API. @param {string} id */
export const pathTo = (id) => '/devices/' + encodeURIComponent(id);

/**
 * shortly writes a duration of the API as people type it: 720h0m0s is 30d.
 * @param {string} s
 */
export function shortly(s) {
  const found = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(s);
  if (!found) return s;
  const [h, m, sec] = found.slice(1).map((x) => Number(x || 0));
  if (h && !m && !sec) return h % 24 ? h + 'h' : h / 24 + 'd';
  return [h && h + 'h', m && m + 'm', sec && sec + 's'].filter(Boolean).join('') || '0s';
}

/** @param {{w: Watch, d: Device}} p */
export function SettingsTab({ w, d }) {
  const change = async (/** @type {object} */ body) => {
    const next = /** @type {Device} */ (await api.call(pathTo(d.id), { method: 'PATCH', body }));
    const { secret: _, ...shown } = next;
    w.take(shown);
    askDevices();
    return next;
  };
  const saved = async (/** @type {object} */ body) => {
    await change(body);
    say(t('saved'));
  };
  return html`
    <div class="columns">
      <${Naming} d=${d} save=${saved} />
      <${Hardware} d=${d} save=${saved} />
      <${Times} d=${d} save=${saved} />
      ${d.state === 'active' && html`<${SecretPanel} d=${d} change=${change} />`}
      <${End} w=${w} d=${d} />
    </div>`;
}

/**
 * useDraft keeps what is typed in a form.
 * @template {Record<string, string>} T
 * @param {T} first
 */
function useDraft(first) {
  const [draft, setDraft] = useState(first);
  const [faults, setFaults] = useState(/** @type {Record<string, string>} */ ({}));
  const field = (/** @type {keyof T & string} */ name) => ({
    name, value: draft[name], fault: faults[name], autocomplete: 'off', onInput: (/** @type {string} */ v) => setDraft((o) => ({ ...o, [name]: v })),
  });
  return { draft, field, setFaults };
}

/** @param {{d: Device, save: (body: object) => Promise<void>}} p */
function Naming({ d, save }) {
  const { draft, field, setFaults } = useDraft({ name: d.name || '', tags: (d.tags || []).join(', ') });
  return html`
    <${Panel} title=${t('device.settings.naming')} className="padded">
      <${Form} button=${t('save')} onFaults=${setFaults} onSubmit=${() => save({ name: draft.name.trim(), tags: listOf(draft.tags) })}>
        <${Field} label=${t('device.settings.name')} ...${field('name')} />
        <${Field} label=${t('devices.tags')} ...${field('tags')} hint=${t('devices.new.tagsHint')} list=${choices.value.tags} />
      <//>
    <//>`;
}

/** @param {{d: Device, save: (body: object) => Promise<void>}} p */
function Hardware({ d, save }) {
  const { draft, field, setFaults } = useDraft({ serialNumber: d.serialNumber || '' });
  return html`
    <${Panel} title=${t('device.settings.hardware')} className="padded">
      <${Form} button=${t('device.settings.swap')} onFaults=${setFaults} disabled=${draft.serialNumber.trim() === (d.serialNumber || '')}
        onSubmit=${() => save({ serialNumber: draft.serialNumber.trim() })}>
        <${Field} label=${t('devices.new.serial')} ...${field('serialNumber')} hint=${t('device.settings.swapHint')} />
      <//>
    <//>`;
}

/** @param {{d: Device, save: (body: object) => Promise<void>}} p */
function Times({ d, save }) {
  const { draft, field, setFaults } = useDraft({ acceptPast: shortly(d.acceptPast), acceptAhead: shortly(d.acceptAhead), assumeZone: d.assumeZone || '' });
  return html`
    <${Panel} title=${t('device.settings.times')} className="padded">
      <${Form} button=${t('save')} onFaults=${setFaults} onSubmit=${() => save({
        acceptPast: draft.acceptPast.trim() || 'default', acceptAhead: draft.acceptAhead.trim() || 'default', assumeZone: draft.assumeZone.trim() })}>
        <div class="form-row">
          <${Field} label=${t('device.settings.past')} ...${field('acceptPast')} hint=${t('device.settings.pastHint')} />
          <${Field} label=${t('device.settings.ahead')} ...${field('acceptAhead')} hint=${t('device.settings.aheadHint')} />
        </div>
        <${Field} label=${t('device.settings.zone')} ...${field('assumeZone')} placeholder="Europe/Berlin" hint=${t('device.settings.zoneHint')} />
      <//>
    <//>`;
}

/** @param {{d: Device, change: (body: object) => Promise<Device>}} p */
function SecretPanel({ d, change }) {
  const [secret, setSecret] = useState('');
  const rotate = () => ask({
    title: t('device.secret.rotate'), text: t('device.secret.rotateText', { id: d.id }), button: t('device.secret.rotate'), danger: true,
    act: async () => { setSecret((await change({ rotateSecret: true })).secret || ''); },
  });
  return html`
    <${Panel} title=${t('device.secret.title')} className="padded">
      <p>${d.hasSecret ? t('device.secret.has') : t('device.secret.hasNone')}</p>
      <p><button class="secondary" onClick=${rotate}>${t('device.secret.rotate')}</button></p>
      ${secret && html`<${Dialog} title=${t('device.secret.title')} onClose=${() => setSecret('')} wide>
        <${Secret} d=${d} secret=${secret} />
        <p class="form-foot"><button class="primary" onClick=${() => setSecret('')}>${t('close')}</button></p>
      <//>`}
    <//>`;
}

/** @param {{w: Watch, d: Device}} p */
function End({ w, d }) {
  const retire = () => ask({
    title: t('device.settings.retireTitle', { id: d.id }), text: t('device.settings.retireText'), button: t('device.settings.retire'), danger: true, type: d.id,
    act: async () => {
      w.take(await api.call(pathTo(d.id) + '/retire', { method: 'POST' }));
      askDevices();
    },
  });
  const drop = () => ask({
    title: t('device.settings.deleteTitle', { id: d.id }), text: t('device.settings.deleteText'), button: t('remove'), danger: true, type: d.id,
    act: async () => {
      await api.call(pathTo(d.id), { method: 'DELETE' });
      askDevices();
      go('/devices', { replace: true });
      say(t('device.settings.deleted', { id: d.id }));
    },
  });
  return html`
    <${Panel} title=${t('device.settings.end')} className="padded">
      ${d.state === 'active' && html`<p>${t('device.settings.retireText')}</p><p><button class="danger" onClick=${retire}>${t('device.settings.retire')}</button></p>`}
      <p>${t('device.settings.deleteText')}</p><p><button class="danger" onClick=${drop}>${t('device.settings.delete')}</button></p>
    <//>`;
}
