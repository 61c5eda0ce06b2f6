// What an entry of the audit trail changed: old beside new.
import { html } from '../parts/html.js';
import { exact } from '../core/format.js';
import { t } from '../core/words.js';

const MOST = 200; // lines

/** @param {any} v */
const text = (v) => (v === undefined ? '' : typeof v === 'string' ? v : JSON.stringify(v));

/**
 * changes answers the parts of an object that differ.
 * @param {any} before
 * @param {any} after
 * @returns {{name: string, old: string, new: string}[]}
 */
export function changes(before, after) {
  const isObject = (/** @type {any} */ o) => o && typeof o === 'object' && !Array.isArray(o);
  if (!isObject(before ?? {}) || !isObject(after ?? {})) return [{ name: '', old: text(before), new: text(after) }];
  const keys = [...new Set([...Object.keys(before || {}), ...Object.keys(after || {})])];
  return keys.map((name) => ({ name, old: text(before?.[name]), new: text(after?.[name]) })).filter((c) => c.old !== c.new);
}

/** @param {{e: import('./nouns.js').Entry}} p */
export function Change({ e }) {
  const list = changes(e.before, e.after);
  return html`
    <div class="change">
      <p class="hint">${t('admin.change.by', { actor: e.actor })}${e.role && ` (${e.role})`} · <span class="num">${exact(Date.parse(e.at))}</span> · ${e.remote || t('admin.sessions.box')} · ${e.id}</p>
      ${list.length === 0 ? html`<p class="hint">${t('admin.change.none')}</p>` : html`
        <dl>
          ${list.slice(0, MOST).map((c) => html`
            <div key=${c.name}>
              <dt>${c.name || t('admin.change.value')}</dt>
              <dd>${c.old && html`<del aria-label=${t('admin.change.old')}>${c.old}</del>`} ${c.new && html`<ins aria-label=${t('admin.change.new')}>${c.new}</ins>`}</dd>
            </div>`)}
        </dl>
        ${list.length > MOST && html`<p class="hint">${t('admin.change.more', { n: list.length - MOST })}</p>`}`}
    </div>`;
}
