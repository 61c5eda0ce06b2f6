// The list of devices: a window on it, so that thousands cost no more than
// what is seen.
import { computed, effect, signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { count } from '../core/format.js';
import { go, setQuery, to } from '../core/route.js';
import { narrow } from '../core/settings.js';
import { t } from '../core/words.js';
import { criteria, descending, found, sort, sortBy } from './choice.js';
import { Filters } from './filters.js';
import { useGlances } from './glance.js';
import { Row } from './row.js';

const SPARE_ROWS = 6;
const PAGE_ROWS = 10;
const HEAD_PX = 34;

/** rowPx is the height of a row, as in the styles. */
const rowPx = computed(() => (narrow.value ? 62 : 38));

/** cursor is the row that the arrow keys are on. */
const cursor = signal(0);

/** chosen moves when other devices are listed, or in another order; the cursor then begins anew. */
const chosen = computed(() => JSON.stringify([criteria.value, sort.value, descending.value]));
effect(() => {
  void chosen.value;
  cursor.value = 0;
});

/** @param {KeyboardEvent} e */
function keyed(e) {
  const list = found.value || [];
  const inSearch = e.target instanceof HTMLInputElement;
  const step = { ArrowDown: 1, ArrowUp: -1, PageDown: PAGE_ROWS, PageUp: -PAGE_ROWS, Home: -Infinity, End: Infinity }[e.key];
  if (step !== undefined && !(inSearch && (e.key === 'Home' || e.key === 'End'))) {
    e.preventDefault();
    cursor.value = Math.max(0, Math.min(list.length - 1, cursor.value + step));
  } else if (e.key === 'Enter' && list[cursor.value] && !(e.target instanceof HTMLAnchorElement)) {
    e.preventDefault();
    go(to('devices', list[cursor.value].id));
  } else if (e.key === 'Escape' && criteria.value.q) {
    e.stopPropagation();
    setQuery({ q: null });
  }
}

export function List() {
  const list = found.value || [];
  const px = rowPx.value;
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const [view, setView] = useState({ top: 0, height: 800 });
  const looking = useRef(0);
  const look = () => {
    looking.current ||= requestAnimationFrame(() => {
      looking.current = 0;
      const b = box.current;
      if (b) setView({ top: b.scrollTop, height: b.clientHeight });
    });
  };
  useEffect(() => {
    const observer = new ResizeObserver(look);
    observer.observe(/** @type {HTMLElement} */ (box.current));
    return () => {
      observer.disconnect();
      cancelAnimationFrame(looking.current);
    };
  }, []);
  useEffect(() => {
    if (box.current) box.current.scrollTop = 0;
  }, [chosen.value]);
  const at = Math.min(cursor.value, list.length - 1);
  useEffect(() => {
    const b = box.current;
    if (!b || at < 0) return;
    const top = at * px;
    if (top < b.scrollTop) b.scrollTop = top;
    if (top + px > b.scrollTop + b.clientHeight) b.scrollTop = top + px - b.clientHeight;
  }, [at]);

  const first = Math.max(0, Math.floor(view.top / px) - SPARE_ROWS);
  const last = Math.min(list.length, Math.ceil((view.top + view.height) / px) + SPARE_ROWS);
  const shown = list.slice(first, last);
  const inSight = list.slice(Math.floor(view.top / px), Math.ceil((view.top + view.height) / px));
  useGlances(inSight.map((d) => d.id));
  // Rows are used again for others, which costs less than new ones while somebody scrolls.
  const slots = Math.ceil(view.height / px) + 2 * SPARE_ROWS + 1;
  const active = list[at];
  return html`
    <section class="panel devices">
      <${Filters} onKeyDown=${keyed} />
      <div class="list" role="grid" aria-label=${t('nav.devices')} tabIndex=${0} ref=${box} style=${{ height: list.length * px + HEAD_PX + 'px' }} onScroll=${look} onKeyDown=${keyed}
        aria-rowcount=${list.length + 1} aria-activedescendant=${active && at >= first && at < last ? 'device-' + active.id : undefined}>
        <${Head} />
        <div role="rowgroup" style=${{ height: list.length * px + 'px' }}>
          <div role="presentation" style=${{ transform: `translateY(${first * px}px)` }}>
            ${shown.map((d, i) => html`<${Row} key=${(first + i) % slots} d=${d} at=${first + i} active=${first + i === at} />`)}
          </div>
        </div>
      </div>
      ${list.length === 0 && html`
        <p class="hint pad">${t('devices.noMatch')} <button class="link" onClick=${() => go('/devices')}>${t('devices.all')}</button></p>`}
      <p class="hint list-foot num">${t('devices.shown', { n: count(list.length) })} · ${t('devices.drawn')}</p>
    </section>`;
}

function Head() {
  /** @param {string} by @param {string} className */
  const column = (by, className) => {
    const here = sort.value === by;
    return html`
      <span role="columnheader" class=${className} aria-sort=${here ? (descending.value ? 'descending' : 'ascending') : undefined}>
        <button onClick=${() => sortBy(by, here && !descending.value)}>${t('devices.sort.' + by)}<span aria-hidden="true">${
          here ? (descending.value ? ' ↓' : ' ↑') : ''}</span></button>
      </span>`;
  };
  return html`
    <div role="rowgroup" class="list-head">
      <div class="row" role="row" aria-rowindex=${1}>
        ${column('id', 'col-id')}${column('name', 'col-name')}${column('org', 'col-org')}
        <span role="columnheader" class="col-tags">${t('devices.tags')}</span>
        <span role="columnheader" class="col-value">${t('devices.newest')}</span>
        <span role="columnheader" class="col-spark">${t('devices.halfHour')}</span>
        ${column('seen', 'col-seen')}
      </div>
    </div>`;
}
