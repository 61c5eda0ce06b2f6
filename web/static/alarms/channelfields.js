// The fields of a channel, those of its type.
import { html } from '../parts/html.js';
import { Field } from '../parts/field.js';
import { Icon } from '../parts/icon.js';
import { t } from '../core/words.js';
import { hiddenUrl, methods, moved, types } from './channeldraft.js';
import { faultOf } from './draft.js';
import { severities } from './frame.js';
import { Pick } from './pick.js';

/**
 * @typedef {import('./channeldraft.js').ChannelDraft} ChannelDraft
 * @typedef {import('./channeldraft.js').ChannelInfo} ChannelInfo
 * @typedef {{draft: ChannelDraft, is: ChannelInfo | null, faults: Record<string, string>, onChange: (d: Partial<ChannelDraft>) => void}} Part
 */

/** @param {Part & {orgs: {id: string, name: string}[]}} p is: as it is on the box; null: it is new */
export function ChannelFields({ draft, is, faults, onChange, orgs }) {
  const has = (/** @type {string} */ field) => types[draft.type]?.includes(field);
  const twilio = draft.type === 'sms' && draft.provider === 'twilio';
  const text = (/** @type {'from' | 'subject' | 'text' | 'body' | 'expireAfter' | 'digestEvery' | 'ratePerHour'} */ name, more = {}) => html`
    <${Field} key=${name} label=${t('channels.field.' + name)} name=${name} value=${draft[name]} onInput=${(/** @type {string} */ v) => onChange({ [name]: v })} fault=${faultOf(faults, name)} ...${more} />`;
  return html`
    <div class="form-row">
      <${Field} label=${t('rules.field.name')} name="name" value=${draft.name} onInput=${(/** @type {string} */ name) => onChange({ name })} fault=${faultOf(faults, 'name')} required autofocus=${!is} />
      ${!is && html`
        <${Field} label=${t('channels.field.type')} name="type" type="select" value=${draft.type} onInput=${(/** @type {string} */ type) => onChange({ type })}
          options=${Object.keys(types).map((v) => ({ value: v, name: t('channels.type.' + v) }))} fault=${faultOf(faults, 'type')} />`}
      ${!is && orgs.length > 1 && html`
        <${Field} label=${t('rules.field.org')} name="orgId" type="select" value=${draft.orgId} onInput=${(/** @type {string} */ orgId) => onChange({ orgId })}
          options=${orgs.map((o) => ({ value: o.id, name: o.name }))} fault=${faultOf(faults, 'orgId')} />`}
    </div>
    ${has('provider') && html`
      <${Field} label=${t('channels.field.provider')} name="provider" type="select" value=${draft.provider} onInput=${(/** @type {string} */ provider) => onChange({ provider })}
        options=${[{ value: '', name: t('channels.anyGateway') }, { value: 'twilio', name: 'Twilio' }]} fault=${faultOf(faults, 'provider')} />`}
    ${has('to') && html`
      <${Pick} label=${t('channels.to.' + draft.type)} name="to" values=${draft.to} options=${[]} onChange=${(/** @type {string[]} */ v) => onChange({ to: v })} fault=${faultOf(faults, 'to')}
        hint=${t('channels.toHint')} empty=${t('channels.toExample.' + draft.type)} />`}
    ${has('from') && text('from', { placeholder: '+15550100' })}
    ${has('url') && !twilio && html`<${Address} draft=${draft} is=${is} faults=${faults} onChange=${onChange} />`}
    ${has('secret') && html`<${Secret} draft=${draft} is=${is} faults=${faults} onChange=${onChange} />`}
    ${has('method') && !twilio && html`
      <${Field} label=${t('channels.field.method')} name="method" type="select" value=${draft.method} onInput=${(/** @type {string} */ method) => onChange({ method })} fault=${faultOf(faults, 'method')}
        options=${methods[draft.type].map((m, i) => ({ value: i ? m : '', name: m }))} />`}
    ${has('headers') && !twilio && html`<${Headers} draft=${draft} is=${is} faults=${faults} onChange=${onChange} />`}
    <fieldset>
      <legend>${t('channels.field.severities')}</legend>
      <p class="hint">${t('channels.severitiesHint')}</p>
      <${Severities} name="severities" values=${draft.severities} onChange=${(/** @type {string[]} */ v) => onChange({ severities: v })} fault=${faultOf(faults, 'severities')} />
    </fieldset>
    <details class="more-fields" open=${!!(draft.subject || draft.text || draft.body)}>
      <summary>${t('channels.words')}</summary>
      <div class="form">
        <p class="hint">${t('channels.wordsHint')}</p>
        ${has('subject') && text('subject', { placeholder: '{title}' })}
        ${has('text') && text('text', { type: 'textarea', rows: 3, placeholder: '{text}' })}
        ${has('body') && !twilio && text('body', { type: 'textarea', rows: 4, placeholder: draft.type === 'sms' ? 'to={to|url}&text={text|url}' : '{{"summary": "{title|json}", "all": {events}}' })}
      </div>
    </details>
    <details class="more-fields" open=${!!(draft.ratePerHour || draft.expireAfter || draft.digestEvery)}>
      <summary>${t('channels.pace')}</summary>
      <div class="form">
        <div class="form-row">
          ${text('ratePerHour', { type: 'number', min: 0, placeholder: '120', hint: t('channels.rateHint') })}
          ${text('expireAfter', { placeholder: '24h', hint: t('channels.expireHint') })}
          ${text('digestEvery', { placeholder: t('rules.never'), hint: t('channels.digestHint') })}
        </div>
        ${draft.digestEvery.trim() !== '' && html`
          <div role="group" aria-label=${t('channels.field.digestOf')}>
            <p class="hint">${t('channels.field.digestOf')}</p>
            <${Severities} name="digestOf" values=${draft.digestOf} onChange=${(/** @type {string[]} */ v) => onChange({ digestOf: v })} fault=${faultOf(faults, 'digestOf')} />
          </div>`}
      </div>
    </details>
    <${Field} type="checkbox" label=${t('rules.field.enabled')} name="enabled" value=${draft.enabled} onInput=${(/** @type {boolean} */ enabled) => onChange({ enabled })} />`;
}

