// A channel while it is edited. What is secret is not known here: it is kept
// as it is, or replaced as a whole.
import { receiver } from './nouns.js';

/**
 * @typedef {{id: string, orgId: string, name: string, type: string, enabled: boolean, severities?: string[], url?: string, method?: string,
 *   headerNames?: string[], hasSecret: boolean, provider?: string, body?: string, subject?: string, text?: string, to?: string[], from?: string,
 *   ratePerHour?: number, expireAfter?: string, digestEvery?: string, digestOf?: string[], createdAt: string, updatedAt: string}} ChannelInfo
 * @typedef {{name: string, value: string, kept: boolean}} Header kept: its value is on the box, and stays
 * @typedef {{orgId: string, name: string, type: string, enabled: boolean, severities: string[], url: string, newUrl: boolean, method: string,
 *   headers: Header[], secret: string, newSecret: boolean, provider: string, body: string, subject: string, text: string, to: string[],
 *   from: string, ratePerHour: string, expireAfter: string, digestEvery: string, digestOf: string[]}} ChannelDraft
 *   newUrl, newSecret: another one is given
 */

/**
 * types are the fields of each, beside those that all have.
 * @type {Record<string, string[]>}
 */
export const types = {
  email: ['to', 'subject', 'text'],
  webhook: ['url', 'secret', 'method', 'headers', 'body', 'text'],
  sms: ['provider', 'to', 'from', 'url', 'secret', 'method', 'headers', 'body', 'text'],
  ntfy: ['to', 'url', 'secret', 'subject', 'text'],
  slack: ['url', 'subject', 'text'],
  telegram: ['secret', 'to', 'subject', 'text'],
  teams: ['url', 'subject', 'text'],
  pagerduty: ['secret', 'subject', 'text'],
};

/** methods that a type takes; the first is what it does by itself. @type {Record<string, string[]>} */
export const methods = { webhook: ['POST', 'PUT', 'PATCH'], sms: ['POST', 'GET', 'PUT'] };

/** hiddenUrl says whether the address is a secret, of which the host alone is shown. @param {string} type */
export const hiddenUrl = (type) => type === 'slack' || type === 'teams';

/** @param {Partial<ChannelInfo>} c @returns {ChannelDraft} */
export function channelDraft(c) {
  return {
    orgId: c.orgId || '', name: c.name || '', type: c.type || 'email', enabled: c.enabled ?? true, severities: c.severities || (c.id ? [] : ['warning', 'critical']),
    url: c.url || '', newUrl: false, method: c.method || '', headers: (c.headerNames || []).map((name) => ({ name, value: '', kept: true })),
    secret: '', newSecret: false, provider: c.provider || '', body: c.body || '', subject: c.subject || '', text: c.text || '', to: c.to || [], from: c.from || '',
    ratePerHour: c.ratePerHour ? String(c.ratePerHour) : '', expireAfter: c.expireAfter || '', digestEvery: c.digestEvery || '', digestOf: c.digestOf || [],
  };
}

/**
 * moved says whether the messages go to another receiver: then secrets have to
 * be given again.
 * @param {ChannelDraft} d
 * @param {ChannelInfo | null} is
 */
export function moved(d, is) {
  if (!is || !types[is.type]?.includes('url')) return false;
  if (hiddenUrl(is.type)) return d.newUrl && receiver(d.url) + '/…' !== is.url;
  return receiver(d.url.trim()) !== receiver(is.url || '');
}

/** plain are the fields that go as they are. @param {ChannelDraft} d */
function plain(d) {
  const has = (/** @type {string} */ field) => types[d.type]?.includes(field);
  const twilio = d.type === 'sms' && d.provider === 'twilio';
  return {
    name: d.name.trim(), enabled: d.enabled, severities: d.severities,
    ...(has('to') ? { to: d.to } : {}), ...(has('from') ? { from: d.from.trim() } : {}), ...(has('provider') ? { provider: d.provider } : {}),
    ...(has('method') && !twilio ? { method: d.method } : {}), ...(has('body') ? { body: twilio ? '' : d.body } : {}),
    ...(has('subject') ? { subject: d.subject } : {}), ...(has('text') ? { text: d.text } : {}),
    ratePerHour: Number(d.ratePerHour) || 0, expireAfter: d.expireAfter.trim() || '0', digestEvery: d.digestEvery.trim() || '0', digestOf: d.digestOf,
  };
}

/** @param {Header[]} list */
const given = (list) => Object.fromEntries(list.filter((h) => !h.kept && h.name.trim()).map((h) => [h.name.trim(), h.value]));

/** newChannel is the body that makes the channel. @param {ChannelDraft} d */
export function newChannel(d) {
  const has = (/** @type {string} */ field) => types[d.type]?.includes(field);
  const all = /** @type {Record<string, unknown>} */ ({ orgId: d.orgId, type: d.type, ...plain(d) });
  if (has('url')) all.url = d.url.trim();
  if (has('secret')) all.secret = d.secret;
  if (has('headers') && d.headers.length) all.headers = given(d.headers);
  for (const [k, v] of Object.entries(all)) if (v === '' || v === '0' || v === 0 || (Array.isArray(v) && !v.length)) delete all[k];
  return { ...all, name: d.name.trim() };
}

/**
 * channelChange is the body that makes a channel what the draft is: what
 * differs, so that what is secret stays.
 * @param {ChannelDraft} d
 * @param {ChannelInfo} is
 */
export function channelChange(d, is) {
  const was = /** @type {Record<string, unknown>} */ (plain(channelDraft(is)));
  /** @type {Record<string, unknown>} */
  const change = Object.fromEntries(Object.entries(plain(d)).filter(([k, v]) => JSON.stringify(v) !== JSON.stringify(was[k])));
  if (hiddenUrl(is.type) ? d.newUrl : types[is.type]?.includes('url') && d.url.trim() !== (is.url || '')) change.url = d.url.trim();
  if (d.newSecret) change.secret = d.secret;
  const headers = given(d.headers);
  if (Object.keys(headers).length) change.headers = headers;
  const gone = (is.headerNames || []).filter((name) => !d.headers.some((h) => h.name === name));
  if (gone.length) change.removeHeaders = gone;
  return change;
}
