// Where a person is logged in.
import { html } from '../parts/html.js';
import { Age } from '../parts/age.js';
import { Dialog } from '../parts/dialog.js';
import { tell } from '../parts/notice.js';
import { Badge } from '../parts/page.js';
import { Asking, useQuery } from '../parts/query.js';
import { Table } from '../parts/table.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { part } from './nouns.js';

/** @typedef {import('./nouns.js').Session} Session */

/** @param {{user: import('./nouns.js').User, onClose: () => void}} p */
export function Sessions({ user, onClose }) {
  const at = `/users/${part(user.id)}/sessions`;
  const list = useQuery(async () => /** @type {Session[]} */ ((await api.call(at)).items), [at]);
  const end = async (/** @type {string} */ id) => {
    if (await tell(() => api.call(id ? `${at}/${part(id)}` : at, { method: 'DELETE' }), t('admin.sessions.ended'))) list.reload();
  };
  const rows = list.value || [];
  return html`
    <${Dialog} title=${t('admin.sessions.title', { email: user.email })} onClose=${onClose} wide>
      <${Asking} of=${list} />
      ${list.value && (rows.length ? html`
        <${Table} label=${t('admin.users.sessions')} rows=${rows} rowKey=${(/** @type {Session} */ s) => s.id} columns=${[
          { name: t('admin.sessions.from'), className: 'wide', cell: (/** @type {Session} */ s) => html`${s.remote || t('admin.sessions.box')} ${s.current && html`<${Badge} tone="good">${t('admin.sessions.current')}<//>`}
            <br /><small>${s.userAgent || ''}</small>` },
          { name: t('admin.sessions.begun'), cell: (/** @type {Session} */ s) => html`<${Age} at=${s.createdAt} suffix />` },
          { name: t('admin.sessions.used'), cell: (/** @type {Session} */ s) => html`<${Age} at=${s.lastUsedAt} suffix />` },
          { name: t('admin.actions'), className: 'acts', cell: (/** @type {Session} */ s) => html`<button class="secondary" onClick=${() => end(s.id)}>${t('admin.sessions.end')}</button>` },
        ]} />
        <div class="form-foot"><button class="danger" onClick=${() => end('')}>${t('admin.sessions.endAll')}</button></div>`
        : html`<p>${t('admin.sessions.none')}</p>`)}
    <//>`;
}
