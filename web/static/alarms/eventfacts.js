// The facts of an alarm.
import { html } from '../parts/html.js';
import { Panel } from '../parts/page.js';
import { exact } from '../core/format.js';
import { whole } from '../core/me.js';
import { to } from '../core/route.js';
import { t } from '../core/words.js';
import { lasting, measured, person, span, Where } from './frame.js';

const at = (/** @type {string} */ ts) => html`<time class="num" dateTime=${ts}>${exact(Date.parse(ts))}</time>`;

/** @param {{e: import('../core/api.js').AlertEvent}} p */
export function EventFacts({ e }) {
  const silent = e.kind === 'no_data';
  const rows = [
    [t('alarms.fact.port'), html`<${Where} e=${e} />`],
    whole.value && [t('alarms.fact.org'), e.orgId],
    [t('alarms.fact.rule'), html`<a href=${to('alarms', 'rules', e.ruleId) + '?revision=' + e.ruleRevision}>${e.ruleName}</a> <span class="hint">${t('rules.revision', { n: e.ruleRevision })}</span>`],
    [t('alarms.fact.kind'), t('rules.kind.' + e.kind)],
    [t('alarms.fact.started'), at(e.startedAt)],
    e.triggeredAt !== e.startedAt && [t('alarms.fact.triggered'), at(e.triggeredAt)],
    e.resolvedAt && [t('alarms.fact.resolved'), html`${at(e.resolvedAt)} <span class="hint">${e.end && t('alarms.end.' + e.end)}</span>`],
    [t('alarms.fact.lasted'), span(lasting(e))],
    [silent ? t('alarms.fact.silence') : t(e.resolvedAt ? 'alarms.worst' : 'alarms.worstThen'), html`<b class="num">${measured(e, e.worst)}</b> ${e.worstAt && html`<span class="hint">${at(e.worstAt)}</span>`}`],
    !silent && [t('alarms.fact.first'), html`<span class="num">${measured(e, e.first)}</span>`],
    !silent && [t('alarms.fact.last'), html`<span class="num">${measured(e, e.last)}</span>`],
    !!e.flaps && [t('alarms.fact.flaps'), e.flaps],
    e.acknowledged && [t('alarms.fact.acknowledged'), html`${person(e.acknowledged.by)} <span class="hint">${at(e.acknowledged.at)}</span>`],
    e.silencedBy && [t('alarms.fact.silenced'), html`<a href="/alarms/silences">${e.silencedBy}</a>`],
    e.escalated && [t('alarms.fact.escalated'), t('alarms.yes')],
    e.labels && Object.keys(e.labels).length > 0 && [t('rules.field.labels'), Object.entries(e.labels).map(([k, v]) => `${k}=${v}`).join(', ')],
    [t('alarms.fact.id'), html`<code>${e.id}</code>`],
  ];
  return html`
    <${Panel} title=${t('alarms.facts')}>
      <dl class="facts-list">${rows.filter(Boolean).map((r) => html`<dt key=${/** @type {any} */ (r)[0] + 't'}>${/** @type {any} */ (r)[0]}</dt><dd>${/** @type {any} */ (r)[1]}</dd>`)}</dl>
    <//>`;
}
