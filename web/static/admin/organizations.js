// The organizations that one sees: made, renamed, deleted.
import { useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { ask, Dialog } from '../parts/dialog.js';
import { Field, Form } from '../parts/field.js';
import { Icon } from '../parts/icon.js';
import { say } from '../parts/notice.js';
import { Empty, Panel } from '../parts/page.js';
import { Asking, usePages } from '../parts/query.js';
import { Table } from '../parts/table.js';
import { may } from '../core/me.js';
import { query, to } from '../core/route.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { useDraft } from './draft.js';
import { part } from './nouns.js';
import { Moment } from './range.js';
import { Search } from './search.js';

/** @typedef {import('./nouns.js').Organization} Organization */

export function Organizations() {
  const q = query.value.get('q') || '';
  const list = usePages((cursor) => api.call('/organizations', { query: { q, cursor } }), [q]);
  const [edited, setEdited] = useState(/** @type {Partial<Organization> | null} */ (null));
  const close = () => setEdited(null);
  const saved = () => {
    say(t('saved'));
    list.reload();
  };
  const rows = list.items || [];
  return html`
    <${Panel} title=${t('admin.tabs.organizations')} hint=${t('admin.orgs.hint')} actions=${may('company') && html`
      <button class="primary" onClick=${() => setEdited({})}><${Icon} name="plus" /> ${t('admin.orgs.add')}</button>`}>
      <div class="filters fields"><${Search} label=${t('admin.orgs.search')} /></div>
      <${Asking} of=${list} />
      ${list.items && (rows.length ? html`
        <${Table} label=${t('admin.tabs.organizations')} rows=${rows} rowKey=${(/** @type {Organization} */ o) => o.id} more=${list.more} loading=${list.loading} columns=${[
          { name: t('admin.orgs.id'), cell: (/** @type {Organization} */ o) => html`<code>${o.id}</code>` },
          { name: t('admin.name'), className: 'wide', cell: (/** @type {Organization} */ o) => o.name },
          { name: t('admin.created'), cell: (/** @type {Organization} */ o) => html`<${Moment} at=${o.createdAt} />` },
          { name: t('admin.actions'), className: 'acts', cell: (/** @type {Organization} */ o) => html`
            <a class="button" href=${to('admin', 'users') + '?org=' + part(o.id)} aria-label=${t('admin.orgs.usersOf', { org: o.id })}>${t('admin.tabs.users')}</a>
            <button class="secondary" aria-label=${t('admin.editOne', { what: o.id })} onClick=${() => setEdited(o)}>${t('edit')}</button>
            ${may('company') && html`<button class="secondary" aria-label=${t('admin.deleteOne', { what: o.id })} onClick=${() => askDelete(o, list.reload)}>${t('remove')}</button>`}` },
        ]} />` : html`
        <${Empty} title=${t(q ? 'admin.noMatch' : 'admin.orgs.empty')}>${!q && html`<p class="hint">${t('admin.orgs.emptyHint')}</p>`}<//>`)}
      ${edited && html`<${Edit} o=${edited} onClose=${close} onSaved=${saved} />`}
    <//>`;
}

/** @param {Organization} o @param {() => void} done */
function askDelete(o, done) {
  ask({
    title: t('admin.deleteOne', { what: o.name }), text: t('admin.orgs.deleteText'), button: t('remove'), danger: true, type: o.id,
    act: async () => {
      await api.call('/organizations/' + part(o.id), { method: 'DELETE' });
      say(t('admin.deleted', { what: o.id }));
      done();
    },
  });
}

/** @param {{o: Partial<Organization>, onClose: () => void, onSaved: () => void}} p */
function Edit({ o, onClose, onSaved }) {
  const form = useDraft({ id: o.id || '', name: o.name || '' });
  const submit = async () => {
    const { id, name } = form.draft;
    if (o.id) await api.call('/organizations/' + part(o.id), { method: 'PATCH', body: { name } });
    else await api.call('/organizations', { method: 'POST', body: { id, name } });
    onClose();
    onSaved();
  };
  return html`
    <${Dialog} title=${o.id ? t('admin.editOne', { what: o.id }) : t('admin.orgs.add')} onClose=${onClose}>
      <${Form} onSubmit=${submit} onCancel=${onClose} button=${t('save')} onFaults=${form.onFaults}>
        ${!o.id && html`<${Field} label=${t('admin.orgs.id')} hint=${t('admin.orgs.idHint')} autocomplete="off" autofocus ...${form.of('id')} />`}
        <${Field} label=${t('admin.name')} autocomplete="off" autofocus=${!!o.id} ...${form.of('name')} />
      <//>
    <//>`;
}
