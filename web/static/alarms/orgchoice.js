// The choice of an organization above a list, for who sees several.
import { html } from '../parts/html.js';
import { setQuery } from '../core/route.js';
import { t } from '../core/words.js';

/** @param {{orgs: {id: string, name: string}[], orgId: string}} p orgId: empty is all */
export function OrgChoice({ orgs, orgId }) {
  if (orgs.length < 2) return null;
  return html`
    <select aria-label=${t('alarms.orgLabel')} value=${orgId} onChange=${(/** @type {any} */ e) => setQuery({ org: e.target.value })}>
      <option value="">${t('alarms.anyOrg')}</option>
      ${orgs.map((o) => html`<option key=${o.id} value=${o.id}>${o.name}</option>`)}
    </select>`;
}
