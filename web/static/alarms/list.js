// Alarms, one below the other.
import { useLayoutEffect, useRef } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Age } from '../parts/age.js';
import { Badge } from '../parts/page.js';
import { exact, moment } from '../core/format.js';
import { may, whole } from '../core/me.js';
import { to } from '../core/route.js';
import { t } from '../core/words.js';
import { lasting, measured, person, portOf, Severity, span } from './frame.js';

/** @typedef {import('../core/api.js').AlertEvent} AlertEvent */

/**
 * AlarmList shows alarms. When the one that has the focus goes, the focus
 * stays at its place.
 * @param {{rows: AlertEvent[], chosen: import('@preact/signals').Signal<Set<string>>, onAcknowledge: (e: AlertEvent) => void,
 *   more?: (() => void) | null, loading?: boolean}} p
 */
export function AlarmList({ rows, chosen, onAcknowledge, more, loading }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const focused = useRef({ id: '', at: 0 });
  const keep = (/** @type {FocusEvent} */ e) => {
    const id = /** @type {HTMLElement} */ (e.target).closest('li')?.dataset.id || '';
    focused.current = { id, at: rows.findIndex((r) => r.id === id) };
  };
  useLayoutEffect(() => { // before anybody sees the row gone
    const { id, at } = focused.current;
    if (!id || rows.some((r) => r.id === id)) return;
    focused.current = { id: '', at: 0 };
    const free = !document.activeElement || document.activeElement === document.body;
    const links = box.current?.querySelectorAll('li .alarm-what > a') || [];
    if (free && links.length) /** @type {HTMLElement} */ (links[Math.min(at, links.length - 1)]).focus({ preventScroll: true });
  });
  const pick = (/** @type {string} */ id, /** @type {boolean} */ on) => {
    const next = new Set(chosen.value);
    if (on) next.add(id); else next.delete(id);
    chosen.value = next;
  };
  return html`
    <ol class="alarm-list" aria-label=${t('nav.alarms')} ref=${box} onFocusIn=${keep}>
      ${rows.map((e) => html`<${Row} key=${e.id} e=${e} chosen=${chosen.value.has(e.id)} onChoose=${pick} onAcknowledge=${onAcknowledge} />`)}
    </ol>
    ${more && html`<p class="more"><button class="quiet" onClick=${more} disabled=${loading}>${loading ? t('busy') : t('more')}</button></p>`}`;
}

/**
 * @param {{e: AlertEvent, chosen: boolean, onChoose: (id: string, on: boolean) => void, onAcknowledge: (e: AlertEvent) => void}} p
 */
function Row({ e, chosen, onChoose, onAcknowledge }) {
  const write = may('write');
  const open = !e.resolvedAt;
  return html`
    <li class="alarm ${e.severity} ${open ? 'open' : 'ended'}" data-id=${e.id}>
      ${write && html`<input type="checkbox" checked=${chosen} disabled=${!open} aria-label=${t('alarms.choose', { what: e.message })}
        onChange=${(/** @type {any} */ ev) => onChoose(e.id, ev.target.checked)} />`}
      <${Severity} of=${e.severity} />
      <div class="alarm-what">
        <a class="alarm-link" href=${to('alarms', e.id)}>${e.message}</a>
        <p class="hint">${[e.ruleName, ...(e.message.includes(e.deviceId) ? [] : [e.deviceId, portOf(e)]), ...(whole.value ? [e.orgId] : [])].join(' · ')}</p>
      </div>
      <div class="alarm-flags"><${Flags} e=${e} /></div>
      <div class="alarm-worst num" title=${t(open ? 'alarms.worstThen' : 'alarms.worst')}>${measured(e, e.worst)}</div>
      <div class="alarm-when num">
        ${open ? html`<${Age} at=${e.triggeredAt} suffix />` : html`<time dateTime=${e.startedAt} title=${exact(Date.parse(e.startedAt))}>${moment(Date.parse(e.startedAt))}</time>`}
        <small>${t(open ? 'alarms.lasts' : 'alarms.lasted', { time: span(lasting(e)) })}</small>
      </div>
      <div class="alarm-do">
        ${write && open && !e.acknowledged && html`
          <button class="secondary" aria-label=${t('alarms.acknowledgeIt', { what: e.message })} onClick=${() => onAcknowledge(e)}>${t('alarms.acknowledge')}</button>`}
      </div>
    </li>`;
}

/** Flags say what else there is to an alarm. @param {{e: AlertEvent}} p */
export function Flags({ e }) {
  return html`
    ${e.state === 'recovering' && html`<${Badge} tone="good" title=${t('alarms.recoveringHint')}>${t('alarms.states.recovering')}<//>`}
    ${e.state === 'resolved' && html`<${Badge} tone=${e.end === 'cleared' ? 'good' : 'quiet'} title=${e.end && t('alarms.end.' + e.end)}>${t('alarms.states.resolved')}<//>`}
    ${e.acknowledged && html`<${Badge} title=${[person(e.acknowledged.by), e.acknowledged.comment].filter(Boolean).join(': ')}>${t('alarms.takenOn', { who: person(e.acknowledged.by).split('@')[0] })}<//>`}
    ${!!e.comments?.length && html`<${Badge}>${t('alarms.commentCount', { n: e.comments.length })}<//>`}
    ${!!e.flaps && html`<${Badge} title=${t('alarms.flapsHint')}>${t('alarms.flaps', { n: e.flaps })}<//>`}
    ${e.silencedBy && html`<${Badge} title=${e.silencedBy}>${t('alarms.silenced')}<//>`}
    ${e.escalated && html`<${Badge} tone="bad">${t('alarms.escalated')}<//>`}`;
}
