// The silences: when alarms are kept, and nobody is told.
import { useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Age } from '../parts/age.js';
import { ask } from '../parts/dialog.js';
import { say } from '../parts/notice.js';
import { Badge, Empty, Page } from '../parts/page.js';
import { Asking, useQuery } from '../parts/query.js';
import { Table } from '../parts/table.js';
import { now } from '../core/clock.js';
import { moment } from '../core/format.js';
import { may, whole } from '../core/me.js';
import { query, setQuery, to } from '../core/route.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { person, tabs } from './frame.js';
import { all } from './nouns.js';
import { SilenceForm } from './silence.js';

/**
 * @typedef {{id: string, orgId: string, comment: string, deviceIds?: string[], ruleIds?: string[], labels?: Record<string, string>,
 *   startsAt: string, endsAt?: string, schedule?: import('./draft.js').Schedule, createdBy: string, createdAt: string}} Silence
 */

const states = ['active', 'coming', 'over'];

/**
 * stateOf says where a silence stands.
 * @param {Silence} s
 * @param {number} at Unix ms
 */
export function stateOf(s, at) {
  if (Date.parse(s.startsAt) > at) return 'coming';
  return s.endsAt && Date.parse(s.endsAt) <= at ? 'over' : 'active';
}

/** hoursText writes recurring hours. @param {import('./draft.js').Schedule} s */
export function hoursText(s) {
  const days = s.days?.length ? s.days.map((d) => t('rules.day.' + d)).join(' ') : t('rules.everyDay');
  return `${days} ${s.from ? `${s.from}–${s.to}` : ''} ${s.zone}`;
}

const MINUTE_MS = 60_000;

export function Silences() {
  const state = query.value.get('state') || 'active';
  const asked = useQuery(async () => {
    const [list, rules] = await Promise.all([all('/silences'), all('/alert-rules')]);
    return { list: /** @type {Silence[]} */ (list), rules: new Map(rules.map((r) => [r.id, r.name])) };
  }, [], { every: MINUTE_MS, keep: true });
  const [making, setMaking] = useState(false);
  const minute = Math.floor(now.value / 1000) * 1000;
  const groups = Object.fromEntries(states.map((s) => [s, (asked.value?.list || []).filter((o) => stateOf(o, minute) === s)]));
  const rows = groups[state] || [];
  const name = (/** @type {string} */ id) => asked.value?.rules.get(id) || id;
  const end = (/** @type {Silence} */ s) => ask({
    title: t(state === 'over' ? 'alarms.silenceForget' : 'alarms.silenceEnd'), text: s.comment, button: t(state === 'over' ? 'remove' : 'alarms.endNow'), danger: state !== 'over',
    act: async () => {
      await api.call('/silences/' + encodeURIComponent(s.id), { method: 'DELETE' });
      say(t('alarms.silenceEnded'));
      await asked.reload();
    },
  });
  const columns = [
    { name: t('alarms.why'), cell: (/** @type {Silence} */ s) => html`<b>${s.comment}</b>`, className: 'wide' },
    { name: t('alarms.keepsQuiet'), cell: (/** @type {Silence} */ s) => what(s, name) },
    { name: t('alarms.from'), cell: (/** @type {Silence} */ s) => html`<span class="num nowrap">${moment(Date.parse(s.startsAt))}</span>` },
    { name: t('alarms.until'), cell: (/** @type {Silence} */ s) => html`
      <span class="num nowrap">${s.endsAt ? html`${moment(Date.parse(s.endsAt))} <small>${state === 'active' && html`<${Age} at=${s.endsAt} />`}</small>` : t('alarms.untilEnded')}</span>
      ${s.schedule && html`<br /><${Badge}>${hoursText(s.schedule)}<//>`}` },
    { name: t('alarms.by'), cell: (/** @type {Silence} */ s) => html`<span class="hint">${person(s.createdBy)}</span>`, className: 'narrow-hides' },
    ...(may('write') ? [{ name: t('alarms.do'), cell: (/** @type {Silence} */ s) => html`
      <button class="secondary" aria-label=${`${t(state === 'over' ? 'remove' : 'alarms.endNow')}: ${s.comment}`} onClick=${() => end(s)}>${t(state === 'over' ? 'remove' : 'alarms.endNow')}</button>` }] : []),
  ];
  return html`
    <${Page} title=${t('alarms.silences')} tabs=${tabs()} actions=${may('write') && html`<button class="primary" onClick=${() => setMaking(true)}>${t('alarms.silenceNew')}</button>`}>
      <section class="panel">
        <div class="filters alarm-filters">
          <div class="segments" role="group" aria-label=${t('alarms.stateLabel')}>
            ${states.map((s) => html`<button key=${s} aria-pressed=${s === state} onClick=${() => setQuery({ state: s === 'active' ? '' : s })}>${t('alarms.silenceStates.' + s)}${
              asked.value && html`<span class="count num">${groups[s].length}</span>`}</button>`)}
          </div>
        </div>
        <${Asking} of=${asked} />
        ${asked.value && (rows.length ? html`<${Table} label=${t('alarms.silences')} columns=${columns} rows=${rows} rowKey=${(/** @type {Silence} */ s) => s.id} />`
          : html`<${Empty} title=${t('alarms.silencesNone.' + state)}><p class="hint">${t('alarms.silencesHint')}</p><//>`)}
      </section>
      ${making && html`<${SilenceForm} preset=${{}} onClose=${() => setMaking(false)} onMade=${() => { setQuery({ state: '' }); asked.reload(); }} />`}
    <//>`;
}

/** @param {Silence} s @param {(id: string) => string} name of a rule */
function what(s, name) {
  const parts = [
    ...(s.deviceIds || []).map((id) => html`<a key=${id} href=${to('devices', id)}>${id}</a> `),
    ...(s.ruleIds || []).map((id) => html`<a key=${id} href=${to('alarms', 'rules', id)}>${name(id)}</a> `),
    ...Object.entries(s.labels || {}).map(([k, v]) => html`<code key=${k}>${k}=${v}</code> `),
  ];
  return html`${parts.length ? parts : t('alarms.everything')}${whole.value && html` <span class="hint">${s.orgId}</span>`}`;
}
