// Which ports are drawn: a search over all of them, and chips of the chosen.
import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Icon } from '../parts/icon.js';
import { count } from '../core/format.js';
import { whole } from '../core/me.js';
import { to } from '../core/route.js';
import { t } from '../core/words.js';
import { catalogue, find } from './catalogue.js';
import { before, choosePorts, history, version, view } from './looking.js';
import { chosen, learn } from './ports.js';
import { MOST_PORTS } from './view.js';

const SHOWN = 40;
const active = signal(0);

export function Picker() {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const [text, setText] = useState('');
  const [open, setOpen] = useState(false);
  useEffect(() => {
    if (!open) return undefined;
    const leave = (/** @type {Event} */ e) => { if (!box.current?.contains(/** @type {Node} */ (e.target))) setOpen(false); };
    document.addEventListener('pointerdown', leave);
    return () => document.removeEventListener('pointerdown', leave);
  }, [open]);
  const { list, more, loading, problem } = open ? find(text, SHOWN) : { list: [], more: 0, loading: false, problem: '' };
  const keys = view.value.ports.map((p) => p.key);
  const full = keys.length >= MOST_PORTS;
  const at = Math.min(active.value, list.length - 1);
  const toggle = (/** @type {string} */ key) => {
    if (keys.includes(key)) choosePorts(keys.filter((k) => k !== key));
    else if (!full) choosePorts([...keys, key]);
  };
  const show = () => {
    if (open) return;
    active.value = 0;
    catalogue();
    setOpen(true);
  };
  const keyed = (/** @type {KeyboardEvent} */ e) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    if (step) {
      e.preventDefault();
      if (!open) show(); else active.value = Math.max(0, Math.min(list.length - 1, at + step));
      requestAnimationFrame(() => box.current?.querySelector('.option.active')?.scrollIntoView({ block: 'nearest' }));
    } else if (e.key === 'Enter' && open && list[at]) {
      e.preventDefault();
      toggle(list[at].key);
    } else if (e.key === 'Escape' && open) {
      e.preventDefault();
      e.stopPropagation();
      if (text) setText(''); else setOpen(false);
    } else if (e.key === 'Backspace' && !text && keys.length) {
      choosePorts(keys.slice(0, -1));
    } else if (e.key === 'Tab') {
      setOpen(false);
    }
  };
  return html`
    <div class="picker" ref=${box}>
      <div class="chips">
        ${chosen.value.map((p) => html`<${Chip} key=${p.key} p=${p} remove=${() => choosePorts(keys.filter((k) => k !== p.key))} />`)}
        <input type="search" class="picker-input" role="combobox" aria-expanded=${open} aria-controls="picker-list" aria-autocomplete="list" autocomplete="off"
          aria-activedescendant=${open && list[at] ? 'option-' + list[at].key : undefined} aria-label=${t('explore.search')}
          placeholder=${keys.length ? t('explore.add') : t('explore.search')} value=${text} onFocus=${show} onClick=${show} onKeyDown=${keyed}
          onInput=${(/** @type {Event} */ e) => { setText(/** @type {HTMLInputElement} */ (e.target).value); active.value = 0; show(); }} />
      </div>
      ${open && html`
        <div class="picker-list">
          ${full && html`<p class="hint note">${t('explore.full', { n: MOST_PORTS })}</p>`}
          ${list.length > 0 && html`
            <ul role="listbox" id="picker-list" aria-label=${t('explore.ports')} aria-multiselectable="true">
              ${list.map((o, i) => html`
                <li key=${o.key} id=${'option-' + o.key} role="option" aria-selected=${keys.includes(o.key)} class="option ${i === at ? 'active' : ''}"
                  onPointerDown=${(/** @type {Event} */ e) => e.preventDefault()} onClick=${() => { active.value = i; toggle(o.key); }}>
                  <span class="tick" aria-hidden="true">${keys.includes(o.key) && html`<${Icon} name="check" />`}</span>
                  <span class="option-name">${o.name}${o.unit && html` <small>${o.unit}</small>`}</span>
                  <span class="option-device">${o.deviceId}${o.deviceName && html` <small>${o.deviceName}</small>`}${whole.value && html` <small>${o.orgId}</small>`}</span>
                </li>`)}
            </ul>`}
          <p class="hint note" role="status">${problem || (loading && !list.length ? t('loading') : !list.length ? (text ? t('explore.noMatch', { text }) : t('explore.noPorts'))
            : more ? t('explore.moreMatches', { n: count(more) }) : '')}</p>
        </div>`}
    </div>`;
}

/** @param {{p: import('./ports.js').Chosen, remove: () => void}} o */
function Chip({ p, remove }) {
  void version.value;
  const h = history.value;
  const failed = [p.key, before(p.key)].map((k) => h?.track(k)?.problem).find((e) => e);
  const problem = p.problem || failed?.message || '';
  const again = () => {
    learn(true);
    h?.again();
  };
  return html`
    <span class="chip ${p.color} ${problem ? 'wrong' : ''}">
      <i class="swatch ${p.dash ? 'dash' : ''}" /><a class="plain" href=${to('devices', p.deviceId)} title=${p.device}><b>${p.name}</b> <small>${p.deviceId}</small></a>
      ${problem && html`<span class="problem" role="alert">${problem}</span>`}
      ${problem && html`<button class="link" onClick=${again}>${t('again')}</button>`}
      <button class="quiet" aria-label=${t('explore.removePort', { name: `${p.name}, ${p.deviceId}` })} onClick=${remove}><${Icon} name="close" /></button>
    </span>`;
}
