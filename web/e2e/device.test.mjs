// The parts of the device pages that need no browser.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apply, inForce, through } from '../static/device/line.js';
import { hours } from '../static/device/ledger.js';
import { numberOf } from '../static/device/numbers.js';
import { shortly } from '../static/device/settings.js';
import { withDurations } from '../static/device/timeline.js';
import { choose } from '../static/devices/choice.js';
import { listOf, portsOf } from '../static/devices/new.js';
import { cell, records } from '../static/devices/records.js';
import { line } from '../static/devices/spark.js';

test('two points make a line, or none', () => {
  for (const [a, b, want] of [
    [[0, 0], [1000, 100], { scaling: 0.1, offset: 0 }],
    [[400, 0], [2000, 10], { scaling: 0.00625, offset: -2.5 }],
    [[0.1, 0.3], [0.2, 0.6], { scaling: 3, offset: 0 }],
    [[10, 1], [20, -1], { scaling: -0.2, offset: 3 }],
    [[5, 1], [5, 2], null], [[5, 1], [6, 1], null], [[NaN, 1], [6, 2], null], [[0, 0], [Number.MIN_VALUE, 1e300], null],
  ]) assert.deepEqual(through({ raw: a[0], real: a[1] }, { raw: b[0], real: b[1] }), want, `${a} ${b}`);
  const l = through({ raw: 400, real: 0 }, { raw: 2000, real: 10 });
  assert.deepEqual([apply(l, 400), apply(l, 2000)], [0, 10]);
});

test('the calibration in force is the one that begins last, then the one entered last', () => {
  const at = (number, effectiveFrom) => ({ number, effectiveFrom });
  const list = [at(1, null), at(2, '2025-01-01T00:00:00Z'), at(3, '2024-01-01T00:00:00Z'), at(4, '2025-01-01T00:00:00Z'), at(5, '2030-01-01T00:00:00Z')];
  for (const [time, want] of [['2020-01-01', 1], ['2024-06-01', 3], ['2025-01-01', 4], ['2029-12-31', 4], ['2030-01-01', 5]]) {
    assert.equal(inForce(list, Date.parse(time)).number, want, time);
  }
  assert.equal(inForce([], 0), undefined);
});

test('numbers as people type them', () => {
  for (const [text, want] of [['', undefined], [' ', undefined], ['1.5', 1.5], ['1,5', 1.5], ['−3', -3], ['1 000', 1000], ['1e3', 1000], ['x', NaN], ['1.2.3', NaN]]) {
    assert.equal(numberOf(text), want, text);
  }
  for (const [s, want] of [['720h0m0s', '30d'], ['5m0s', '5m'], ['36h0m0s', '36h'], ['1h30m0s', '1h30m'], ['0s', '0s'], ['1.5s', '1.5s']]) assert.equal(shortly(s), want);
  assert.deepEqual([portsOf('4'), portsOf(' '), portsOf('A; B,')], [{ portCount: 4 }, {}, { portNames: ['A', 'B'] }]);
  assert.deepEqual(listOf(' a, b ;;c'), ['a', 'b', 'c']);
});

test('hours that are missing count as none, and the sum is exact', () => {
  const hour = (h, received, stored, rejected) => ({ hour: `2025-01-01T0${h}:00:00Z`, received, stored, duplicate: 0, rejected, pending: 0, shed: 0 });
  const { list, sum } = hours([hour(1, 3, 2, 1), hour(3, 2 ** 40, 2 ** 40, 0)], Date.parse('2025-01-01T00:00:00Z'), 4);
  assert.deepEqual(list.map((h) => h.received), [0, 3, 0, 2 ** 40]);
  assert.deepEqual(sum, { received: 2 ** 40 + 3, stored: 2 ** 40 + 2, duplicate: 0, rejected: 1, pending: 0, shed: 0 });
});

test('a state lasts until the server saw the next one', () => {
  const at = (s, status, source = 'server') => ({ at: new Date(s * 1000).toISOString(), status, reason: '', source });
  const list = withDurations([at(90, 'offline'), at(70, 'busy', 'device'), at(60, 'online'), at(0, 'offline')], 100_000);
  assert.deepEqual(list.map((e) => e.ms), [10_000, undefined, 30_000, 60_000]);
});

test('devices are chosen by all criteria together', () => {
  const now = Date.parse('2025-01-02T00:00:00Z');
  const d = (id, o = {}) => ({ id, orgId: 'acme', state: 'active', online: false, hasSecret: true, ...o });
  const list = [
    d('a', { online: true, tags: ['hot'], lastSeen: '2025-01-01T00:00:00Z' }), d('b', { name: 'Boiler 2', lastSeen: '2025-01-01T23:59:00Z' }),
    d('c', { orgId: 'other', hasSecret: false }), d('d', { state: 'retired', serialNumber: 'SN-7' }),
  ];
  const none = { q: '', org: '', is: '', state: '', tag: '', secret: '' };
  for (const [c, want] of [
    [{}, 'abcd'], [{ q: 'boil 2' }, 'b'], [{ q: 'sn-7' }, 'd'], [{ q: 'HOT' }, 'a'], [{ org: 'other' }, 'c'], [{ is: 'online' }, 'a'], [{ is: 'offline' }, 'bcd'],
    [{ is: 'silent' }, 'a'], [{ tag: 'hot' }, 'a'], [{ secret: 'none' }, 'c'], [{ q: 'nothing' }, ''],
  ]) assert.equal(choose(list, { ...none, ...c }, now).map((x) => x.id).join(''), want, JSON.stringify(c));
});

test('records of a file keep their lines, also with breaks in quotes', () => {
  assert.deepEqual(records('\ufeffid,org\r\na,x\n\n"b\nb","y ""q"""\nc,z'), [
    { line: 1, text: 'id,org' }, { line: 2, text: 'a,x' }, { line: 4, text: '"b\nb","y ""q"""' }, { line: 6, text: 'c,z' }]);
  assert.deepEqual([cell('a'), cell('a,b'), cell('a"b')], ['a', '"a,b"', '"a""b"']);
});

test('a sparkline leaves holes open', () => {
  const at = (ts, v) => ({ ts, v });
  assert.equal(line([], 0, 96, 10), '');
  assert.equal(line([at(0, 1), at(10, 2), at(50, 1)], 0, 96, 10), 'M0.0 20.0L10.0 2.0M50.0 20.0h1');
  assert.equal(line([at(0, 5), at(10, 5)], 0, 96, 10), 'M0.0 11.0L10.0 11.0');
});
