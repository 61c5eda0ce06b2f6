// The range: named ones, from and to, and the ways to move it; what it is
// compared with, and in which zone it is told.
import { useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Icon } from '../parts/icon.js';
import { now } from '../core/clock.js';
import { setQuery } from '../core/route.js';
import { zone } from '../core/settings.js';
import { t } from '../core/words.js';
import { lengthName } from './ladder.js';
import { choose, pan, range, settle, view, zoomOut } from './looking.js';
import { bounded } from './motion.js';

const HOUR = 3_600_000;

/** @type {{from: string, ms: number, name: string}[]} */
const PRESETS = [
  { from: '-1h', ms: HOUR, name: 'hour' }, { from: '-24h', ms: 24 * HOUR, name: 'day' }, { from: '-7d', ms: 168 * HOUR, name: 'week' },
  { from: '-30d', ms: 720 * HOUR, name: 'month' }, { from: '-1y', ms: 8760 * HOUR, name: 'year' }, { from: 'all', ms: 0, name: 'all' },
];

export function Toolbar() {
  const v = view.value;
  const { from, to } = range.value;
  const named = (/** @type {{from: string, ms: number}} */ p) => (p.from === 'all' ? v.from === 'all'
    : v.from !== 'all' && 'ago' in v.from && v.from.ago === p.ms && 'ago' in v.to && v.to.ago === 0);
  return html`
    <div class="range">
      <div class="segments" role="group" aria-label=${t('explore.range')}>
        ${PRESETS.map((p) => html`<button key=${p.from} aria-pressed=${named(p)} onClick=${() => choose(p.from, null)}>${t('explore.preset.' + p.name)}</button>`)}
      </div>
      <div class="range-steps" role="group" aria-label=${t('explore.moveRange')}>
        <button class="quiet" aria-label=${t('explore.earlier')} title=${t('explore.earlier')} onClick=${() => pan(-0.5)}><${Icon} name="back" /></button>
        <button class="quiet" aria-label=${t('explore.later')} title=${t('explore.later')} onClick=${() => pan(0.5)}><${Icon} name="next" /></button>
        <button class="quiet" title=${t('explore.zoomOutHint')} onClick=${zoomOut}>${t('explore.zoomOut')}</button>
      </div>
      <${Between} key=${zone.value} from=${from} to=${to} live=${range.value.live} />
      <div class="choices">
        <label class="choice" title=${t('explore.compareHint')}><input type="checkbox" checked=${v.compare} onChange=${(/** @type {Event} */ e) =>
          setQuery({ compare: /** @type {HTMLInputElement} */ (e.target).checked ? 1 : null })} />${t('explore.compare')}</label>
        <label class="choice" title=${t('explore.ingestedHint')}><input type="checkbox" checked=${v.ingested} onChange=${(/** @type {Event} */ e) =>
          setQuery({ calibration: /** @type {HTMLInputElement} */ (e.target).checked ? 'ingested' : null })} />${t('explore.ingested')}</label>
        <div class="segments" role="group" aria-label=${t('explore.zone')}>
          ${/** @type {const} */ (['local', 'utc']).map((z) => html`
            <button key=${z} aria-pressed=${zone.value === z} onClick=${() => { zone.value = z; }}>${t('explore.zones.' + z)}</button>`)}
        </div>
      </div>
    </div>`;
}

/** minutes east of UTC at a time, in the zone that the reader chose. @param {number} ts */
const east = (ts) => (zone.value === 'utc' ? 0 : -new Date(ts).getTimezoneOffset());

/**
 * field writes a time as its field wants it.
 * @param {number} ts
 * @param {boolean} fine with seconds
 */
const field = (ts, fine) => new Date(ts + east(ts) * 60_000).toISOString().slice(0, fine ? 19 : 16);

/** @param {string} text of a field */
function time(text) {
  const utc = Date.parse(text + 'Z');
  return zone.value === 'utc' || Number.isNaN(utc) ? utc : Date.parse(text);
}

/** @param {{from: number, to: number, live: boolean}} p */
function Between({ from, to, live }) {
  const [draft, setDraft] = useState(/** @type {{from?: string, to?: string}} */ ({}));
  const [fault, setFault] = useState('');
  const fine = to - from <= 2 * HOUR;
  const texts = { from: draft.from ?? field(from, fine), to: draft.to ?? field(to, fine) };
  const take = () => {
    if (draft.from === undefined && draft.to === undefined) return;
    const a = draft.from === undefined ? from : time(draft.from);
    const b = draft.to === undefined ? to : time(draft.to);
    if (Number.isNaN(a) || Number.isNaN(b) || a >= b) {
      setFault(a >= b ? t('explore.upsideDown') : t('explore.noTime'));
      return;
    }
    setFault('');
    setDraft({});
    settle(bounded({ from: a, to: b }, now.peek()), { push: true });
  };
  const input = (/** @type {'from' | 'to'} */ name) => html`
    <input type="datetime-local" step=${fine ? 1 : 60} name=${name} aria-label=${name === 'from' ? t('explore.from') : t('explore.to')} value=${texts[name]} aria-invalid=${fault ? 'true' : undefined}
      onInput=${(/** @type {Event} */ e) => setDraft({ ...draft, [name]: /** @type {HTMLInputElement} */ (e.target).value })} onBlur=${take}
      onKeyDown=${(/** @type {KeyboardEvent} */ e) => {
        if (e.key === 'Enter') take();
        if (e.key === 'Escape') { setDraft({}); setFault(''); }
      }} />`;
  return html`
    <div class="between">
      ${input('from')}<span class="hint" aria-hidden="true">–</span>${input('to')}
      ${live ? html`<span class="badge good">${t('explore.live')}</span>`
        : html`<button class="quiet" title=${t('explore.nowHint')} onClick=${() => settle({ from: now.peek() - (to - from), to: now.peek() }, { push: true })}>${t('explore.now')}</button>`}
      <span class="hint num">${lengthName(Math.round((to - from) / 1000) * 1000 || to - from)}</span>
      ${fault && html`<span class="problem" role="alert">${fault}</span>`}
    </div>`;
}
