// One chart: its ports, their values under the cursor, and the alarms that were.
import { effect } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { html } from '../parts/html.js';
import { now } from '../core/clock.js';
import { age, count, decimals, exact, value } from '../core/format.js';
import { to } from '../core/route.js';
import { dark, zone } from '../core/settings.js';
import { t } from '../core/words.js';
import { colors } from '../chart/colors.js';
import { COLUMNS, columns, historyOptions } from '../chart/history.js';
import { spans } from './alarms.js';
import { gestures } from './gestures.js';
import { lengthName } from './ladder.js';
import { before, choose, cursor, history, holding, pan, range, settle, slow, version, view } from './looking.js';
import { zoomed } from './motion.js';

/** @typedef {import('./ports.js').Chosen} Chosen */

/** shown answers what is drawn of ports now. @param {Chosen[]} ports */
const shown = (ports) => ports.map((p) => ({
  look: p, line: history.peek()?.track(p.key)?.line || null, before: history.peek()?.track(before(p.key))?.line || null,
}));

/** @param {{ports: Chosen[]}} p */
export function Chart({ ports }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const plot = useRef(/** @type {uPlot | null} */ (null));
  void version.value;
  const utc = zone.value === 'utc';
  const key = JSON.stringify([ports.map((p) => [p.key, p.name, p.color, p.dash, p.limits]), dark.value, utc]);

  useEffect(() => {
    const element = /** @type {HTMLElement} */ (box.current);
    const size = () => ({ width: element.clientWidth, height: element.clientHeight });
    const style = getComputedStyle(element);
    let drawn = shown(ports);
    let made = columns(drawn);
    let mine = false; // the cursor is moved by the signal, not by the pointer
    const u = new uPlot(historyOptions({
      looks: ports, css: colors(element), em: parseFloat(style.fontSize), family: style.fontFamily, utc, size: size(),
      live: () => drawn, lonely: () => made.lonely, onCursor: (at) => { if (!mine && !holding()) cursor.value = at; },
    }), made.data, element);
    plot.current = u;
    const draw = () => {
      const { from, to } = range.value;
      void version.value;
      const next = shown(ports);
      const changed = next.some((s, i) => s.line !== drawn[i].line || s.before !== drawn[i].before);
      u.batch(() => {
        if (changed) {
          drawn = next;
          made = columns(next);
          u.setData(made.data, false);
        }
        if (changed || u.scales.x.min !== from || u.scales.x.max !== to) u.setScale('x', { min: from, max: to });
      });
    };
    const point = () => {
      const at = cursor.value;
      void range.value;
      const left = at === null ? -10 : u.valToPos(at, 'x');
      if (Math.abs((u.cursor.left ?? -10) - left) < 0.5) return;
      mine = true;
      u.setCursor({ left, top: at === null ? -10 : u.over.clientHeight / 2 }, true);
      mine = false;
    };
    const ends = [effect(draw), effect(point), gestures(u)];
    const observer = new ResizeObserver(() => u.setSize(size()));
    observer.observe(element);
    return () => {
      for (const end of ends) end();
      observer.disconnect();
      u.destroy();
    };
  }, [key]);

  const { from, to: end } = range.value;
  const h = history.value;
  const tracks = ports.map((p) => h?.track(p.key));
  const loading = tracks.some((o) => o?.loading);
  const sums = ports.map((_, i) => tracks[i]?.line?.between(from, end) || null);
  const empty = !loading && sums.every((s) => !s) && tracks.every((o) => o && !o.problem);
  const every = Math.max(0, ...tracks.map((o) => o?.line?.every || 0));
  const readings = sums.reduce((n, s) => n + (s?.readings || 0), 0);
  const at = cursor.value;
  const said = at === null ? '' : `${exact(at)}: ` + ports.map((p) => `${p.name} ${p.deviceId} ${words(read(p, at), p.unit)}`).join(', ');
  const key_ = (/** @type {KeyboardEvent} */ e) => keyed(e, plot.current);
  return html`
    <figure class="panel history ${loading ? 'loading' : ''}" aria-busy=${loading} data-every=${every}>
      <figcaption>
        ${ports.map((p) => html`<${Legend} key=${p.key} p=${p} at=${at} />`)}
        <span class="hint num when">${every ? t('explore.buckets', { every: lengthName(every) }) : t('explore.readings', { n: readings, count: count(readings) })}</span>
      </figcaption>
      <div class="history-box">
        ${loading && slow.value && html`<i class="wait" />`}
        <${Spans} ports=${ports} from=${from} to=${end} />
        <div class="history-plot" ref=${box} tabIndex=${0} role="slider" aria-orientation="horizontal" onKeyDown=${key_}
          onBlur=${() => { cursor.value = null; }} aria-label=${label(ports, sums)} aria-valuemin=${from} aria-valuemax=${end}
          aria-valuenow=${Math.round(at ?? end)} aria-valuetext=${said || t('explore.noCursor')} />
        ${empty && html`<p class="hint over">${t('explore.empty')} <button class="link" onClick=${() => choose('all', null)}>${t('explore.showAll')}</button></p>`}
      </div>
    </figure>`;
}

/**
 * read answers what a port had at a time.
 * @param {Chosen} p
 * @param {number} at
 */
function read(p, at) {
  const of = (/** @type {string} */ name) => {
    const line = history.peek()?.track(name)?.line;
    const i = line ? line.near(at) : -1;
    return line && i >= 0 ? { mid: line.every ? mean(line.mid[i], line.low[i], line.high[i]) : line.mid[i], low: line.low[i], high: line.high[i], every: line.every, quality: line.quality(i) } : null;
  };
  return { now: of(p.key), before: view.peek().compare ? of(before(p.key)) : null };
}

