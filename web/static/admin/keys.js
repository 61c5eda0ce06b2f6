// The API keys of programs.
import { useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Age } from '../parts/age.js';
import { ask } from '../parts/dialog.js';
import { Field } from '../parts/field.js';
import { Icon } from '../parts/icon.js';
import { say } from '../parts/notice.js';
import { Badge, Empty, Panel } from '../parts/page.js';
import { Asking, usePages } from '../parts/query.js';
import { Table } from '../parts/table.js';
import { whole } from '../core/me.js';
import { query, setQuery } from '../core/route.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { EditKey, NewKey } from './key.js';
import { KeyDialog } from './keymade.js';
import { choices, orgName, part, useOrganizations } from './nouns.js';
import { Moment } from './range.js';

/** @typedef {import('./nouns.js').Key} Key */
/** @typedef {{show: 'new'} | {show: 'edit' | 'made', key: Key}} Front */

const NAMES = 3; // devices that a row names

export function Keys() {
  const orgs = useOrganizations();
  const orgId = query.value.get('org') || '';
  const list = usePages((cursor) => api.call('/api-keys', { query: { orgId, cursor } }), [orgId]);
  const [front, setFront] = useState(/** @type {Front | null} */ (null));
  const close = () => setFront(null);
  const remove = (/** @type {Key} */ k) => ask({
    title: t('admin.deleteOne', { what: k.name }), text: t('admin.keys.deleteText'), button: t('remove'), danger: true,
    act: async () => {
      await api.call('/api-keys/' + part(k.id), { method: 'DELETE' });
      say(t('admin.deleted', { what: k.name }));
      list.reload();
    },
  });
  const rows = list.items || [];
  return html`
    <${Panel} title=${t('admin.tabs.keys')} hint=${t('admin.keys.hint')} actions=${html`
      <button class="primary" onClick=${() => setFront({ show: 'new' })}><${Icon} name="plus" /> ${t('admin.keys.add')}</button>`}>
      ${whole.value && html`
        <div class="filters fields"><${Field} label=${t('admin.org')} name="org" type="select" value=${orgId}
          onInput=${(/** @type {string} */ org) => setQuery({ org })} options=${choices(orgs, t('admin.anyOrg'))} /></div>`}
      <${Asking} of=${list} />
      ${list.items && (rows.length ? html`
        <${Table} label=${t('admin.tabs.keys')} rows=${rows} rowKey=${(/** @type {Key} */ k) => k.id} more=${list.more} loading=${list.loading}
          columns=${columns((key) => setFront({ show: 'edit', key }), remove)} />`
        : html`<${Empty} title=${t(orgId ? 'admin.noMatch' : 'admin.keys.empty')}>${!orgId && html`<p class="hint">${t('admin.keys.emptyHint')}</p>`}<//>`)}
    <//>
    ${front?.show === 'new' && html`<${NewKey} orgs=${orgs} onClose=${close} onDone=${(/** @type {Key} */ key) => { setFront({ show: 'made', key }); list.reload(); }} />`}
    ${front?.show === 'edit' && html`<${EditKey} k=${front.key} onClose=${close} onDone=${() => { close(); say(t('saved')); list.reload(); }} />`}
    ${front?.show === 'made' && html`<${KeyDialog} k=${front.key} onClose=${close} />`}`;
}

/**
 * @param {(k: Key) => void} edit
 * @param {(k: Key) => void} remove
 */
function columns(edit, remove) {
  const devices = (/** @type {Key} */ k) => (!k.deviceIds ? t('admin.keys.allDevices')
    : k.deviceIds.slice(0, NAMES).join(', ') + (k.deviceIds.length > NAMES ? ' ' + t('admin.keys.andMore', { n: k.deviceIds.length - NAMES }) : ''));
  return [
    { name: t('admin.name'), className: 'wide', cell: (/** @type {Key} */ k) => html`<span class="who"><b>${k.name}</b> <small><code>${k.id}</code></small></span>` },
    { name: t('admin.keys.scopes'), cell: (/** @type {Key} */ k) => k.scopes.map((s) => html`<${Badge} key=${s}>${s}<//> `) },
    { name: t('admin.org'), cell: (/** @type {Key} */ k) => orgName(k.orgId) },
    { name: t('admin.keys.devices'), cell: devices },
    { name: t('admin.keys.end'), cell: (/** @type {Key} */ k) => (k.expired ? html`<${Badge} tone="bad">${t('admin.keys.expired')}<//>` : k.expiresAt ? html`<${Moment} at=${k.expiresAt} />` : t('admin.keys.never')) },
    { name: t('admin.keys.used'), cell: (/** @type {Key} */ k) => (k.lastUsedAt ? html`<${Age} at=${k.lastUsedAt} suffix /> <small>${k.lastUsedFrom || ''}</small>` : t('admin.keys.unused')) },
    { name: t('admin.actions'), className: 'acts', cell: (/** @type {Key} */ k) => html`
      <button class="secondary" aria-label=${t('admin.editOne', { what: k.name })} onClick=${() => edit(k)}>${t('edit')}</button>
      <button class="secondary" aria-label=${t('admin.deleteOne', { what: k.name })} onClick=${() => remove(k)}>${t('remove')}</button>` },
  ];
}
