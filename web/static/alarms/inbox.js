// The inbox: what is wrong now, what somebody has taken on, what is over.
import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Empty, Page } from '../parts/page.js';
import { Asking, useQuery } from '../parts/query.js';
import { tell } from '../parts/notice.js';
import { count } from '../core/format.js';
import { may, whole } from '../core/me.js';
import { query, setQuery } from '../core/route.js';
import { t } from '../core/words.js';
import { alarms, devices } from '../shell/pulse.js';
import { Acknowledge, giveBack } from './acknowledge.js';
import { matches, states, useInbox } from './follow.js';
import { severities, tabs } from './frame.js';
import { AlarmList } from './list.js';
import { all, useOrganizations } from './nouns.js';
import { OrgChoice } from './orgchoice.js';

/** @typedef {import('./follow.js').Filter} Filter */

/** chosen are the ids that are ticked. */
const chosen = signal(/** @type {Set<string>} */ (new Set()));

/** filter reads the address. @returns {Filter} */
function filter() {
  const q = query.value;
  const state = q.get('state') || 'open';
  return {
    state: state in states ? state : 'open', severity: q.get('severity') || '', deviceId: q.get('device') || '',
    ruleId: q.get('rule') || '', orgId: q.get('org') || '',
  };
}

export function Inbox() {
  const f = filter();
  const list = useInbox(f);
  const [acking, setAcking] = useState(/** @type {import('./follow.js').AlertEvent[] | null} */ (null));
  useEffect(() => { chosen.value = new Set(); }, [JSON.stringify(f)]);
  const rows = list.items || [];
  const picked = rows.filter((e) => chosen.value.has(e.id));
  return html`
    <${Page} title=${t('nav.alarms')} tabs=${tabs()}>
      <section class="panel">
        <${Filters} f=${f} />
        ${may('write') && picked.length > 0 && html`
          <div class="chosen" role="group" aria-label=${t('alarms.chosen', { n: picked.length })}>
            <span class="num">${t('alarms.chosen', { n: picked.length })}</span>
            ${picked.some((e) => !e.acknowledged && !e.resolvedAt) && html`
              <button class="secondary" onClick=${() => setAcking(picked.filter((e) => !e.acknowledged && !e.resolvedAt))}>${t('alarms.acknowledge')}</button>`}
            ${picked.some((e) => e.acknowledged && !e.resolvedAt) && html`
              <button class="secondary" onClick=${() => tell(() => giveBack(picked.filter((e) => e.acknowledged && !e.resolvedAt)))}>${t('alarms.unacknowledge')}</button>`}
            <button class="quiet" onClick=${() => { chosen.value = new Set(); }}>${t('alarms.chooseNone')}</button>
          </div>`}
        <${Asking} of=${list} />
        ${list.items && (rows.length ? html`
          <${AlarmList} rows=${rows} chosen=${chosen} onAcknowledge=${(/** @type {any} */ e) => setAcking([e])} more=${list.more} loading=${list.loading} />`
          : html`<${Nothing} f=${f} />`)}
      </section>
      ${acking && html`<${Acknowledge} events=${acking} onClose=${() => setAcking(null)} onDone=${() => { chosen.value = new Set(); }} />`}
    <//>`;
}

/** @param {{f: Filter}} p */
function Filters({ f }) {
  const rules = useQuery(() => all('/alert-rules', { orgId: f.orgId }), [f.orgId], { keep: true });
  const orgs = useOrganizations();
  const set = (/** @type {string} */ name) => (/** @type {any} */ e) => setQuery({ [name]: e.target.value.trim() });
  const open = alarms.value;
  const n = (/** @type {string} */ state) => open && (state === 'open' || state === 'acknowledged')
    ? [...open.values()].filter((e) => matches(e, { ...f, state })).length : undefined;
  return html`
    <div class="filters alarm-filters">
      <div class="segments" role="group" aria-label=${t('alarms.stateLabel')}>
        ${Object.keys(states).map((s) => html`
          <button key=${s} aria-pressed=${f.state === s} onClick=${() => setQuery({ state: s === 'open' ? '' : s })}>${t('alarms.states.' + s)}${
            n(s) !== undefined && html`<span class="count num">${count(/** @type {number} */ (n(s)))}</span>`}</button>`)}
      </div>
      <select aria-label=${t('alarms.severityLabel')} value=${f.severity} onChange=${set('severity')}>
        <option value="">${t('alarms.anySeverity')}</option>
        ${severities.map((s) => html`<option key=${s} value=${s}>${t('alarms.severity.' + s)}</option>`)}
      </select>
      <input type="search" aria-label=${t('alarms.deviceLabel')} placeholder=${t('alarms.anyDevice')} value=${f.deviceId} onChange=${set('device')} list="alarm-devices" />
      <datalist id="alarm-devices">${(devices.value || []).slice(0, 300).map((d) => html`<option key=${d.id} value=${d.id} />`)}</datalist>
      <select aria-label=${t('alarms.ruleLabel')} value=${f.ruleId} onChange=${set('rule')}>
        <option value="">${t('alarms.anyRule')}</option>
        ${f.ruleId && !rules.value?.some((r) => r.id === f.ruleId) && html`<option value=${f.ruleId}>${f.ruleId}</option>`}
        ${(rules.value || []).map((r) => html`<option key=${r.id} value=${r.id}>${r.name}${whole.value && !f.orgId ? ' · ' + r.orgId : ''}</option>`)}
      </select>
      <${OrgChoice} orgs=${orgs} orgId=${f.orgId} />
    </div>`;
}

/** @param {{f: Filter}} p */
function Nothing({ f }) {
  if (f.severity || f.deviceId || f.ruleId || f.orgId) {
    return html`
      <${Empty} title=${t('alarms.noMatch')}>
        <button class="link" onClick=${() => setQuery({ severity: '', device: '', rule: '', org: '' })}>${t('alarms.noFilter')}</button>
      <//>`;
  }
  const words = t('alarms.none.' + f.state);
  return html`
    <${Empty} title=${words}>
      <p class="hint">${t('alarms.noneHint')} <a href="/alarms/rules">${t('rules.title')}</a></p>
    <//>`;
}
