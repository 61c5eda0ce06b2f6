// What was rejected: found, chosen, brought back or deleted.
import { useEffect, useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Age } from '../parts/age.js';
import { Field } from '../parts/field.js';
import { Badge, Empty, Panel } from '../parts/page.js';
import { Asking, usePages } from '../parts/query.js';
import { Table } from '../parts/table.js';
import { live } from '../core/line.js';
import { may } from '../core/me.js';
import { query, setQuery, to } from '../core/route.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { devices } from '../shell/pulse.js';
import { cause } from './fix.js';
import { reasons } from './nouns.js';
import { Range, rangeOf } from './range.js';
import { askDelete, Outcome, ReplayDialog } from './replay.js';

/** @typedef {import('./nouns.js').Letter} Letter */

const PAGE = 50;
const MOST_NAMES = 500; // devices that are proposed

/** filter is what the address chooses, as the API has it. */
function filter() {
  const { from, to: until } = rangeOf();
  return { reason: query.value.get('reason') || undefined, deviceId: query.value.get('device') || undefined, from, to: until };
}

/**
 * matches reports whether what was just rejected is one of those that are listed:
 * a reading, not a login.
 * @param {import('../core/live.js').Message} m
 * @param {{reason?: string, deviceId?: string, to?: string}} f
 */
function matches(m, f) {
  return m.type === 'rejection' && !!m.line?.startsWith('rejected:') && !f.to && (!f.reason || f.reason === m.reason) && (!f.deviceId || f.deviceId === m.deviceId);
}

export function Letters() {
  const f = filter();
  const key = [f.reason, f.deviceId, rangeOf().key].join('|');
  const list = usePages((cursor) => api.call('/dead-letters', { query: { ...filter(), limit: PAGE, cursor } }), [key]);
  const [chosen, setChosen] = useState(/** @type {Set<string>} */ (new Set()));
  const [replay, setReplay] = useState(/** @type {object | null} */ (null));
  const [outcome, setOutcome] = useState(/** @type {any} */ (null));
  const [fresh, setFresh] = useState(false); // others have come since
  useEffect(() => setChosen(new Set()), [key]);
  useEffect(() => {
    setFresh(false);
    return live.subscribe({ kinds: ['rejections'] }, (m) => { if (matches(m, f)) setFresh(true); }, () => {});
  }, [key]);
  const reload = () => {
    setFresh(false);
    list.reload();
  };
  const done = (/** @type {any} */ result) => {
    setOutcome(result);
    setChosen(new Set());
    reload();
  };
  const pick = (/** @type {string} */ id, /** @type {boolean} */ on) => {
    const next = new Set(chosen);
    if (on) next.add(id); else next.delete(id);
    setChosen(next);
  };
  const rows = list.items || [];
  const filtered = Object.values(f).some((v) => v);
  /** all that match: by the filter, so that those that are not shown are among them. */
  const matching = filtered ? f : { all: true };
  return html`
    <${Panel} className="letters" title=${t('admin.letters.title')} hint=${t('admin.letters.hint')}>
      <${Filters} />
      <${Outcome} of=${outcome} onClose=${() => setOutcome(null)} />
      ${may('write') && rows.length > 0 && html`
        <div class="choice-bar" role="group" aria-label=${t('admin.letters.chosenLabel')}>
          <span class="num hint">${t('admin.letters.chosen', { n: chosen.size })}</span>
          <button class="quiet" onClick=${() => setChosen(new Set(chosen.size === rows.length ? [] : rows.map((r) => r.id)))}>${
            t(chosen.size === rows.length ? 'admin.letters.none' : 'admin.letters.shown')}</button>
          <button class="secondary" disabled=${!chosen.size} onClick=${() => setReplay({ ids: [...chosen] })}>${t('admin.letters.replay')}</button>
          <button class="secondary" disabled=${!chosen.size} onClick=${() => askDelete({ ids: [...chosen] }, done)}>${t('remove')}</button>
          <span class="apart" />
          <button class="secondary" onClick=${() => setReplay(matching)}>${t(filtered ? 'admin.letters.replayMatching' : 'admin.letters.replayAll')}</button>
          <button class="secondary" onClick=${() => askDelete(matching, done)}>${t(filtered ? 'admin.letters.deleteMatching' : 'admin.letters.deleteAll')}</button>
        </div>`}
      ${fresh && html`<p class="fresh" role="status">${t('admin.letters.fresh')} <button class="link" onClick=${reload}>${t('admin.letters.showFresh')}</button></p>`}
      <${Asking} of=${list} />
      ${list.items && (rows.length === 0 ? html`
        <${Empty} title=${t(filtered ? 'admin.letters.noMatch' : 'admin.letters.empty')}>
          ${filtered ? html`<button class="secondary" onClick=${() => setQuery({ reason: null, device: null, range: null, from: null, to: null })}>${t('admin.clear')}</button>`
            : html`<p class="hint">${t('admin.letters.emptyHint')}</p>`}
        <//>` : html`
        <${Table} label=${t('admin.letters.title')} columns=${columns(chosen, pick)} rows=${rows} rowKey=${(/** @type {Letter} */ r) => r.id}
          more=${list.more} loading=${list.loading} />`)}
      ${replay && html`<${ReplayDialog} what=${replay} onClose=${() => setReplay(null)} onDone=${done} />`}
    <//>`;
}

