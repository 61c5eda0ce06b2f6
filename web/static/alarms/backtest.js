// What a rule would have done, while it is edited: beside what it does now,
// on the history of a port.
import { useEffect, useMemo, useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Panel } from '../parts/page.js';
import { useQuery } from '../parts/query.js';
import { now } from '../core/clock.js';
import { count } from '../core/format.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { devices } from '../shell/pulse.js';
import { Curve } from './curve.js';
import { conditionOf, selectionOf } from './draft.js';
import { PastList } from './pastlist.js';
import { span } from './frame.js';
import { historyOf, levelsOf } from './history.js';
import { useTest } from './test.js';

/**
 * @typedef {import('./draft.js').Draft} Draft
 * @typedef {import('./draft.js').Rule} Rule
 * @typedef {import('../core/api.js').Port} Port
 */

const ranges = [{ name: '24h', ms: 86_400_000 }, { name: '7d', ms: 7 * 86_400_000 }, { name: '30d', ms: 30 * 86_400_000 }];
const OFFERED = 200;

/**
 * watched answers the devices that a draft watches.
 * @param {Draft} d
 */
function watched(d) {
  return (devices.value || []).filter((o) => o.state === 'active' && (!d.orgId || o.orgId === d.orgId) &&
    (!d.deviceIds.length || d.deviceIds.includes(o.id)) && d.tags.every((v) => o.tags?.includes(v)));
}

/**
 * @param {{rule: Rule | null, draft: Draft, onLevel?: (field: string, v: string) => void, onPort: (p: Port | null) => void}} p
 *   onPort is told whose curve is seen
 */
export function Backtest({ rule, draft, onLevel, onPort }) {
  const [range, setRange] = useState(ranges[0]);
  const [turn, setTurn] = useState(0);
  const view = useMemo(() => ({ from: Math.floor(now.peek()) - range.ms, to: Math.floor(now.peek()) + 1000 }), [range, turn]);
  const [picked, setPicked] = useState({ deviceId: '', number: -1 });
  const test = useTest(rule, draft, view);
  const tested = test.value;

  const list = watched(draft);
  const hit = tested?.episodes[0] || tested?.before?.episodes[0];
  const deviceId = list.some((d) => d.id === picked.deviceId) ? picked.deviceId : hit?.deviceId || list[0]?.id || '';
  const device = useQuery(async () => (deviceId ? api.device(deviceId) : null), [deviceId], { keep: true });
  const chosen = selectionOf(draft);
  const ports = (device.value?.id === deviceId ? device.value.ports || [] : []).filter((p) =>
    (!chosen.ports || chosen.ports.includes(p.number)) && (!chosen.portNames || chosen.portNames.includes(p.name || '')));
  const number = ports.some((p) => p.number === picked.number) && picked.deviceId === deviceId ? picked.number
    : ports.find((p) => hit?.deviceId === deviceId && p.number === hit.portNumber)?.number ?? ports[0]?.number;
  const port = ports.find((p) => p.number === number) || null;
  useEffect(() => { onPort(port); }, [deviceId, number, device.value]);
  // Once a port is seen it stays, so that nothing jumps while one edits.
  useEffect(() => { if (port && hit) setPicked({ deviceId, number: port.number }); }, [deviceId, port?.number, !!hit]);
  const history = useQuery(async () => (port ? historyOf(deviceId, port.number, view.from, view.to) : null), [deviceId, port?.number, view], { keep: true });

  const shades = [
    ...(tested?.before?.episodes || []).map((e) => ({ ...e, tone: /** @type {const} */ ('before') })),
    ...(tested?.episodes || []).map((e) => ({ ...e, tone: /** @type {const} */ ('now') })),
  ].filter((e) => e.deviceId === deviceId && e.portNumber === number)
    .map((e) => ({ start: Date.parse(e.start), end: e.end ? Date.parse(e.end) : view.to, tone: e.tone }));
  const levels = levelsOf(conditionOf(draft), port || undefined);
  return html`
    <${Panel} title=${t('rules.backtest')} className="backtest" busy=${test.busy} actions=${html`
        <div class="segments" role="group" aria-label=${t('rules.range')}>
          ${ranges.map((r) => html`<button type="button" key=${r.name} aria-pressed=${r === range} onClick=${() => { setRange(r); setTurn(turn + 1); }}>${t('rules.ranges.' + r.name)}</button>`)}
        </div>`}>
      <div class="filters">
        <select aria-label=${t('alarms.deviceLabel')} value=${deviceId} onChange=${(/** @type {any} */ e) => setPicked({ deviceId: e.target.value, number: -1 })}>
          ${list.slice(0, OFFERED).concat(list.slice(OFFERED).filter((d) => d.id === deviceId)).map((d) => html`<option key=${d.id} value=${d.id}>${d.id}</option>`)}
        </select>
        <select aria-label=${t('alarms.fact.port')} value=${String(number ?? '')} onChange=${(/** @type {any} */ e) => setPicked({ deviceId, number: Number(e.target.value) })}>
          ${ports.map((p) => html`<option key=${p.number} value=${String(p.number)}>${p.name || t('alarms.portNumber', { n: p.number })}</option>`)}
        </select>
        <${Summary} test=${test} />
      </div>
      ${port && html`
        <${Curve} series=${history.value} from=${view.from} to=${view.to} name=${port.name || t('alarms.portNumber', { n: port.number })} unit=${port.unit || ''} shades=${shades}
          levels=${levels} onMove=${onLevel && ((/** @type {string} */ field, /** @type {number} */ v) => onLevel(field, String(v)))} />`}
      ${!list.length && devices.value && html`<p class="hint pad">${t('rules.watchesNone')}</p>`}
      ${history.problem && html`<p class="problem pad" role="status">${history.problem.message}</p>`}
      ${test.problem && html`<p class="problem pad" role="status">${test.problem}</p>`}
      ${tested && html`<${PastList} tested=${tested} shown=${{ deviceId, number: number ?? -1, unit: port?.unit || '' }} kind=${draft.kind}
        onShow=${(/** @type {string} */ d, /** @type {number} */ n) => setPicked({ deviceId: d, number: n })} />`}
    <//>`;
}

/** @param {{test: ReturnType<typeof useTest>}} p */
function Summary({ test }) {
  const v = test.value;
  if (!v) return test.problem ? null : html`<span class="hint">${t('loading')}</span>`;
  const of = (/** @type {{episodes: unknown[], leftOut: number, lastedSeconds: number}} */ r) =>
    html`<b class="num">${t('rules.episodes', { n: r.episodes.length + r.leftOut })}</b>${r.lastedSeconds > 0 && html` <span class="hint num">${t('alarms.lasted', { time: span(r.lastedSeconds * 1000) })}</span>`}`;
  return html`
    <span class="summary" role="status">
      ${of(v)}
      ${v.before && html`<span class="before"><i class="swatch-before" />${t('rules.before')} ${of(v.before)}</span>`}
      <span class="hint num">${t('rules.looked', { n: v.ports, ports: count(v.ports), readings: count(v.readings) })}</span>
    </span>`;
}
