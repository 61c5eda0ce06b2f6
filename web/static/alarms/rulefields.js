// The fields of a rule.
import { html } from '../parts/html.js';
import { Field } from '../parts/field.js';
import { useQuery } from '../parts/query.js';
import { may } from '../core/me.js';
import { t } from '../core/words.js';
import { api } from '../core/session.js';
import { devices } from '../shell/pulse.js';
import { conditionOf, faultOf, kinds } from './draft.js';
import { severities } from './frame.js';
import { HoursFields } from './hours.js';
import { useChannels, useOrganizations } from './nouns.js';
import { Pick } from './pick.js';
import { conditionText } from './ruletext.js';

/**
 * @typedef {import('./draft.js').Draft} Draft
 * @typedef {{draft: Draft, faults: Record<string, string>, onChange: (d: Partial<Draft>) => void}} Part
 */

/**
 * @param {Part & {fresh: boolean, unit: string, port: import('../core/api.js').Port | null, onLevel: (field: string, v: string) => void}} p
 *   port: whose curve is seen beside; its limits stand in for levels that are not given
 */
export function RuleFields({ draft, fresh, faults, onChange, onLevel, unit, port }) {
  const orgs = useOrganizations();
  return html`
    <div class="form-row">
      <${Field} label=${t('rules.field.name')} name="name" value=${draft.name} onInput=${(/** @type {string} */ name) => onChange({ name })} fault=${faultOf(faults, 'name')} required autofocus=${fresh} />
      <${Field} label=${t('rules.field.severity')} name="severity" type="select" value=${draft.severity} onInput=${(/** @type {string} */ severity) => onChange({ severity })}
        options=${severities.map((s) => ({ value: s, name: t('alarms.severity.' + s) }))} fault=${faultOf(faults, 'severity')} />
      ${fresh && orgs.length > 1 && html`
        <${Field} label=${t('rules.field.org')} name="orgId" type="select" value=${draft.orgId} onInput=${(/** @type {string} */ orgId) => onChange({ orgId, deviceIds: [], channels: [], escalateTo: [] })}
          options=${orgs.map((o) => ({ value: o.id, name: o.name }))} fault=${faultOf(faults, 'orgId')} />`}
    </div>
    <${ConditionFields} draft=${draft} faults=${faults} onChange=${onChange} onLevel=${onLevel} unit=${unit} port=${port} />
    <${SelectionFields} draft=${draft} faults=${faults} onChange=${onChange} />
    <${DeliveryFields} draft=${draft} faults=${faults} onChange=${onChange} />
    <${HoursFields} hours=${draft.hours} label=${t('rules.hours')} hint=${t('rules.hoursHint')} faults=${faults} onChange=${(/** @type {any} */ hours) => onChange({ hours })} />
    <details class="more-fields">
      <summary>${t('rules.moreFields')}</summary>
      <div class="form">
        <${Field} label=${t('rules.field.message')} name="message" type="textarea" rows=${2} value=${draft.message} onInput=${(/** @type {string} */ message) => onChange({ message })}
          fault=${faultOf(faults, 'message')} hint=${t('rules.messageHint')} placeholder=${'{name} of {device} is {reading}, {threshold}{lasting}'} />
        <div class="form-row">
          <${Field} label=${t('rules.field.labels')} name="labels" type="textarea" rows=${2} value=${draft.labels} onInput=${(/** @type {string} */ labels) => onChange({ labels })}
            fault=${faultOf(faults, 'labels')} hint=${t('rules.labelsHint')} />
          <${Field} label=${t('rules.field.owner')} name="owner" value=${draft.owner} onInput=${(/** @type {string} */ owner) => onChange({ owner })} fault=${faultOf(faults, 'owner')} />
        </div>
      </div>
    </details>
    <${Field} type="checkbox" label=${t('rules.field.enabled')} name="enabled" value=${draft.enabled} onInput=${(/** @type {boolean} */ enabled) => onChange({ enabled })} />`;
}

/**
 * @param {Part & {unit: string, port: import('../core/api.js').Port | null, onLevel: (field: string, v: string) => void}} p
 */
