// The parts of the alarms that need no page: lists that follow, drafts and
// what is sent of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';

delete globalThis.BroadcastChannel; // an open one keeps Node from its end

const at = (file) => new URL('../static/alarms/' + file, import.meta.url).href;
const { matches, placed } = await import(at('follow.js'));
const { conditionOf, draftOf, faultOf, kinds, labelsOf, newRule, ruleChange, selectionOf } = await import(at('draft.js'));
const { channelChange, channelDraft, moved, newChannel, types } = await import(at('channeldraft.js'));
const { question, together } = await import(at('test.js'));
const { levelsOf, stepOf } = await import(at('history.js'));
const { rounded } = await import(at('level.js'));
const { stateOf } = await import(at('silences.js'));

const any = { state: 'all', severity: '', deviceId: '', ruleId: '', orgId: '' };
const event = (id, more = {}) => ({ id, state: 'firing', severity: 'warning', deviceId: 'd1', ruleId: 'r1', orgId: 'acme', ...more });
const ids = (list) => list.map((e) => e.id).join(' ');

test('an alarm comes to its place, changes there, and leaves', () => {
  const open = { ...any, state: 'open' };
  const list = [event('ev-5'), event('ev-3'), event('ev-1')];
  assert.equal(ids(placed(list, event('ev-4'), open)), 'ev-5 ev-4 ev-3 ev-1');
  assert.equal(ids(placed(list, event('ev-9'), open)), 'ev-9 ev-5 ev-3 ev-1');
  assert.equal(ids(placed(list, event('ev-0'), open)), 'ev-5 ev-3 ev-1 ev-0');
  assert.equal(placed(list, event('ev-3', { worst: 7 }), open)[1].worst, 7);
  assert.equal(ids(placed(list, event('ev-3', { acknowledged: { by: 'x' } }), open)), 'ev-5 ev-1');
  assert.equal(placed(list, event('ev-2', { state: 'resolved' }), open), list, 'what does not belong changes nothing');
  assert.equal(list.length, 3);
});

test('a filter takes what the API would answer', () => {
  for (const [change, is] of [
    [{}, true], [{ severity: 'warning' }, true], [{ severity: 'info' }, false], [{ deviceId: 'd' }, false], [{ ruleId: 'r1', orgId: 'acme' }, true],
    [{ state: 'open' }, true], [{ state: 'acknowledged' }, false], [{ state: 'resolved' }, false],
  ]) assert.equal(matches(event('ev-1'), { ...any, ...change }), is, JSON.stringify(change));
  assert.equal(matches(event('ev-1', { state: 'recovering' }), { ...any, state: 'open' }), true);
});

const rule = {
  id: 'rule-1', orgId: 'acme', name: 'hot', enabled: true, severity: 'critical', revision: 3, selection: { deviceIds: ['d1'], ports: [1, 2] },
  condition: { kind: 'above', high: 80, clear: 75 }, for: '5m', labels: { site: 'north' }, channels: ['ch-1'], repeatEvery: '30m',
  schedule: { days: ['mon'], from: '06:00', to: '22:00', zone: 'Europe/Berlin' }, owner: 'ann', createdAt: '', updatedAt: '', updatedBy: '',
};

test('a rule that is read and written is the same', () => {
  const { id, revision, createdAt, updatedAt, updatedBy, ...rest } = rule;
  const made = JSON.parse(JSON.stringify(newRule(draftOf(rule))));
  assert.deepEqual(made, { ...rest, escalateTo: [] });
});

test('a change takes away what is empty', () => {
  const change = ruleChange({ ...draftOf(rule), for: ' ', labels: '', hours: { ...draftOf(rule).hours, on: false }, deviceIds: [], ports: [] });
  assert.equal(change.for, '0');
  assert.equal(change.repeatEvery, '30m');
  assert.deepEqual([change.labels, change.selection, change.alwaysActive, change.schedule], [{}, {}, true, undefined]);
});

test('a condition has the fields of its kind alone', () => {
  const level = Object.fromEntries(Object.values(kinds).flatMap((k) => Object.entries(k)).map(([name, type]) => [name, type === 'd' ? '10m' : '2,5']));
  for (const [kind, fields] of Object.entries(kinds)) {
    const c = conditionOf({ ...draftOf({}), kind, level });
    assert.deepEqual(Object.keys(c).sort(), ['kind', ...Object.keys(fields)].sort());
    for (const [name, type] of Object.entries(fields)) assert.equal(c[name], type === 'd' ? '10m' : 2.5);
  }
  assert.deepEqual(conditionOf({ ...draftOf({}), kind: 'equals', level: { value: '0' } }), { kind: 'equals', value: 0 }, 'nought is a value');
});

test('ports are numbers, or names', () => {
  assert.deepEqual(selectionOf({ ...draftOf({}), ports: ['1', '20'] }), { ports: [1, 20] });
  assert.deepEqual(selectionOf({ ...draftOf({}), ports: ['1', 'Flow Rate'] }), { portNames: ['1', 'Flow Rate'] });
  assert.deepEqual(labelsOf('site = north\nrole=a=b, x'), { site: 'north', role: 'a=b', x: '' });
});