/**
 * mean takes a mean to one digit more than what it is of.
 * @param {number} v
 * @param {number} low
 * @param {number} high
 */
function mean(v, low, high) { return Math.abs(v) < 0.01 ? v : Number(v.toFixed(Math.max(3, decimals([low, high]) + 1))); }

/**
 * words tell a read-out to who does not see it.
 * @param {ReturnType<typeof read>} r
 * @param {string} unit
 */
function words({ now: v, before: b }, unit) {
  const one = v ? `${value(v.mid)} ${unit}` + (v.every ? ` (${value(v.low)} – ${value(v.high)})` : v.quality === 'good' ? '' : ` (${v.quality})`) : t('explore.noValue');
  return b ? `${one}, ${t('explore.before')} ${value(b.mid)} ${unit}` : one;
}

/** @param {{p: Chosen, at: number | null}} o */
function Legend({ p, at }) {
  void version.value;
  const track = history.value?.track(p.key);
  const r = at === null ? null : read(p, at);
  const line = track?.line;
  const last = line ? line.first(range.value.to) - 1 : -1;
  const newest = line && last >= 0 && line.at(last) >= range.value.from ? mean(line.mid[last], line.low[last], line.high[last]) : null;
  const v = r ? r.now?.mid : newest;
  return html`
    <span class="legend ${p.color}"><i class="swatch ${p.dash ? 'dash' : ''}" /><span>${p.name} <small>${p.deviceId}</small></span>
      <b class="num">${v == null ? '–' : value(v)}${v != null && p.unit && '\u202f' + p.unit}</b>
      ${r?.now?.every ? html`<small class="num">${value(r.now.low)} – ${value(r.now.high)}</small>` : ''}
      ${r?.now && r.now.quality !== 'good' && html`<span class="badge ${r.now.quality}">${r.now.quality}</span>`}
      ${r?.before && html`<small class="num" title=${t('explore.before')}>┄ ${value(r.before.mid)}</small>`}
    </span>`;
}

/** @param {{ports: Chosen[], from: number, to: number}} p the alarms of these ports, above the plot */
function Spans({ ports, from, to: end }) {
  const list = spans.value.filter((a) => ports.some((p) => p.deviceId === a.deviceId && p.number === a.portNumber));
  return html`
    <div class="spans">
      ${list.map((a) => {
        const begin = Date.parse(a.startedAt);
        const stop = a.resolvedAt ? Date.parse(a.resolvedAt) : Math.min(end, now.peek());
        const left = Math.max(0, (begin - from) / (end - from));
        const right = Math.min(1, (stop - from) / (end - from));
        if (left >= 1 || right <= 0) return null;
        return html`
          <a key=${a.id} class="span ${a.severity} ${left > 0.5 ? 'late' : ''}" href=${to('alarms', a.id)}
            style=${{ left: 100 * left + '%', width: 100 * Math.max(0, right - left) + '%' }}>
            <i class="span-bar" /><span class="span-label"><b>${t('explore.alarm')} ${a.ruleName}</b> ${a.message}<small class="num">${exact(begin)} · ${age(stop - begin)}</small></span>
          </a>`;
      })}
    </div>`;
}

/**
 * label says what a chart shows.
 * @param {Chosen[]} ports
 * @param {({low: number, high: number} | null)[]} sums
 */
function label(ports, sums) {
  const all = ports.map((p, i) => {
    const s = sums[i];
    return `${p.name}, ${p.deviceId}: ` + (s ? t('explore.between', { low: value(s.low), high: value(s.high), unit: p.unit }) : t('explore.noValue'));
  });
  return `${all.join('; ')}. ${t('explore.keys')}`;
}

/**
 * keyed moves the cursor point by point; with shift the range, + and - zoom.
 * @param {KeyboardEvent} e
 * @param {uPlot | null} u
 */
function keyed(e, u) {
  if (!u || e.ctrlKey || e.altKey || e.metaKey) return;
  const { from, to: end } = range.peek();
  const x = u.data[0];
  const at = cursor.peek();
  const there = (/** @type {number} */ i) => u.data.some((column, k) => k % COLUMNS === 1 && column[i] != null);
  /** place puts the cursor on the next point from i on that is seen; by: where to look. */
  const place = (/** @type {number} */ i, /** @type {1 | -1} */ by) => {
    while (i >= 0 && i < x.length && !(there(i) && x[i] >= from && x[i] < end)) i += by;
    if (i >= 0 && i < x.length) cursor.value = x[i];
  };
  const go = (/** @type {number} */ step) => {
    const last = x.length - 1;
    const by = step < 0 ? -1 : 1;
    if (at === null) place(step < 0 ? last : 0, step < 0 ? -1 : 1);
    else place(Math.max(0, Math.min(last, u.valToIdx(at) + step)), Math.abs(step) > 1 ? (by < 0 ? 1 : -1) : by);
  };
  const zoomBy = (/** @type {number} */ f) => settle(zoomed({ from, to: end }, f, f > 1 ? (from + end) / 2 : at ?? (from + end) / 2, now.peek()), { push: true });
  /** @type {Record<string, () => void>} */
  const acts = {
    ArrowLeft: () => (e.shiftKey ? pan(-0.2) : go(-1)), ArrowRight: () => (e.shiftKey ? pan(0.2) : go(1)),
    PageUp: () => go(-20), PageDown: () => go(20),
    Home: () => place(0, 1), End: () => place(x.length - 1, -1),
    '+': () => zoomBy(0.5), '=': () => zoomBy(0.5), '-': () => zoomBy(2),
    Escape: () => { cursor.value = null; },
  };
  const act = acts[e.key];
  if (!act) return;
  e.preventDefault();
  e.stopPropagation();
  act();
}