function ConditionFields({ draft, faults, onChange, onLevel, unit, port }) {
  const own = /** @type {Record<string, number | undefined>} */ ({ high: port?.high, low: port?.low });
  const hint = (/** @type {string} */ name) => t('rules.fieldHint.' + name);
  const duration = (/** @type {'for' | 'keepFiringFor' | 'joinWithin'} */ name) => html`
    <${Field} key=${name} label=${t('rules.field.' + name)} name=${name} value=${draft[name]} placeholder=${t('rules.atOnce.' + name)}
      onInput=${(/** @type {string} */ v) => onChange({ [name]: v })} fault=${faultOf(faults, name)} hint=${hint(name)} />`;
  return html`
    <fieldset>
      <legend>${t('rules.field.condition')}</legend>
      <${Field} label=${t('rules.field.kind')} name="kind" type="select" value=${draft.kind} onInput=${(/** @type {string} */ kind) => onChange({ kind })}
        options=${Object.keys(kinds).map((k) => ({ value: k, name: t('rules.kind.' + k) }))} fault=${faultOf(faults, 'kind', 'condition')} hint=${t('rules.kindHint.' + draft.kind)} />
      <div class="form-row">
        ${Object.entries(kinds[draft.kind] || {}).map(([name, type]) => html`
          <${Field} key=${name} label=${t('rules.field.' + name)} name=${name} type=${type === 'd' ? 'text' : 'number'} step="any" value=${draft.level[name] ?? ''}
            unit=${type === 'v' ? unit : ''} onInput=${(/** @type {string} */ v) => onLevel(name, v)} fault=${faultOf(faults, name)}
            placeholder=${type === 'd' ? '10m' : own[name] !== undefined && draft.kind !== 'between' ? String(own[name]) : ''}
            hint=${(name === 'high' || name === 'low') && draft.kind === 'between' ? undefined : hint(name)} />`)}
      </div>
      <div class="form-row">${draft.kind !== 'changed' && duration('for')}${duration('keepFiringFor')}${duration('joinWithin')}</div>
      <p class="says">${conditionText(conditionOf(draft), draft.kind === 'changed' ? '' : draft.for)}</p>
    </fieldset>`;
}

/** @param {Part} p */
function SelectionFields({ draft, faults, onChange }) {
  const mine = (devices.value || []).filter((d) => !draft.orgId || d.orgId === draft.orgId);
  const tags = [...new Set(mine.flatMap((d) => d.tags || []))].sort();
  const first = draft.deviceIds[0];
  const of = useQuery(async () => (first ? api.device(first) : null), [first]);
  const ports = (of.value?.ports || []).map((p) => ({ value: String(p.number), name: p.name || '' }));
  return html`
    <fieldset>
      <legend>${t('rules.watches')}</legend>
      <p class="hint">${t('rules.watchesHint')}</p>
      <${Pick} label=${t('rules.field.devices')} name="deviceIds" values=${draft.deviceIds} options=${mine.map((d) => ({ value: d.id, name: d.name || '' }))}
        onChange=${(/** @type {string[]} */ deviceIds) => onChange({ deviceIds })} fault=${faultOf(faults, 'deviceIds', 'device', 'selection')} empty=${t('rules.allDevices')} />
      <${Pick} label=${t('rules.field.tags')} name="tags" values=${draft.tags} options=${tags.map((v) => ({ value: v, name: '' }))}
        onChange=${(/** @type {string[]} */ v) => onChange({ tags: v })} fault=${faultOf(faults, 'tags')} empty=${t('rules.anyTag')} />
      <${Pick} label=${t('rules.field.ports')} name="ports" values=${draft.ports} options=${ports} hint=${t('rules.portsHint')}
        onChange=${(/** @type {string[]} */ v) => onChange({ ports: v })} fault=${faultOf(faults, 'ports', 'portNames')} empty=${t('rules.allPorts')} />
    </fieldset>`;
}

/** @param {Part} p */
function DeliveryFields({ draft, faults, onChange }) {
  const channels = useChannels(draft.orgId);
  const time = (/** @type {'repeatEvery' | 'escalateAfter'} */ name) => html`
    <${Field} label=${t('rules.field.' + name)} name=${name} value=${draft[name]} placeholder=${t('rules.never')} onInput=${(/** @type {string} */ v) => onChange({ [name]: v })}
      fault=${faultOf(faults, name)} hint=${t('rules.fieldHint.' + name)} />`;
  const toggle = (/** @type {string[]} */ list, /** @type {string} */ id, /** @type {boolean} */ on) => (on ? [...list, id] : list.filter((o) => o !== id));
  const pick = (/** @type {'channels' | 'escalateTo'} */ name) => {
    const known = channels.map((c) => c.id);
    const shown = [...channels, ...draft[name].filter((id) => !known.includes(id)).map((id) => ({ id, name: id, type: '', enabled: true }))];
    const fault = faultOf(faults, name, ...(name === 'channels' ? ['channel'] : []));
    return html`
      <div class="field checks" role="group" aria-label=${t('rules.field.' + name)}>
        <span class="label">${t('rules.field.' + name)}</span>
        ${shown.map((c) => html`
          <${Field} key=${c.id} type="checkbox" name=${name} label=${c.name + (c.type ? ' · ' + t('channels.type.' + c.type) : '') + (c.enabled ? '' : ' · ' + t('rules.off'))} value=${draft[name].includes(c.id)}
            onInput=${(/** @type {boolean} */ on) => onChange({ [name]: toggle(draft[name], c.id, on) })} />`)}
        ${name === 'channels' && !draft.channels.length && html`<p class="hint">${t('rules.channelsBySeverity')}</p>`}
        ${!shown.length && may('write') && html`<p class="hint">${t('rules.noChannels')} <a href="/alarms/channels/new">${t('channels.new')}</a></p>`}
        ${fault && html`<p class="fault">${fault}</p>`}
      </div>`;
  };
  return html`
    <fieldset>
      <legend>${t('rules.whoHears')}</legend>
      ${pick('channels')}
      <div class="form-row">${time('repeatEvery')}${time('escalateAfter')}</div>
      ${draft.escalateAfter.trim() !== '' && pick('escalateTo')}
    </fieldset>`;
}
