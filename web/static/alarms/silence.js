// A new silence.
import { useEffect, useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Dialog } from '../parts/dialog.js';
import { Field, Form } from '../parts/field.js';
import { say } from '../parts/notice.js';
import { useQuery } from '../parts/query.js';
import { now } from '../core/clock.js';
import { me } from '../core/me.js';
import { api } from '../core/session.js';
import { zone } from '../core/settings.js';
import { t } from '../core/words.js';
import { devices } from '../shell/pulse.js';
import { faultOf, hoursOf, labelsOf, scheduleOf } from './draft.js';
import { HoursFields } from './hours.js';
import { all, useOrganizations } from './nouns.js';
import { Pick } from './pick.js';

const spans = { '1h': 3_600_000, '4h': 4 * 3_600_000, '1d': 86_400_000, '7d': 7 * 86_400_000 };

/**
 * typedTime reads what a field of date and time has, in the zone that the
 * reader chose; NaN: none.
 * @param {string} text
 */
export function typedTime(text) { return Date.parse(zone.peek() === 'utc' ? text + 'Z' : text); }

/**
 * @param {{preset: {orgId?: string, deviceIds?: string[], ruleIds?: string[]}, onClose: () => void, onMade?: () => void}} p
 */
export function SilenceForm({ preset, onClose, onMade }) {
  const [d, setDraft] = useState({
    orgId: preset.orgId || me.peek()?.orgId || '', comment: '', deviceIds: preset.deviceIds || [], ruleIds: preset.ruleIds || [], labels: '',
    from: '', lasts: '1h', to: '', hours: hoursOf(),
  });
  const [faults, setFaults] = useState(/** @type {Record<string, string>} */ ({}));
  const orgs = useOrganizations();
  const rules = useQuery(() => all('/alert-rules', { orgId: d.orgId }), [d.orgId], { keep: true });
  const set = (/** @type {Partial<typeof d>} */ some) => setDraft((o) => ({ ...o, ...some }));
  useEffect(() => { if (!d.orgId && orgs.length) set({ orgId: orgs[0].id }); }, [orgs.length]);
  const submit = async () => {
    const iso = (/** @type {number} */ ts) => new Date(ts).toISOString();
    const start = d.from ? typedTime(d.from) : NaN;
    const begin = Number.isNaN(start) ? now.peek() : start;
    const end = d.lasts === 'to' ? typedTime(d.to) : d.lasts === '' ? NaN : begin + spans[/** @type {keyof typeof spans} */ (d.lasts)];
    const labels = labelsOf(d.labels);
    await api.call('/silences', { method: 'POST', body: {
      orgId: d.orgId, comment: d.comment.trim(), deviceIds: d.deviceIds, ruleIds: d.ruleIds,
      ...(Object.keys(labels).length ? { labels } : {}), ...(Number.isNaN(start) ? {} : { startsAt: iso(start) }), ...(Number.isNaN(end) ? {} : { endsAt: iso(end) }),
      schedule: scheduleOf(d.hours),
    } });
    say(t('alarms.silenceMade'));
    onMade?.();
    onClose();
  };
  const mine = (devices.value || []).filter((o) => o.orgId === d.orgId);
  return html`
    <${Dialog} title=${t('alarms.silenceNew')} onClose=${onClose}>
      <${Form} onSubmit=${submit} onCancel=${onClose} onFaults=${setFaults} button=${t('alarms.silence')}>
        <p class="hint">${t('alarms.silencesHint')}</p>
        <${Field} label=${t('alarms.why')} name="comment" value=${d.comment} onInput=${(/** @type {string} */ comment) => set({ comment })} fault=${faultOf(faults, 'comment')} required autofocus />
        ${orgs.length > 1 && !preset.orgId && html`
          <${Field} label=${t('rules.field.org')} name="orgId" type="select" value=${d.orgId} onInput=${(/** @type {string} */ orgId) => set({ orgId, deviceIds: [], ruleIds: [] })}
            options=${orgs.map((o) => ({ value: o.id, name: o.name }))} fault=${faultOf(faults, 'orgId')} />`}
        <${Pick} label=${t('rules.field.devices')} name="deviceIds" values=${d.deviceIds} options=${mine.map((o) => ({ value: o.id, name: o.name || '' }))} empty=${t('rules.allDevices')}
          onChange=${(/** @type {string[]} */ v) => set({ deviceIds: v })} fault=${faultOf(faults, 'deviceIds', 'device')} />
        <${Pick} label=${t('rules.title')} name="ruleIds" values=${d.ruleIds} options=${(rules.value || []).map((r) => ({ value: r.id, name: r.name }))} empty=${t('alarms.anyRule')} byName
          onChange=${(/** @type {string[]} */ v) => set({ ruleIds: v })} fault=${faultOf(faults, 'ruleIds')} />
        <div class="form-row">
          <${Field} label=${t('alarms.from')} name="startsAt" type="datetime-local" value=${d.from} onInput=${(/** @type {string} */ from) => set({ from })} fault=${faultOf(faults, 'startsAt')} hint=${t('alarms.fromHint')} />
          <${Field} label=${t('alarms.until')} name="lasts" type="select" value=${d.lasts} onInput=${(/** @type {string} */ lasts) => set({ lasts })} fault=${d.lasts === 'to' ? undefined : faultOf(faults, 'endsAt')}
            options=${[...Object.keys(spans).map((s) => ({ value: s, name: t('alarms.spans.' + s) })), { value: 'to', name: t('alarms.spans.to') }, ...(d.hours.on ? [{ value: '', name: t('alarms.untilEnded') }] : [])]} />
          ${d.lasts === 'to' && html`<${Field} label=${t('alarms.until')} name="endsAt" type="datetime-local" value=${d.to} onInput=${(/** @type {string} */ v) => set({ to: v })} fault=${faultOf(faults, 'endsAt')} />`}
        </div>
        <details class="more-fields">
          <summary>${t('alarms.silenceMore')}</summary>
          <div class="form">
            <${HoursFields} hours=${d.hours} label=${t('alarms.recurring')} faults=${faults} onChange=${(/** @type {any} */ hours) => set({ hours, lasts: !hours.on && d.lasts === '' ? '1h' : d.lasts })} />
            <${Field} label=${t('rules.field.labels')} name="labels" type="textarea" rows=${2} value=${d.labels} onInput=${(/** @type {string} */ labels) => set({ labels })} fault=${faultOf(faults, 'labels')} hint=${t('alarms.silenceLabels')} />
          </div>
        </details>
      <//>
    <//>`;
}
