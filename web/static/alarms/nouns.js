// Names of what alarms refer to: organizations, channels, rules.
import { useQuery } from '../parts/query.js';
import { may, me, whole } from '../core/me.js';
import { api } from '../core/session.js';

const MOST = 2000;

/**
 * all answers a list from the API, page by page, to a bound that no
 * organization comes near.
 * @param {string} path
 * @param {import('../core/api.js').Query} [query]
 * @returns {Promise<any[]>}
 */
export async function all(path, query = {}) {
  const list = [];
  for await (const page of api.pages(path, { limit: 1000, ...query })) {
    list.push(...page);
    if (list.length >= MOST) break;
  }
  return list;
}

/**
 * useOrganizations answers those that there are to choose from; for whoever
 * has one only, that one.
 * @returns {{id: string, name: string}[]}
 */
export function useOrganizations() {
  const asked = useQuery(async () => (whole.value ? all('/organizations') : []), [whole.value]);
  if (!whole.value) return me.value?.orgId ? [{ id: me.value.orgId, name: me.value.orgId }] : [];
  return asked.value || [];
}

/**
 * useChannels answers the channels of an organization, of all without one; none
 * for whoever may not see them.
 * @param {string} [orgId]
 */
export function useChannels(orgId = '') {
  const asked = useQuery(async () => (may('write') ? all('/channels', { orgId }) : []), [orgId, may('write')], { keep: true });
  return /** @type {import('./channeldraft.js').ChannelInfo[]} */ (asked.value || []);
}

/**
 * receiver answers whom a URL reaches.
 * @param {string} url
 */
export function receiver(url) { return /^[a-z]+:\/\/[^/?#]*/i.exec(url)?.[0].toLowerCase() || url; }
