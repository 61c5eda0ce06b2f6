// The list of devices: search, order, and a window on it, so that thousands
// cost no more than what is seen.
import { computed, signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Age } from '../parts/age.js';
import { count, exact } from '../core/format.js';
import { devices } from '../shell/pulse.js';
import { go, path, to } from '../core/route.js';

const ROW_PX = 46; // as in style.css
const SPARE_ROWS = 8;

/** @typedef {import('../core/api.js').Device} Device */

const deviceId = computed(() => path.value[1] || '');
const showDevice = (/** @type {string} */ id) => go(to('devices', id));

const search = signal('');
const order = signal('name');
const cursor = signal(0); // the row that the arrow keys are on

const hint = matchMedia('(hover: hover)').matches ? 'Search  /' : 'Search';

const byName = (/** @type {Device} */ a, /** @type {Device} */ b) => collator.compare(a.id, b.id);
const collator = new Intl.Collator('en', { numeric: true });
const seen = (/** @type {Device} */ d) => (d.lastSeen ? Date.parse(d.lastSeen) : 0);

/** @type {Record<string, (a: Device, b: Device) => number>} */
const orders = {
  name: byName,
  online: (a, b) => Number(b.online) - Number(a.online) || byName(a, b),
  offline: (a, b) => Number(a.online) - Number(b.online) || seen(b) - seen(a),
  seen: (a, b) => seen(b) - seen(a) || byName(a, b),
};

const found = computed(() => {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const list = (devices.value || []).filter((d) => {
    const text = `${d.id} ${d.name || ''} ${d.serialNumber || ''} ${d.orgId}`.toLowerCase();
    return words.every((w) => text.includes(w));
  });
  return list.sort(orders[order.value]);
});

export function Devices() {
  const all = devices.value;
  if (all === null) return html`<nav class="panel devices"><p class="hint pad" aria-busy="true">Loading devices…</p></nav>`;
  const online = all.filter((d) => d.online).length;
  return html`
    <nav class="panel devices" aria-label="Devices">
      <header class="panel-head">
        <h2>Devices</h2>
        <span class="hint num">${count(online)} of ${count(all.length)} online</span>
      </header>
      <div class="tools">
        <input id="search" type="search" placeholder=${hint} aria-label="Search devices by id, name, serial number or organization"
          value=${search.value} onInput=${typed} onKeyDown=${keyed} />
        <select aria-label="Order" value=${order.value} onChange=${(/** @type {Event} */ e) => { order.value = /** @type {HTMLSelectElement} */ (e.target).value; }}>
          <option value="name">by name</option>
          <option value="seen">last seen first</option>
          <option value="online">online first</option>
          <option value="offline">offline first</option>
        </select>
      </div>
      <${List} />
    </nav>`;
}

/** @param {Event} e */
function typed(e) {
  search.value = /** @type {HTMLInputElement} */ (e.target).value;
  cursor.value = 0;
}

/** @param {KeyboardEvent} e */
function keyed(e) {
  const list = found.value;
  const page = 10;
  const to = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -1e9, End: 1e9 }[e.key];
  if (to !== undefined && !(e.target instanceof HTMLInputElement && (e.key === 'Home' || e.key === 'End'))) {
    e.preventDefault();
    cursor.value = Math.max(0, Math.min(list.length - 1, cursor.value + to));
  } else if (e.key === 'Enter' && list[cursor.value]) {
    showDevice(list[cursor.value].id);
  } else if (e.key === 'Escape' && search.value) {
    e.stopPropagation();
    search.value = '';
  }
}

function List() {
  const list = found.value;
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const [view, setView] = useState({ top: 0, height: 800 });
  const look = () => box.current && setView({ top: box.current.scrollTop, height: box.current.clientHeight });
  useEffect(() => {
    const observer = new ResizeObserver(look);
    observer.observe(/** @type {HTMLElement} */ (box.current));
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    const i = list.findIndex((d) => d.id === deviceId.value);
    if (i >= 0) cursor.value = i;
  }, [deviceId.value, order.value]);
  useEffect(() => {
    const b = box.current;
    if (!b) return;
    const top = cursor.value * ROW_PX;
    if (top < b.scrollTop) b.scrollTop = top;
    if (top + ROW_PX > b.scrollTop + b.clientHeight) b.scrollTop = top + ROW_PX - b.clientHeight;
  }, [cursor.value]);

  const first = Math.max(0, Math.floor(view.top / ROW_PX) - SPARE_ROWS);
  const last = Math.min(list.length, Math.ceil((view.top + view.height) / ROW_PX) + SPARE_ROWS);
  const active = list[cursor.value];
  return html`
    <div class="list" role="listbox" aria-label="Devices" tabIndex=${0} ref=${box} onScroll=${look} onKeyDown=${keyed}
      aria-activedescendant=${active ? 'device-' + active.id : undefined}>
      <div style=${{ height: list.length * ROW_PX + 'px' }}>
        <div style=${{ transform: `translateY(${first * ROW_PX}px)` }}>
          ${list.slice(first, last).map((d, i) => html`<${Row} key=${d.id} d=${d} at=${first + i} size=${list.length} />`)}
        </div>
      </div>
      ${list.length === 0 && html`<p class="hint pad">No device matches “${search.value}”.</p>`}
    </div>`;
}

/** @param {{d: Device, at: number, size: number}} p */
function Row({ d, at, size }) {
  const pick = () => {
    cursor.value = at;
    showDevice(d.id);
  };
  const state = d.state === 'active' ? (d.online ? 'online' : 'offline') : d.state;
  return html`
    <div class="row ${at === cursor.value ? 'active' : ''}" role="option" id=${'device-' + d.id} onClick=${pick}
      aria-selected=${d.id === deviceId.value} aria-posinset=${at + 1} aria-setsize=${size}>
      <i class="dot ${state}" role="img" aria-label=${state} />
      <span class="name">${d.id}<small>${d.name || d.serialNumber || ' '}</small></span>
      <span class="seen num">
        ${d.online ? 'online' : d.lastSeen ? html`<${Age} at=${Date.parse(d.lastSeen)} />` : html`<span title="It has never connected.">never</span>`}
        <small title=${d.lastSeen && exact(Date.parse(d.lastSeen))}>${d.orgId}</small>
      </span>
    </div>`;
}
