// The step of the organization: to whom the devices belong.
import { useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Field, Form } from '../parts/field.js';
import { Panel } from '../parts/page.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';

/**
 * slug makes an id of a name: "Müller & Söhne" is muller-sohne.
 * @param {string} name
 */
export function slug(name) {
  return name.replaceAll('ß', 'ss').normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-+|-+$/g, '').slice(0, 64);
}

/** @param {{orgs: {id: string, name: string}[], onMade: (id: string) => Promise<void>}} p */
export function Organization({ orgs, onMade }) {
  const [name, setName] = useState('');
  const [id, setId] = useState(/** @type {string | null} */ (null)); // null: as the name has it
  const [faults, setFaults] = useState(/** @type {Record<string, string>} */ ({}));
  const chosen = id ?? slug(name);
  const submit = async () => {
    if (!name.trim()) return setFaults({ name: t('welcome.nameIt') });
    await api.call('/organizations', { method: 'POST', body: { id: chosen, name: name.trim() } });
    await onMade(chosen);
  };
  return html`
    <${Panel} title=${t('welcome.step.organization')} className="welcome-step">
      <div class="panel-body">
        <p class="hint">${t('welcome.orgLead')}</p>
        <${Form} onSubmit=${submit} button=${t('welcome.next')} onFaults=${setFaults}
          extra=${orgs.length > 0 && html`<a class="button" href="/welcome">${t('welcome.existing')}</a>`}>
          <${Field} label=${t('welcome.orgName')} name="name" value=${name} onInput=${setName} fault=${faults.name} autofocus placeholder=${t('welcome.orgExample')} autocomplete="organization" />
          <${Field} label=${t('welcome.orgId')} name="id" value=${chosen} onInput=${setId} fault=${faults.id} autocomplete="off"
            hint=${t('welcome.orgIdHint', { topic: `org/${chosen || '…'}/device/…` })} />
        <//>
      </div>
    <//>`;
}
