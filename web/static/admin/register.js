// What a dead letter lacked is made right where it is read, and the letters
// that waited for it are brought back.
import { useEffect, useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Command } from '../parts/command.js';
import { Field, Form } from '../parts/field.js';
import { useQuery } from '../parts/query.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { askDevices } from '../shell/pulse.js';
import { useDraft } from './draft.js';
import { choices, part, useOrganizations } from './nouns.js';
import { Counted, replay } from './replay.js';

/** @typedef {{l: import('./nouns.js').Letter, done: (r: any) => void}} Props */

/** @param {string | undefined} port as it was sent */
const isNumber = (port) => /^\d{1,5}$/.test(port || '');

/** @param {import('./nouns.js').Letter} l @param {boolean} all */
const those = (l, all) => (all ? { deviceId: l.deviceId, reason: l.reason } : { ids: [l.id] });

/** @param {Props} p */
export function RegisterPort({ l, done }) {
  const named = !isNumber(l.port);
  const device = useQuery(() => api.device(l.deviceId), [l.deviceId]);
  const form = useDraft({ number: named ? '' : String(l.port), name: named ? l.port || '' : '', unit: '', all: true });
  const ports = device.value?.ports;
  useEffect(() => {
    if (named && ports && !form.draft.number) form.set({ number: String(1 + Math.max(0, ...ports.map((o) => o.number))) });
  }, [ports]);
  const { number, name, unit, all } = form.draft;
  const submit = async () => {
    await api.call(`/devices/${part(l.deviceId)}/ports/${part(number)}`, { method: 'PUT', body: { name: name.trim() || undefined, unit: unit.trim() || undefined } });
    askDevices();
    done(await replay(those(l, all)));
  };
  return html`
    <${Form} className="register" onSubmit=${submit} button=${t('admin.register.portButton')} disabled=${!isNumber(number)} onFaults=${form.onFaults}>
      <p>${t('admin.register.port', { port: l.port || '', device: l.deviceId })} ${ports && html`<span class="hint">${
        t('admin.register.ports')} ${ports.length ? ports.map((o) => [o.number, o.name].filter(Boolean).join(' ')).slice(0, 24).join(', ') : '–'}</span>`}</p>
      <div class="row-of-fields">
        <${Field} label=${t('admin.register.number')} type="number" min=${0} max=${65535} disabled=${!named} ...${form.of('number')} />
        <${Field} label=${t('admin.name')} autocomplete="off" ...${form.of('name')} />
        <${Field} label=${t('admin.register.unit')} autocomplete="off" ...${form.of('unit')} />
      </div>
      <${Field} label=${t('admin.register.all', { device: l.deviceId })} type="checkbox" hint=${html`<${Counted} what=${those(l, true)} />`} ...${form.of('all')} />
    <//>`;
}

/** @param {Props} p */
export function RegisterDevice({ l, done }) {
  const orgs = useOrganizations();
  const [made, setMade] = useState(/** @type {any} */ (null));
  const number = isNumber(l.port) ? Math.max(1, Number(l.port)) : 0;
  const form = useDraft({ id: l.deviceId, name: '', orgId: l.orgId, portCount: String(Math.min(number || 4, 4096)), all: true });
  useEffect(() => {
    if (orgs.length && !orgs.some((o) => o.id === form.draft.orgId)) form.set({ orgId: orgs[0].id });
  }, [orgs]);
  const { id, name, orgId, portCount, all } = form.draft;
  const make = async () => {
    const names = l.port && !isNumber(l.port) ? { portNames: [l.port] } : { portCount: Number(portCount) };
    const device = await api.call('/devices', { method: 'POST', body: { id, orgId, name: name.trim() || undefined, ...names } });
    askDevices();
    setMade(device);
  };
  const bring = async () => done(await replay(those(l, all)));
  if (made) {
    return html`
      <${Form} className="register" onSubmit=${bring} button=${t('admin.letters.replay')}>
        <p>${t('admin.register.secret', { device: made.id })}</p>
        <${Command} text=${made.secret || ''} />
        <${Field} label=${t('admin.register.all', { device: made.id })} type="checkbox" hint=${html`<${Counted} what=${those(l, true)} />`} ...${form.of('all')} />
      <//>`;
  }
  return html`
    <${Form} className="register" onSubmit=${make} button=${t('admin.register.deviceButton')} disabled=${!orgs.length} onFaults=${form.onFaults}>
      <p>${t('admin.register.device', { device: l.deviceId })} ${l.orgId !== orgId && orgs.length > 0 && html`<span class="hint">${t('admin.register.otherOrg', { org: l.orgId || '–' })}</span>`}</p>
      <div class="row-of-fields">
        <${Field} label=${t('admin.register.id')} disabled ...${form.of('id')} />
        <${Field} label=${t('admin.name')} autocomplete="off" ...${form.of('name')} />
        <${Field} label=${t('admin.org')} type="select" options=${choices(orgs)} ...${form.of('orgId')} />
        ${(!l.port || isNumber(l.port)) && html`<${Field} label=${t('admin.register.portCount')} type="number" min=${0} max=${4096} ...${form.of('portCount')} />`}
      </div>
    <//>`;
}
