// The ledger: what became of every reading, and that it adds up.
import { html } from '../parts/html.js';
import { Badge, Panel } from '../parts/page.js';
import { useQuery } from '../parts/query.js';
import { now } from '../core/clock.js';
import { count } from '../core/format.js';
import { iso } from '../core/api.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { box } from './box.js';
import { Share } from './tiles.js';

const HOUR_MS = 3_600_000;
const EVERY_MS = 5_000;

/** @typedef {import('../core/api.js').Ledger} Ledger */

/** LedgerPanel shows all that there ever was to who has the whole box, and to everybody their last day. */
export function LedgerPanel() {
  const day = useQuery(() => /** @type {Promise<Ledger>} */ (api.call('/ledger', {
    query: { from: iso(Math.floor(now.peek() / HOUR_MS) * HOUR_MS - 23 * HOUR_MS) },
  })), [], { every: EVERY_MS });
  const ever = box.value?.whole ? box.value.ledger : null;
  const open = ever || day.value;
  return html`
    <${Panel} title=${t('overview.ledger')} className="accounts" hint=${t('overview.ledgerHint')}
      actions=${open && html`<${Sum} of=${open} />`}>
      <div class="account-rows">
        ${ever && html`<${Account} name=${t('overview.ever')} of=${ever} />`}
        ${day.value && html`<${Account} name=${t('overview.day')} of=${day.value} />`}
      </div>
      ${day.problem && !day.value && html`<p class="problem pad">${day.problem.message}</p>`}
    <//>`;
}

/** @param {Ledger} l */
export function missing(l) { return l.received - l.stored - l.duplicate - l.rejected - l.pending; }

/** @param {{of: Ledger}} p */
function Sum({ of }) {
  const off = missing(of);
  return off === 0 ? html`<${Badge} tone="good" title=${t('overview.sumHint')}>${t('overview.sum')}<//>` : html`<${Badge} tone="bad">${t('overview.off', { n: count(Math.abs(off)) })}<//>`;
}

/** @param {{name: string, of: Ledger}} p */
function Account({ name, of }) {
  const cell = (/** @type {'received' | 'stored' | 'duplicate' | 'rejected' | 'pending'} */ which, sign = '') => html`
    <div class=${which + (of[which] ? '' : ' nil')} title=${t('ledger.' + which + 'Hint')}>
      ${sign && html`<span class="sign" aria-hidden="true">${sign}</span>`}
      <dt>${t('ledger.' + which)}</dt><dd class="num">${count(of[which])}</dd>
    </div>`;
  return html`
    <div class="account-row">
      <h3>${name}</h3>
      <dl class="sum" aria-label=${name}>${cell('received')}${cell('stored', '=')}${cell('duplicate', '+')}${cell('rejected', '+')}${cell('pending', '+')}</dl>
      <${Share} parts=${[['good', of.stored], ['none', of.duplicate], ['bad', of.rejected], ['warn', of.pending]]} />
    </div>`;
}
