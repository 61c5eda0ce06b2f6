// What the API answers here, and what several tabs ask for.
import { api } from '../core/session.js';
import { me, whole } from '../core/me.js';
import { useQuery } from '../parts/query.js';
import { t } from '../core/words.js';

/**
 * @typedef {{id: string, name: string, createdAt: string}} Organization
 * @typedef {{id: string, email: string, name?: string, role: string, orgId?: string, invited: boolean, passwordChangedAt?: string,
 *   linkExpiresAt?: string, createdAt: string, link?: string}} User
 * @typedef {{id: string, name: string, orgId?: string, scopes: string[], deviceIds?: string[], expiresAt?: string, expired: boolean,
 *   lastUsedAt?: string, lastUsedFrom?: string, createdBy: string, createdAt: string, key?: string, secret?: string}} Key
 * @typedef {{id: string, createdAt: string, lastUsedAt: string, expiresAt: string, remote?: string, userAgent?: string, current: boolean}} Session
 * @typedef {{seq: number, at: string, actor: string, role?: string, org?: string, remote?: string, action: string, noun: string, id: string,
 *   before?: any, after?: any}} Entry
 * @typedef {import('../core/api.js').DeadLetter & {topic: string, source: string, principal: string, payload: string, payloadBytes: number,
 *   payloadHex?: string}} Letter
 * @typedef {{hour: string, deviceId: string} & import('../core/api.js').Ledger} Hour
 */

/** reasons of dead letters. */
export const reasons = ['malformed_json', 'invalid_utf8', 'wrong_type', 'value_missing', 'value_not_finite', 'ts_invalid', 'ts_out_of_range',
  'unknown_device', 'unknown_port', 'conflict', 'payload_too_large', 'too_many_readings', 'quota'];

const MOST = 1000; // organizations to choose from

/** useOrganizations answers those that one sees. */
export function useOrganizations() {
  const q = useQuery(async () => /** @type {Organization[]} */ ((await api.call('/organizations', { query: { limit: MOST } })).items), []);
  return q.value || [];
}

/**
 * choices of an organization for a field; who has one organization has no other.
 * @param {Organization[]} orgs
 * @param {string} [none] what no organization means; absent: there must be one
 */
export function choices(orgs, none) {
  const list = orgs.map((o) => ({ value: o.id, name: o.name === o.id ? o.id : `${o.name} (${o.id})` }));
  return none !== undefined && whole.value ? [{ value: '', name: none }, ...list] : list;
}

/** @param {Organization[]} orgs the organization that a new object begins with */
export const firstOrg = (orgs) => me.value?.orgId || orgs[0]?.id || '';

/** @param {string | undefined} orgId the words for it */
export const orgName = (orgId) => orgId || t('admin.allOrgs');

/** @param {string} name a part of an address */
export const part = (name) => encodeURIComponent(name);
