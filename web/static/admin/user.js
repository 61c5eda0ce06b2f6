// A person is invited, or changed.
import { useEffect } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Dialog } from '../parts/dialog.js';
import { Field, Form } from '../parts/field.js';
import { whole } from '../core/me.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { useDraft } from './draft.js';
import { choices, firstOrg, part } from './nouns.js';
import { roles } from './users.js';

/** @typedef {import('./nouns.js').User} User */
/** @typedef {import('./nouns.js').Organization} Organization */

/** @param {{form: any, orgs: Organization[]}} p what somebody may do, and of whom */
function Rights({ form, orgs }) {
  const { role, orgId } = form.draft;
  useEffect(() => {
    if (role !== 'company-admin' && !orgId && orgs.length) form.set({ orgId: firstOrg(orgs) });
  }, [role, orgs]);
  return html`
    <${Field} label=${t('admin.users.role')} type="select" hint=${t('admin.roles.' + role)} options=${roles().map((r) => ({ value: r, name: r }))} ...${form.of('role')} />
    ${whole.value && role !== 'company-admin' && html`<${Field} label=${t('admin.org')} type="select" options=${choices(orgs)} ...${form.of('orgId')}
      hint=${orgs.length ? undefined : t('admin.users.noOrg')} />`}`;
}

/** @param {{orgs: Organization[], onClose: () => void, onDone: (u: User) => void}} p */
export function Invite({ orgs, onClose, onDone }) {
  const form = useDraft({ email: '', name: '', role: 'viewer', orgId: firstOrg(orgs) });
  const submit = async () => {
    const { email, name, role, orgId } = form.draft;
    onDone(await api.call('/users', { method: 'POST', body: { email: email.trim(), name: name.trim() || undefined, role, orgId: role === 'company-admin' ? undefined : orgId } }));
  };
  return html`
    <${Dialog} title=${t('admin.users.invite')} onClose=${onClose}>
      <${Form} onSubmit=${submit} onCancel=${onClose} button=${t('admin.users.makeInvitation')} onFaults=${form.onFaults}>
        <p class="hint">${t('admin.users.inviteLead')}</p>
        <${Field} label=${t('admin.users.email')} type="email" autocomplete="off" autofocus ...${form.of('email')} />
        <${Field} label=${t('admin.name')} autocomplete="off" ...${form.of('name')} />
        <${Rights} form=${form} orgs=${orgs} />
      <//>
    <//>`;
}

/** @param {{user: User, orgs: Organization[], onClose: () => void, onDone: () => void}} p */
export function EditUser({ user, orgs, onClose, onDone }) {
  const form = useDraft({ name: user.name || '', role: user.role, orgId: user.orgId || '' });
  const submit = async () => {
    const { name, role } = form.draft;
    const orgId = role === 'company-admin' ? '' : form.draft.orgId;
    await api.call('/users/' + part(user.id), { method: 'PATCH', body: {
      name: name === (user.name || '') ? undefined : name, role: role === user.role ? undefined : role, orgId: orgId === (user.orgId || '') ? undefined : orgId,
    } });
    onDone();
  };
  return html`
    <${Dialog} title=${t('admin.editOne', { what: user.email })} onClose=${onClose}>
      <${Form} onSubmit=${submit} onCancel=${onClose} button=${t('save')} onFaults=${form.onFaults}>
        <${Field} label=${t('admin.name')} autocomplete="off" autofocus ...${form.of('name')} />
        <${Rights} form=${form} orgs=${orgs} />
        <p class="hint">${t('admin.users.ends')}</p>
      <//>
    <//>`;
}
