// The keys that work everywhere: / searches, g and a letter goes to a place,
// ? lists them. Parts of the page have keys of their own.
import { signal } from '@preact/signals';
import { html } from '../parts/html.js';
import { Dialog } from '../parts/dialog.js';
import { go } from '../core/route.js';
import { session } from '../core/session.js';
import { t } from '../core/words.js';
import { places } from './nav.js';

const help = signal(false);
let going = false; // after a g

/** @param {KeyboardEvent} e */
function onKey(e) {
  if (e.defaultPrevented || e.ctrlKey || e.metaKey || e.altKey || !session.value) return;
  if (e.target instanceof HTMLElement && e.target.matches('input, select, textarea, [contenteditable]')) return;
  if (going) {
    going = false;
    const place = places.find((p) => p.key === e.key);
    if (place) {
      e.preventDefault();
      go('/' + place.at);
    }
    return;
  }
  if (e.key === 'g') {
    going = true;
    setTimeout(() => { going = false; }, 1500);
  } else if (e.key === '/') {
    const search = document.querySelector('input[type=search]');
    if (search instanceof HTMLElement) {
      e.preventDefault();
      search.focus();
    }
  } else if (e.key === '?') {
    help.value = true;
  }
}

/** listen takes the keys. */
export function listen() { addEventListener('keydown', onKey); }

/** Keys is the list of them, when it was asked for. */
export function Keys() {
  if (!help.value) return null;
  const rows = [['/', t('keys.search')], ...places.map((p) => [`g ${p.key}`, t('nav.' + p.name)]), ['1 … 9', t('keys.ports')], ['← →', t('keys.chart')],
    ['Esc', t('keys.escape')], ['?', t('keys.help')]];
  return html`
    <${Dialog} title=${t('keys.title')} onClose=${() => { help.value = false; }}>
      <dl class="keys">${rows.map(([k, what]) => html`<div key=${k}><dt><kbd>${k}</kbd></dt><dd>${what}</dd></div>`)}</dl>
    <//>`;
}