/**
 * @param {Set<string>} chosen
 * @param {(id: string, on: boolean) => void} pick
 */
function columns(chosen, pick) {
  const link = (/** @type {Letter} */ r) => to('admin', 'deadletters', r.id) + (query.value.size ? '?' + query.value : '');
  const box = {
    name: t('admin.letters.pick'), className: 'pick',
    cell: (/** @type {Letter} */ r) => html`<input type="checkbox" aria-label=${t('admin.letters.pickOne', { id: r.id })} checked=${chosen.has(r.id)}
      onChange=${(/** @type {Event} */ e) => pick(r.id, /** @type {HTMLInputElement} */ (e.target).checked)} />`,
  };
  return [
    ...(may('write') ? [box] : []),
    { name: t('admin.letters.received'), cell: (/** @type {Letter} */ r) => html`<a href=${link(r)}><${Age} at=${r.receivedAt} suffix /><span class="unseen"> ${r.id}</span></a>` },
    { name: t('admin.letters.reason'), cell: (/** @type {Letter} */ r) => html`<${Badge} tone="bad">${r.reason}<//>` },
    { name: t('admin.device'), cell: (/** @type {Letter} */ r) => r.deviceId || '–' },
    { name: t('admin.port'), className: 'num', cell: (/** @type {Letter} */ r) => r.port || '–' },
    { name: t('admin.letters.cause'), className: 'wide', cell: (/** @type {Letter} */ r) => cause(r.detail) },
  ];
}

function Filters() {
  const q = query.value;
  return html`
    <div class="filters fields" role="search" aria-label=${t('admin.filter')}>
      <${Field} label=${t('admin.letters.reason')} name="reason" type="select" value=${q.get('reason') || ''} onInput=${(/** @type {string} */ v) => setQuery({ reason: v })}
        options=${[{ value: '', name: t('admin.letters.anyReason') }, ...reasons.map((r) => ({ value: r, name: r }))]} />
      <${Field} label=${t('admin.device')} name="device" type="search" value=${q.get('device') || ''} autocomplete="off" placeholder=${t('admin.anyDevice')}
        list=${(devices.value || []).slice(0, MOST_NAMES).map((d) => d.id)} onInput=${(/** @type {string} */ v) => setQuery({ device: v.trim() })} />
      <${Range} offers=${['1h', '24h', '7d', '30d']} />
    </div>`;
}
