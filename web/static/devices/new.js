// A new device: what it is, and then its secret, once.
import { useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Dialog } from '../parts/dialog.js';
import { Field, Form } from '../parts/field.js';
import { useQuery } from '../parts/query.js';
import { me, whole } from '../core/me.js';
import { to } from '../core/route.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { Secret } from '../device/secret.js';
import { askDevices } from '../shell/pulse.js';
import { choices } from './choice.js';

/**
 * portsOf takes what was typed: how many, or their names.
 * @param {string} text
 */
export function portsOf(text) {
  const s = text.trim();
  if (!s) return {};
  if (/^\d+$/.test(s)) return { portCount: Number(s) };
  return { portNames: listOf(s) };
}

/** listOf takes words that commas or semicolons keep apart. @param {string} text */
export const listOf = (text) => text.split(/[,;]/).map((w) => w.trim()).filter(Boolean);

/** @param {{onClose: () => void}} p */
export function NewDialog({ onClose }) {
  const own = me.value?.orgId || '';
  const orgs = useQuery(async () => {
    if (!whole.value) return own ? [{ id: own, name: '' }] : [];
    return (await api.call('/organizations', { query: { limit: 1000 } })).items;
  }, []);
  const [draft, setDraft] = useState({ orgId: '', id: '', name: '', serialNumber: '', ports: '4', tags: '', secret: '' });
  const [faults, setFaults] = useState(/** @type {Record<string, string>} */ ({}));
  const [made, setMade] = useState(/** @type {import('../device/watch.js').Device | null} */ (null));
  /** @param {keyof typeof draft} name */
  const field = (name) => ({ name, value: draft[name], fault: faults[name], onInput: (/** @type {string} */ v) => setDraft((d) => ({ ...d, [name]: v })) });
  const orgId = draft.orgId || orgs.value?.[0]?.id || '';
  const submit = async () => {
    const { ports, tags, secret, ...rest } = draft;
    const given = Object.fromEntries(Object.entries(rest).filter(([, v]) => v.trim()).map(([k, v]) => [k, v.trim()]));
    const body = { ...given, orgId, ...portsOf(ports), ...(tags.trim() && { tags: listOf(tags) }), ...(secret && { secret }) };
    const d = await api.call('/devices', { method: 'POST', body });
    askDevices();
    setMade({ ...d, secret: d.secret || secret });
  };
  if (made) {
    return html`
      <${Dialog} title=${t('devices.new.made', { id: made.id })} onClose=${onClose} wide>
        <${Secret} d=${made} secret=${made.secret || ''} />
        <p class="form-foot"><a class="button" href=${to('devices', made.id)}>${t('devices.new.open')}</a>
          <button class="primary" onClick=${onClose}>${t('close')}</button></p>
      <//>`;
  }
  return html`
    <${Dialog} title=${t('devices.new.title')} onClose=${onClose}>
      <${Form} onSubmit=${submit} onCancel=${onClose} button=${t('devices.new.make')} onFaults=${setFaults} disabled=${!orgId}>
        ${orgs.value?.length === 0 && html`<p class="hint">${t('devices.new.noOrg')}</p>`}
        ${(orgs.value?.length || 0) > 1 && html`<${Field} label=${t('devices.new.org')} type="select" ...${field('orgId')} value=${orgId}
          options=${orgs.value?.map((/** @type {{id: string, name: string}} */ o) => ({ value: o.id, name: o.name && o.name !== o.id ? `${o.id} (${o.name})` : o.id }))} />`}
        <div class="form-row">
          <${Field} label=${t('devices.new.id')} ...${field('id')} hint=${t('devices.new.idHint')} autofocus autocomplete="off" />
          <${Field} label=${t('devices.new.serial')} ...${field('serialNumber')} autocomplete="off" />
        </div>
        <${Field} label=${t('devices.new.name')} ...${field('name')} autocomplete="off" />
        <div class="form-row">
          <${Field} label=${t('devices.new.ports')} ...${field('ports')} fault=${faults.portCount || faults.portNames || faults.ports} hint=${t('devices.new.portsHint')} autocomplete="off" />
          <${Field} label=${t('devices.new.tags')} ...${field('tags')} hint=${t('devices.new.tagsHint')} list=${choices.value.tags} autocomplete="off" />
        </div>
        <${Field} label=${t('devices.new.secret')} ...${field('secret')} hint=${t('devices.new.secretHint')} autocomplete="off" />
      <//>
    <//>`;
}
