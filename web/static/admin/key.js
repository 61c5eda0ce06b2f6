// An API key is made, or changed.
import { html } from '../parts/html.js';
import { Dialog } from '../parts/dialog.js';
import { Field, Form } from '../parts/field.js';
import { now } from '../core/clock.js';
import { whole } from '../core/me.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { useDraft } from './draft.js';
import { choices, firstOrg, part } from './nouns.js';
import { asField, ofField } from './range.js';

/** @typedef {import('./nouns.js').Key} Key */

const DAY = 86_400_000;
const scopes = ['read', 'write', 'ingest', 'admin'];
const ends = /** @type {const} */ (['30', '90', '365', 'never', 'at']); // days, or none, or a time

/** @param {string} text ids, apart by commas or spaces */
const ids = (text) => [...new Set(text.split(/[\s,;]+/).filter(Boolean))];

/** @param {{end: string, endAt: string}} d the time as the API has it; none: never */
function endOf({ end, endAt }) {
  if (end === 'never') return undefined;
  if (end === 'at') return ofField(endAt);
  return new Date(now.peek() + Number(end) * DAY).toISOString();
}

/** @param {{form: any}} p what a key has whose change is allowed */
function Common({ form }) {
  const { end } = form.draft;
  return html`
    <${Field} label=${t('admin.keys.devices')} hint=${t('admin.keys.devicesHint')} autocomplete="off" ...${form.of('devices')} fault=${form.faults.deviceIds} />
    <${Field} label=${t('admin.keys.end')} type="select" options=${ends.map((e) => ({ value: e, name: t('admin.ends.' + e) }))} ...${form.of('end')} fault=${end === 'at' ? '' : form.faults.expiresAt} />
    ${end === 'at' && html`<${Field} label=${t('admin.keys.endAt')} type="datetime-local" ...${form.of('endAt')} fault=${form.faults.expiresAt} />`}`;
}

/** @param {{orgs: import('./nouns.js').Organization[], onClose: () => void, onDone: (k: Key) => void}} p */
export function NewKey({ orgs, onClose, onDone }) {
  const form = useDraft({ name: '', orgId: firstOrg(orgs), scopes: ['read'], devices: '', end: '365', endAt: '' });
  const d = form.draft;
  const submit = async () => {
    const devices = ids(d.devices);
    onDone(await api.call('/api-keys', { method: 'POST', body: {
      name: d.name.trim(), orgId: d.orgId || undefined, scopes: d.scopes, deviceIds: devices.length ? devices : undefined, expiresAt: endOf(d),
    } }));
  };
  const scope = (/** @type {string} */ s, /** @type {boolean} */ on) => form.set({ scopes: scopes.filter((o) => (o === s ? on : d.scopes.includes(o))) });
  return html`
    <${Dialog} title=${t('admin.keys.add')} onClose=${onClose}>
      <${Form} onSubmit=${submit} onCancel=${onClose} button=${t('admin.keys.make')} disabled=${d.end === 'at' && !endOf(d)} onFaults=${form.onFaults}>
        <${Field} label=${t('admin.name')} hint=${t('admin.keys.nameHint')} autocomplete="off" autofocus ...${form.of('name')} />
        ${whole.value && html`<${Field} label=${t('admin.org')} type="select" options=${choices(orgs, t('admin.allOrgs'))} ...${form.of('orgId')} />`}
        <fieldset>
          <legend>${t('admin.keys.scopes')}</legend>
          ${scopes.map((s) => html`<${Field} key=${s} label=${s} name=${s} type="checkbox" hint=${t('admin.scopes.' + s)} value=${d.scopes.includes(s)}
            onInput=${(/** @type {boolean} */ on) => scope(s, on)} />`)}
          ${form.faults.scopes && html`<p class="fault">${form.faults.scopes}</p>`}
        </fieldset>
        <${Common} form=${form} />
      <//>
    <//>`;
}

/** @param {{k: Key, onClose: () => void, onDone: () => void}} p */
export function EditKey({ k, onClose, onDone }) {
  const form = useDraft({ name: k.name, devices: (k.deviceIds || []).join(', '), end: k.expiresAt ? 'at' : 'never', endAt: asField(k.expiresAt) });
  const d = form.draft;
  const submit = async () => {
    const devices = ids(d.devices);
    /** @type {Record<string, any>} */
    const body = { name: d.name.trim() };
    if (devices.join() !== (k.deviceIds || []).join()) Object.assign(body, devices.length ? { deviceIds: devices } : { allDevices: true });
    if (d.end === 'never') {
      if (k.expiresAt) body.neverExpires = true;
    } else if (d.end !== 'at' || d.endAt !== asField(k.expiresAt)) {
      body.expiresAt = endOf(d);
    }
    await api.call('/api-keys/' + part(k.id), { method: 'PATCH', body });
    onDone();
  };
  return html`
    <${Dialog} title=${t('admin.editOne', { what: k.name })} onClose=${onClose}>
      <${Form} onSubmit=${submit} onCancel=${onClose} button=${t('save')} disabled=${d.end === 'at' && !endOf(d)} onFaults=${form.onFaults}>
        <${Field} label=${t('admin.name')} autocomplete="off" autofocus ...${form.of('name')} />
        <${Common} form=${form} />
        <p class="hint">${t('admin.keys.changeHint')}</p>
      <//>
    <//>`;
}
