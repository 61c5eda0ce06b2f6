// The edits of a rule: who changed what, and the way back.
import { useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Age } from '../parts/age.js';
import { Badge, Panel } from '../parts/page.js';
import { Asking, useQuery } from '../parts/query.js';
import { query } from '../core/route.js';
import { t } from '../core/words.js';
import { person } from './frame.js';
import { all } from './nouns.js';

/**
 * @typedef {import('./draft.js').Rule} Rule
 * @typedef {{seq: number, at: string, actor: string, action: string, before?: Rule, after?: Rule, problem?: string}} Edit
 */

const SHOWN = 8;
const bookkeeping = ['id', 'orgId', 'revision', 'createdAt', 'updatedAt', 'updatedBy'];

/**
 * differences answers which parts of a rule an edit changed.
 * @param {Edit} e
 */
export function differences(e) {
  const [a, b] = [/** @type {Record<string, unknown>} */ (e.before || {}), /** @type {Record<string, unknown>} */ (e.after || {})];
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((k) => !bookkeeping.includes(k) && JSON.stringify(a[k]) !== JSON.stringify(b[k]))
    .map((k) => ({ field: k, before: text(a[k]), after: text(b[k]) }));
}

/** @param {unknown} v */
function text(v) {
  if (v === undefined) return '–';
  if (typeof v === 'object' && v) return Object.entries(v).map(([k, o]) => (Array.isArray(v) ? String(o) : `${k} ${Array.isArray(o) ? o.join(', ') : o}`)).join(', ');
  return String(v);
}

/** @param {{rule: Rule, onRestore?: (r: Rule) => void}} p */
export function Revisions({ rule, onRestore }) {
  const [more, setMore] = useState(false);
  const wanted = Number(query.value.get('revision')) || 0;
  const asked = useQuery(() => /** @type {Promise<Edit[]>} */ (all(`/alert-rules/${encodeURIComponent(rule.id)}/history`)), [rule.id, rule.revision], { keep: true });
  const edits = [...(asked.value || [])].reverse();
  const shown = more ? edits : edits.slice(0, Math.max(SHOWN, edits.findIndex((e) => e.after?.revision === wanted) + 1));
  return html`
    <${Panel} title=${t('rules.history')} hint=${asked.value && t('rules.edits', { n: edits.length })}>
      <${Asking} of=${asked} />
      <ol class="revisions">
        ${shown.map((e) => {
          const now = e.after?.revision === rule.revision;
          const made = !e.before;
          return html`
            <li key=${e.seq}>
              <details open=${!!wanted && e.after?.revision === wanted}>
                <summary>
                  <b>${t('rules.revision', { n: e.after?.revision ?? '–' })}</b> ${now && html`<${Badge} tone="good">${t('rules.current')}<//>`}
                  ${e.problem && html`<${Badge} tone="bad">${e.problem}<//>`}
                  <span class="hint">${person(e.actor)}, <${Age} at=${e.at} suffix /></span>
                  <span class="what">${made ? t('rules.created') : differences(e).map((d) => fieldName(d.field)).join(', ')}</span>
                </summary>
                <dl class="facts-list">${differences(e).map((d) => html`
                  <dt key=${d.field}>${fieldName(d.field)}</dt><dd>${!made && html`<del>${d.before}</del> `}<ins>${d.after}</ins></dd>`)}</dl>
                ${onRestore && e.after && !now && html`
                  <p class="pad"><button class="secondary" onClick=${() => onRestore(/** @type {Rule} */ (e.after))}>${t('rules.restore', { n: e.after.revision })}</button> <span class="hint">${t('rules.restoreHint')}</span></p>`}
              </details>
            </li>`;
        })}
      </ol>
      ${shown.length < edits.length && html`<p class="more"><button class="quiet" onClick=${() => setMore(true)}>${t('more')}</button></p>`}
    <//>`;
}

const names = ['name', 'enabled', 'selection', 'condition', 'for', 'keepFiringFor', 'joinWithin', 'severity', 'labels', 'channels', 'repeatEvery', 'escalateAfter', 'escalateTo', 'message', 'owner', 'schedule'];

/** @param {string} field */
function fieldName(field) { return names.includes(field) ? t('rules.field.' + field) : field; }
