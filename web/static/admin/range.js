// A range of time in the address: one of the usual ones before now, or from
// and to as they were typed.
import { html } from '../parts/html.js';
import { Field } from '../parts/field.js';
import { now } from '../core/clock.js';
import { exact, moment } from '../core/format.js';
import { query, setQuery } from '../core/route.js';
import { zone } from '../core/settings.js';
import { t } from '../core/words.js';

const HOUR = 3_600_000;

/** @type {Record<string, number>} in ms */
const spans = { '1h': HOUR, '6h': 6 * HOUR, '24h': 24 * HOUR, '7d': 168 * HOUR, '30d': 720 * HOUR, '365d': 8760 * HOUR };

/**
 * rangeOf reads the range of the address.
 * @param {string} [absent] the range when the address names none; empty: all times
 * @returns {{from?: string, to?: string, key: string}} times as the API has them; key changes with the choice alone
 */
export function rangeOf(absent = '') {
  const q = query.value;
  const from = time(q.get('from'));
  const to = time(q.get('to'));
  if (from || to) return { from, to, key: `${from} ${to}` };
  const span = spans[q.get('range') || absent];
  if (!span) return { key: '' };
  return { from: new Date(now.peek() - span).toISOString(), key: q.get('range') || absent };
}

/** @param {string | null} text what is no time is none */
function time(text) {
  const ms = Date.parse(text || '');
  return Number.isNaN(ms) ? undefined : new Date(ms).toISOString();
}

/** @param {string | undefined} at as the API has it; a time as its field has it */
export const asField = (at) => (at ? moment(Date.parse(at)).replace(' ', 'T') : '');

/** @param {string} text of a field of a time, in the zone that the reader chose; empty: none */
export function ofField(text) {
  if (!text) return undefined;
  const ms = zone.value === 'utc' ? Date.parse(text + 'Z') : new Date(text).getTime();
  return Number.isNaN(ms) ? undefined : new Date(ms).toISOString();
}

/**
 * Range chooses one.
 * @param {{absent?: string, offers: string[], any?: boolean}} p offers of spans; any: all times are one too
 */
export function Range({ absent = '', offers, any = true }) {
  const q = query.value;
  const own = q.has('from') || q.has('to');
  const chosen = own ? 'own' : q.get('range') || absent;
  const choose = (/** @type {string} */ v) => {
    if (v !== 'own') return setQuery({ range: v === absent ? null : v, from: null, to: null });
    const r = rangeOf(absent);
    setQuery({ range: null, from: r.from || new Date(now.peek() - 24 * HOUR).toISOString(), to: new Date(now.peek()).toISOString() });
  };
  const options = [
    ...(any ? [{ value: '', name: t('admin.range.all') }] : []),
    ...offers.map((o) => ({ value: o, name: t('admin.range.' + o) })), { value: 'own', name: t('admin.range.own') },
  ];
  const at = (/** @type {'from' | 'to'} */ name) => html`
    <${Field} label=${t('admin.range.' + name)} name=${name} type="datetime-local" value=${asField(time(q.get(name)))} step=${60}
      onInput=${(/** @type {string} */ v) => setQuery({ [name]: ofField(v) })} />`;
  return html`
    <${Field} label=${t('admin.range.label')} name="range" type="select" value=${chosen} options=${options} onInput=${choose} />
    ${own && html`${at('from')}${at('to')}`}`;
}

/** @param {{at: string}} p a time as the API has it */
export function Moment({ at }) {
  const ms = Date.parse(at);
  return html`<time class="num" dateTime=${at} title=${exact(ms)}>${moment(ms)}</time>`;
}
