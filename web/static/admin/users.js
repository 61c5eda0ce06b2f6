// The people who log in: invited, changed, logged out, deleted.
import { useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { ask } from '../parts/dialog.js';
import { Field } from '../parts/field.js';
import { Icon } from '../parts/icon.js';
import { say } from '../parts/notice.js';
import { Badge, Empty, Panel } from '../parts/page.js';
import { Asking, usePages } from '../parts/query.js';
import { Table } from '../parts/table.js';
import { me, whole } from '../core/me.js';
import { query, setQuery } from '../core/route.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { LinkDialog } from './link.js';
import { choices, orgName, part, useOrganizations } from './nouns.js';
import { Moment } from './range.js';
import { Search } from './search.js';
import { Sessions } from './sessions.js';
import { EditUser, Invite } from './user.js';

/** @typedef {import('./nouns.js').User} User */

/** What stands before the list. @typedef {{show: 'invite'} | {show: 'edit' | 'sessions', user: User} | {show: 'link', user: User, link: string, until?: string}} Front */

export function Users() {
  const orgs = useOrganizations();
  const get = (/** @type {string} */ name) => query.value.get(name) || '';
  const q = { q: get('q'), role: get('role'), orgId: get('org') };
  const list = usePages((cursor) => api.call('/users', { query: { ...q, cursor } }), [q.q, q.role, q.orgId]);
  const [front, setFront] = useState(/** @type {Front | null} */ (null));
  const close = () => setFront(null);
  const reset = (/** @type {User} */ user) => ask({
    title: t('admin.users.resetTitle', { email: user.email }), text: t(user.invited ? 'admin.users.againText' : 'admin.users.resetText'), button: t('admin.users.makeLink'),
    act: async () => {
      const { link, expiresAt } = await api.call(`/users/${part(user.id)}/reset-link`, { method: 'POST' });
      setFront({ show: 'link', user, link, until: expiresAt });
      list.reload();
    },
  });
  const remove = (/** @type {User} */ user) => ask({
    title: t('admin.deleteOne', { what: user.email }), text: t('admin.users.deleteText'), button: t('remove'), danger: true,
    act: async () => {
      await api.call('/users/' + part(user.id), { method: 'DELETE' });
      say(t('admin.deleted', { what: user.email }));
      list.reload();
    },
  });
  const invited = (/** @type {User} */ user) => {
    setFront({ show: 'link', user, link: user.link || '', until: user.linkExpiresAt });
    list.reload();
  };
  const rows = list.items || [];
  const filtered = q.q || q.role || q.orgId;
  return html`
    <${Panel} title=${t('admin.tabs.users')} actions=${html`
      <button class="primary" onClick=${() => setFront({ show: 'invite' })}><${Icon} name="plus" /> ${t('admin.users.invite')}</button>`}>
      <div class="filters fields" role="search" aria-label=${t('admin.filter')}>
        <${Search} label=${t('admin.users.search')} />
        <${Field} label=${t('admin.users.role')} name="role" type="select" value=${q.role} onInput=${(/** @type {string} */ role) => setQuery({ role })}
          options=${[{ value: '', name: t('admin.users.anyRole') }, ...roles().map((r) => ({ value: r, name: r }))]} />
        ${whole.value && html`<${Field} label=${t('admin.org')} name="org" type="select" value=${q.orgId} onInput=${(/** @type {string} */ org) => setQuery({ org })}
          options=${choices(orgs, t('admin.anyOrg'))} />`}
      </div>
      <${Asking} of=${list} />
      ${list.items && (rows.length ? html`
        <${Table} label=${t('admin.tabs.users')} rows=${rows} rowKey=${(/** @type {User} */ u) => u.id} more=${list.more} loading=${list.loading}
          columns=${columns({ edit: (user) => setFront({ show: 'edit', user }), sessions: (user) => setFront({ show: 'sessions', user }), reset, remove })} />`
        : html`<${Empty} title=${t(filtered ? 'admin.noMatch' : 'admin.users.empty')} />`)}
    <//>
    ${front?.show === 'invite' && html`<${Invite} orgs=${orgs} onClose=${close} onDone=${invited} />`}
    ${front?.show === 'edit' && html`<${EditUser} user=${front.user} orgs=${orgs} onClose=${close} onDone=${() => { close(); say(t('saved')); list.reload(); }} />`}
    ${front?.show === 'sessions' && html`<${Sessions} user=${front.user} onClose=${close} />`}
    ${front?.show === 'link' && html`<${LinkDialog} email=${front.user.email} link=${front.link} until=${front.until} onClose=${close} />`}`;
}

/** roles that one may give. */
export const roles = () => (whole.value ? ['company-admin', 'org-admin', 'viewer'] : ['org-admin', 'viewer']);

/** @param {Record<'edit' | 'sessions' | 'reset' | 'remove', (u: User) => void>} act */
function columns(act) {
  const name = (/** @type {User} */ u) => html`<span class="who"><b>${u.email}</b>${u.name && html` <span class="hint">${u.name}</span>`}
    ${u.id === me.value?.user?.id && html` <${Badge}>${t('admin.users.you')}<//>`}${u.invited && html` <${Badge} tone="warn">${t('admin.users.invited')}<//>`}</span>`;
  const button = (/** @type {User} */ u, /** @type {'edit' | 'sessions' | 'reset' | 'remove'} */ what, /** @type {string} */ text) => html`
    <button class="secondary" aria-label=${`${text}: ${u.email}`} onClick=${() => act[what](u)}>${text}</button>`;
  return [
    { name: t('admin.users.email'), className: 'wide', cell: name },
    { name: t('admin.users.role'), cell: (/** @type {User} */ u) => u.role },
    { name: t('admin.org'), cell: (/** @type {User} */ u) => orgName(u.orgId) },
    { name: t('admin.created'), className: 'narrow-hides', cell: (/** @type {User} */ u) => html`<${Moment} at=${u.createdAt} />` },
    { name: t('admin.actions'), className: 'acts', cell: (/** @type {User} */ u) => html`
      ${button(u, 'edit', t('edit'))}${button(u, 'reset', t(u.invited ? 'admin.users.again' : 'admin.users.reset'))}
      ${!u.invited && button(u, 'sessions', t('admin.users.sessions'))}${button(u, 'remove', t('remove'))}` },
  ];
}