/** @param {{name: string, values: string[], onChange: (v: string[]) => void, fault?: string}} p */
function Severities({ name, values, onChange, fault }) {
  const order = [...severities].reverse();
  return html`
    <div class="inline-checks">
      ${order.map((s) => html`
        <${Field} key=${s} type="checkbox" name=${name} label=${t('alarms.severity.' + s)} value=${values.includes(s)}
          onInput=${(/** @type {boolean} */ on) => onChange(order.filter((o) => (o === s ? on : values.includes(o))))} />`)}
    </div>
    ${fault && html`<p class="fault">${fault}</p>`}`;
}

/** Address is where a channel leads; of some types it is a secret itself. @param {Part} p */
function Address({ draft, is, faults, onChange }) {
  const hidden = !!is && hiddenUrl(draft.type) && !draft.newUrl;
  if (hidden) {
    return html`
      <div class="field kept">
        <span class="label">${t('channels.field.url')}</span>
        <p><code>${is.url}</code> <button type="button" class="secondary" onClick=${() => onChange({ newUrl: true, url: '' })}>${t('channels.replace')}</button></p>
        <p class="hint">${t('channels.urlSecret')}</p>
      </div>`;
  }
  return html`
    <${Field} label=${t('channels.field.url')} name="url" type="url" value=${draft.url} onInput=${(/** @type {string} */ url) => onChange({ url })} fault=${faultOf(faults, 'url')}
      placeholder=${t('channels.urlExample.' + draft.type)} autocomplete="off" hint=${draft.type === 'ntfy' ? t('channels.urlOptional') : undefined} />`;
}

/** @param {Part} p */
function Secret({ draft, is, faults, onChange }) {
  const label = t('channels.secret.' + draft.type);
  const again = is?.hasSecret && moved(draft, is);
  if (is && !draft.newSecret && !again) {
    return html`
      <div class="field kept">
        <span class="label">${label}</span>
        <p>${is.hasSecret ? t('channels.isSet') : t('channels.isNotSet')}
          <button type="button" class="secondary" onClick=${() => onChange({ newSecret: true, secret: '' })}>${is.hasSecret ? t('channels.replace') : t('channels.give')}</button></p>
        ${faultOf(faults, 'secret') && html`<p class="fault">${faultOf(faults, 'secret')}</p>`}
      </div>`;
  }
  return html`
    <${Field} label=${label} name="secret" type="password" value=${draft.secret} onInput=${(/** @type {string} */ secret) => onChange({ secret, newSecret: true })} fault=${faultOf(faults, 'secret')}
      autocomplete="new-password" hint=${again ? t('channels.secretAgain') : t('channels.secretHint')} />`;
}

/** @param {Part} p */
function Headers({ draft, is, faults, onChange }) {
  const set = (/** @type {number} */ i, /** @type {object} */ some) => onChange({ headers: draft.headers.map((h, k) => (k === i ? { ...h, ...some } : h)) });
  const again = moved(draft, is);
  return html`
    <fieldset>
      <legend>${t('channels.field.headers')}</legend>
      ${draft.headers.map((h, i) => html`
        <div class="header-row" key=${i}>
          ${h.kept ? html`
            <code>${h.name}</code><span class="hint">${again ? t('channels.headerAgain') : t('channels.isSet')}</span>
            <button type="button" class="secondary" onClick=${() => set(i, { kept: false })}>${t('channels.replace')}</button>` : html`
            <${Field} label=${t('channels.field.headerName')} name="headerName" value=${h.name} onInput=${(/** @type {string} */ name) => set(i, { name })} placeholder="Authorization" autocomplete="off" />
            <${Field} label=${t('channels.field.headerValue')} name="headerValue" type="password" value=${h.value} onInput=${(/** @type {string} */ value) => set(i, { value })} autocomplete="new-password" />`}
          <button type="button" class="quiet" aria-label=${t('alarms.takeAway', { what: h.name || t('channels.field.headerName') })}
            onClick=${() => onChange({ headers: draft.headers.filter((_, k) => k !== i) })}><${Icon} name="close" /></button>
        </div>`)}
      ${faultOf(faults, 'headers', 'removeHeaders') && html`<p class="fault">${faultOf(faults, 'headers', 'removeHeaders')}</p>`}
      <p><button type="button" class="secondary" onClick=${() => onChange({ headers: [...draft.headers, { name: '', value: '', kept: false }] })}>${t('channels.addHeader')}</button></p>
    </fieldset>`;
}
