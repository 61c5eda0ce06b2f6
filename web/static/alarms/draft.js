// A rule while it is edited: every field as it is typed, whatever the kind, so
// that nothing is lost when one looks at another kind.

/**
 * @typedef {{kind: string, high?: number, low?: number, clear?: number, hysteresis?: number, value?: number, rise?: number, fall?: number,
 *   per?: string, window?: string, silentFor?: string, factor?: number, sigmas?: number, distance?: number, tolerance?: number}} Condition
 * @typedef {{deviceIds?: string[], ports?: number[], portNames?: string[], tags?: string[]}} Selection
 * @typedef {{days?: string[], from?: string, to?: string, zone: string}} Schedule
 * @typedef {{id: string, orgId: string, name: string, enabled: boolean, selection: Selection, condition: Condition, for?: string,
 *   keepFiringFor?: string, joinWithin?: string, severity: string, labels?: Record<string, string>, channels?: string[],
 *   repeatEvery?: string, escalateAfter?: string, escalateTo?: string[], message?: string, schedule?: Schedule, owner?: string,
 *   revision: number, createdAt: string, updatedAt: string, updatedBy: string}} Rule
 * @typedef {{on: boolean, days: string[], from: string, to: string, zone: string}} Hours
 * @typedef {{orgId: string, name: string, enabled: boolean, severity: string, deviceIds: string[], tags: string[], ports: string[],
 *   kind: string, level: Record<string, string>, for: string, keepFiringFor: string, joinWithin: string, labels: string, message: string,
 *   channels: string[], repeatEvery: string, escalateAfter: string, escalateTo: string[], hours: Hours, owner: string}} Draft
 *   ports: numbers or names; level: the fields of the condition
 */

/**
 * kinds are the conditions that there are, each with its fields; d: a
 * duration, v: a value in the port's unit, n: a number.
 * @type {Record<string, Record<string, 'v' | 'd' | 'n'>>}
 */
export const kinds = {
  above: { high: 'v', clear: 'v', hysteresis: 'v' },
  below: { low: 'v', clear: 'v', hysteresis: 'v' },
  outside: { low: 'v', high: 'v', hysteresis: 'v' },
  between: { low: 'v', high: 'v', hysteresis: 'v' },
  equals: { value: 'v' },
  changed: {},
  rate: { rise: 'v', fall: 'v', per: 'd', window: 'd', hysteresis: 'v' },
  no_data: { silentFor: 'd', factor: 'n' },
  deviation: { sigmas: 'n', distance: 'v', window: 'd', hysteresis: 'v' },
  stuck: { window: 'd', tolerance: 'v' },
};

/** zoneHere is the browser's zone, as the API names zones. */
export const zoneHere = () => Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';

/** @param {Schedule} [s] @returns {Hours} */
export function hoursOf(s) {
  return { on: !!s, days: s?.days || [], from: s?.from || '', to: s?.to || '', zone: s?.zone || zoneHere() };
}

/** @param {Hours} h @returns {Schedule | undefined} */
export function scheduleOf(h) {
  if (!h.on) return undefined;
  return { ...(h.days.length ? { days: h.days } : {}), ...(h.from || h.to ? { from: h.from, to: h.to } : {}), zone: h.zone.trim() };
}

/**
 * draftOf answers a rule as it is edited; without one, a new one.
 * @param {Partial<Rule>} r
 * @returns {Draft}
 */
export function draftOf(r) {
  /** @type {Record<string, string>} */
  const level = {};
  for (const [k, v] of Object.entries(r.condition || {})) if (k !== 'kind') level[k] = String(v);
  const s = r.selection || {};
  return {
    orgId: r.orgId || '', name: r.name || '', enabled: r.enabled ?? true, severity: r.severity || 'warning',
    deviceIds: s.deviceIds || [], tags: s.tags || [], ports: (s.ports || s.portNames || []).map(String), kind: r.condition?.kind || 'above', level,
    for: r.for || '', keepFiringFor: r.keepFiringFor || '', joinWithin: r.joinWithin || '', message: r.message || '', owner: r.owner || '',
    labels: Object.entries(r.labels || {}).map(([k, v]) => `${k}=${v}`).join('\n'), channels: r.channels || [], repeatEvery: r.repeatEvery || '',
    escalateAfter: r.escalateAfter || '', escalateTo: r.escalateTo || [], hours: hoursOf(r.schedule),
  };
}

/** @param {Draft} d @returns {Condition} */
export function conditionOf(d) {
  /** @type {any} */
  const c = { kind: d.kind };
  for (const [name, type] of Object.entries(kinds[d.kind] || {})) {
    const text = (d.level[name] ?? '').trim();
    if (text !== '') c[name] = type === 'd' ? text : Number(text.replace(',', '.'));
  }
  return c;
}

/** @param {Draft} d @returns {Selection} */
export function selectionOf(d) {
  const numbers = d.ports.every((p) => /^\d+$/.test(p));
  const ports = d.ports.length ? (numbers ? { ports: d.ports.map(Number) } : { portNames: d.ports }) : {};
  return { ...(d.deviceIds.length ? { deviceIds: d.deviceIds } : {}), ...ports, ...(d.tags.length ? { tags: d.tags } : {}) };
}

/**
 * labelsOf reads labels, one a line.
 * @param {string} text
 */
export function labelsOf(text) {
  return Object.fromEntries(text.split(/[\n,]/).map((l) => l.trim()).filter(Boolean).map((l) => {
    const i = l.indexOf('=');
    return i < 0 ? [l, ''] : [l.slice(0, i).trim(), l.slice(i + 1).trim()];
  }));
}

/**
 * newRule is the body that makes the rule.
 * @param {Draft} d
 */
export function newRule(d) {
  const set = (/** @type {string} */ v) => v.trim() || undefined;
  return {
    orgId: d.orgId, name: d.name.trim(), enabled: d.enabled, severity: d.severity, selection: selectionOf(d), condition: conditionOf(d),
    for: set(d.for), keepFiringFor: set(d.keepFiringFor), joinWithin: set(d.joinWithin), repeatEvery: set(d.repeatEvery), escalateAfter: set(d.escalateAfter),
    labels: labelsOf(d.labels), channels: d.channels, escalateTo: d.escalateTo, message: set(d.message), owner: set(d.owner), schedule: scheduleOf(d.hours),
  };
}

/**
 * ruleChange is the body that makes a rule what the draft is.
 * @param {Draft} d
 */
export function ruleChange(d) {
  const time = (/** @type {string} */ v) => v.trim() || '0';
  const schedule = scheduleOf(d.hours);
  return {
    name: d.name.trim(), enabled: d.enabled, severity: d.severity, selection: selectionOf(d), condition: conditionOf(d),
    for: time(d.for), keepFiringFor: time(d.keepFiringFor), joinWithin: time(d.joinWithin), repeatEvery: time(d.repeatEvery), escalateAfter: time(d.escalateAfter),
    labels: labelsOf(d.labels), channels: d.channels, escalateTo: d.escalateTo, message: d.message.trim(), owner: d.owner.trim(),
    ...(schedule ? { schedule } : { alwaysActive: true }),
  };
}

/**
 * faultOf finds what the server says of a field: it names body.condition.high,
 * or high alone.
 * @param {Record<string, string>} faults
 * @param {string[]} names
 */
export function faultOf(faults, ...names) {
  const last = (/** @type {string} */ key) => key.replace(/\[\d+\]/g, '').replace(/\.\d+$/, '').split('.').pop() || '';
  for (const name of names) for (const [key, text] of Object.entries(faults)) if (key === name || last(key) === name) return text;
  return undefined;
}