test('a fault is found at its field, however it is named', () => {
  const faults = { 'condition.high': 'a', for: 'b', 'selection.deviceIds[3]': 'c' };
  assert.deepEqual([faultOf(faults, 'high'), faultOf(faults, 'for'), faultOf(faults, 'deviceIds'), faultOf(faults, 'low')], ['a', 'b', 'c', undefined]);
});

test('a test asks for a change only where there is one that matters', () => {
  assert.deepEqual(question(rule, draftOf(rule)), { ruleId: 'rule-1' });
  assert.deepEqual(question(rule, { ...draftOf(rule), name: 'other', severity: 'info' }), { ruleId: 'rule-1' });
  assert.equal(question(rule, { ...draftOf(rule), for: '10m' }).change.for, '10m');
  assert.equal(question(null, { ...draftOf(rule), name: '' }).rule.name, 'test');
});

test('answers for further ports are added', () => {
  const part = (n) => ({ ports: 9, tested: n, readings: 10 * n, episodes: Array(n).fill({ curve: [1] }), leftOut: 1, lastedSeconds: 5, before: { episodes: [{}], leftOut: 0, lastedSeconds: 1 } });
  const all = together(together(null, part(2)), part(3));
  assert.deepEqual([all.tested, all.readings, all.episodes.length, all.leftOut, all.lastedSeconds, all.before.episodes.length, all.ports], [5, 50, 5, 2, 10, 2, 9]);
  assert.equal(all.episodes[0].curve, undefined, 'curves are not kept');
});

test('levels are those of the rule, or the port\'s own', () => {
  const fields = (c, p) => levelsOf(c, p).map((l) => l.field + l.value + (l.own ? 'own' : '')).join(' ');
  assert.equal(fields({ kind: 'above', high: 80, clear: 75 }), 'high80 clear75');
  assert.equal(fields({ kind: 'outside' }, { low: 1, high: 9 }), 'high9own low1own');
  assert.equal(fields({ kind: 'outside', low: 0 }, { low: 1, high: 9 }), 'high9own low0');
  assert.equal(fields({ kind: 'rate', rise: 3 }, { high: 9 }), '');
  assert.equal(stepOf(3_600_000), 5_000);
  assert.equal(stepOf(30 * 86_400_000), 3_600_000);
  assert.equal(rounded(80.2345, 0.3), 80.2);
  assert.equal(rounded(12_345, 40), 12_350);
});

const webhook = { id: 'ch-1', orgId: 'acme', name: 'ops', type: 'webhook', enabled: true, severities: ['critical'], url: 'https://a.test/x', headerNames: ['X-Key', 'X-Old'], hasSecret: true, ratePerHour: 60, createdAt: '', updatedAt: '' };

test('a channel that is not touched is not changed, and its secrets stay', () => {
  const d = channelDraft(webhook);
  assert.deepEqual(channelChange(d, webhook), {});
  assert.deepEqual(channelChange({ ...d, name: 'op', ratePerHour: '' }, webhook), { name: 'op', ratePerHour: 0 });
  assert.deepEqual(channelChange({ ...d, headers: [{ name: 'X-Key', value: 'v', kept: false }] }, webhook), { headers: { 'X-Key': 'v' }, removeHeaders: ['X-Old'] });
  assert.deepEqual(channelChange({ ...d, newSecret: true, secret: '' }, webhook), { secret: '' });
  assert.equal(moved({ ...d, url: 'https://a.test/other' }, webhook), false);
  assert.equal(moved({ ...d, url: 'https://b.test/x' }, webhook), true);
});

test('an address that is a secret goes in when it is replaced', () => {
  const slack = { ...webhook, type: 'slack', url: 'https://hooks.slack.com/…', headerNames: [], hasSecret: false };
  assert.deepEqual(channelChange(channelDraft(slack), slack), {});
  assert.deepEqual(channelChange({ ...channelDraft(slack), newUrl: true, url: 'https://hooks.slack.com/s/T' }, slack), { url: 'https://hooks.slack.com/s/T' });
});

test('a new channel has the fields of its type alone', () => {
  const d = { ...channelDraft({ orgId: 'acme' }), name: 'x', url: 'https://a.test', secret: 's', to: ['a@b.test'], body: 'b', from: '+1', provider: 'twilio', severities: [] };
  for (const type of Object.keys(types)) {
    const allowed = new Set([...types[type], 'orgId', 'name', 'type', 'enabled']);
    for (const key of Object.keys(newChannel({ ...d, type }))) assert.ok(allowed.has(key), `${type}: ${key}`);
  }
});

test('a silence is coming, active, or over', () => {
  const s = { startsAt: '2026-01-01T00:00:00Z', endsAt: '2026-01-02T00:00:00Z' };
  assert.deepEqual(['2025-12-31', '2026-01-01', '2026-01-02'].map((day) => stateOf(s, Date.parse(day))), ['coming', 'active', 'over']);
  assert.equal(stateOf({ startsAt: s.startsAt }, Date.parse('2036-01-01')), 'active');
});
