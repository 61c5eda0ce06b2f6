// What the server is configured to, and who said so.
import { useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Field } from '../parts/field.js';
import { Badge, Empty, Panel } from '../parts/page.js';
import { Asking, useQuery } from '../parts/query.js';
import { Table } from '../parts/table.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';

/** @typedef {{key: string, value: string, default: string, source: string, origin?: string, secret: boolean}} Setting */

export function Settings() {
  const q = useQuery(async () => /** @type {{items: Setting[], restart?: string}} */ (await api.call('/settings')), []);
  const [text, setText] = useState('');
  const [changed, setChanged] = useState(false);
  const like = text.trim().toLowerCase();
  const rows = (q.value?.items || []).filter((s) => (!changed || s.source !== 'default') && `${s.key} ${s.value}`.toLowerCase().includes(like));
  return html`
    <${Panel} className="settings" title=${t('admin.settings.title')} hint=${t('admin.settings.hint')}>
      <div class="filters fields">
        <${Field} label=${t('admin.settings.search')} name="setting" type="search" value=${text} onInput=${setText} autocomplete="off" />
        <${Field} label=${t('admin.settings.changed')} name="changed" type="checkbox" value=${changed} onInput=${setChanged} />
      </div>
      <${Asking} of=${q} />
      ${q.value && (rows.length ? html`
        <${Table} label=${t('admin.settings.title')} rows=${rows} rowKey=${(/** @type {Setting} */ s) => s.key} columns=${[
          { name: t('admin.settings.key'), cell: (/** @type {Setting} */ s) => html`<code>${s.key}</code>` },
          { name: t('admin.settings.value'), className: 'wide', cell: (/** @type {Setting} */ s) => (s.secret ? html`<span class="hint">${t(s.value ? 'admin.settings.secret' : 'admin.settings.noSecret')}</span>` : s.value || '–') },
          { name: t('admin.settings.default'), cell: (/** @type {Setting} */ s) => html`<span class="hint">${s.default || '–'}</span>` },
          { name: t('admin.settings.source'), cell: (/** @type {Setting} */ s) => html`<${Badge} tone=${s.source === 'default' ? 'quiet' : 'good'}>${s.source}<//> <small>${s.origin || ''}</small>` },
        ]} />` : html`<${Empty} title=${t('admin.noMatch')} />`)}
      ${q.value?.restart && html`<p class="hint pad">${q.value.restart}</p>`}
    <//>`;
}
