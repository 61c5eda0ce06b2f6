// The rules: what is an alarm.
import { useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Age } from '../parts/age.js';
import { say, tell } from '../parts/notice.js';
import { Badge, Empty, Page } from '../parts/page.js';
import { Asking, usePages } from '../parts/query.js';
import { Table } from '../parts/table.js';
import { may, whole } from '../core/me.js';
import { query, setQuery, to } from '../core/route.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { Severity, tabs } from './frame.js';
import { useOrganizations } from './nouns.js';
import { OrgChoice } from './orgchoice.js';
import { conditionText, selectionText } from './ruletext.js';

/** @typedef {import('./draft.js').Rule} RuleInfo */

export function Rules() {
  const q = query.value.get('q') || '';
  const enabled = query.value.get('enabled') || '';
  const orgId = query.value.get('org') || '';
  const orgs = useOrganizations();
  const [text, setText] = useState(q);
  const list = usePages((cursor) => /** @type {Promise<{items: RuleInfo[]}>} */ (
    api.call('/alert-rules', { query: { q, enabled, orgId, cursor, limit: 100 } })), [q, enabled, orgId]);
  const toggle = (/** @type {RuleInfo} */ r) => tell(async () => {
    const now = await api.call('/alert-rules/' + encodeURIComponent(r.id), { method: 'PATCH', body: { enabled: !r.enabled, revision: r.revision } });
    list.change((items) => items.map((o) => (o.id === r.id ? now : o)));
    say(t(now.enabled ? 'rules.nowEnabled' : 'rules.nowDisabled', { name: r.name }));
  });
  const columns = [
    { name: t('rules.field.name'), cell: (/** @type {RuleInfo} */ r) => r.name },
    { name: t('rules.field.condition'), cell: (/** @type {RuleInfo} */ r) => conditionText(r.condition, r.for), className: 'wide' },
    { name: t('rules.watches'), cell: (/** @type {RuleInfo} */ r) => selectionText(r.selection) },
    { name: t('rules.field.severity'), cell: (/** @type {RuleInfo} */ r) => html`<${Severity} of=${r.severity} />` },
    ...(whole.value ? [{ name: t('rules.field.org'), cell: (/** @type {RuleInfo} */ r) => r.orgId }] : []),
    { name: t('rules.changed'), cell: (/** @type {RuleInfo} */ r) => html`<span class="hint">${t('rules.revision', { n: r.revision })}, <${Age} at=${r.updatedAt} suffix /></span>`, className: 'narrow-hides' },
    { name: t('rules.field.enabled'), cell: (/** @type {RuleInfo} */ r) => (may('write')
      ? html`<button class="switch" role="switch" aria-checked=${r.enabled} aria-label=${t('rules.enable', { name: r.name })} onClick=${() => toggle(r)}><i />${t(r.enabled ? 'rules.on' : 'rules.off')}</button>`
      : html`<${Badge} tone=${r.enabled ? 'good' : 'quiet'}>${t(r.enabled ? 'rules.on' : 'rules.off')}<//>`) },
  ];
  return html`
    <${Page} title=${t('rules.title')} tabs=${tabs()} actions=${may('write') && html`<a class="button" href="/alarms/rules/new">${t('rules.new')}</a>`}>
      <section class="panel rules-table">
        <div class="filters alarm-filters">
          <form role="search" onSubmit=${(/** @type {Event} */ e) => { e.preventDefault(); setQuery({ q: text.trim() }); }}>
            <input type="search" aria-label=${t('rules.search')} placeholder=${t('rules.search')} value=${text}
              onInput=${(/** @type {any} */ e) => setText(e.target.value)} onChange=${(/** @type {any} */ e) => setQuery({ q: e.target.value.trim() })} />
          </form>
          <select aria-label=${t('rules.field.enabled')} value=${enabled} onChange=${(/** @type {any} */ e) => setQuery({ enabled: e.target.value })}>
            <option value="">${t('rules.anyEnabled')}</option>
            <option value="true">${t('rules.on')}</option>
            <option value="false">${t('rules.off')}</option>
          </select>
          <${OrgChoice} orgs=${orgs} orgId=${orgId} />
        </div>
        <${Asking} of=${list} />
        ${list.items && (list.items.length ? html`
          <${Table} label=${t('rules.title')} columns=${columns} rows=${list.items} rowKey=${(/** @type {RuleInfo} */ r) => r.id}
            href=${(/** @type {RuleInfo} */ r) => to('alarms', 'rules', r.id)} more=${list.more} loading=${list.loading}
            rowClass=${(/** @type {RuleInfo} */ r) => (r.enabled ? '' : 'off')} />` : html`
          <${Empty} title=${q || enabled || orgId ? t('alarms.noMatch') : t('rules.none')}><p class="hint">${t('rules.noneHint')}</p><//>`)}
      </section>
    <//>`;
}
