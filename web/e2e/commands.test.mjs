// The parts of the commands of a device that need no browser.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { merged } from '../static/device/follow.js';
import { beginning, laidOut, parseExact } from '../static/device/json.js';
import { jsonFault } from '../static/device/jsonfault.js';

test('what is wrong with JSON is told with its place', () => {
  for (const [text, want] of [
    ['', 'value 1:1'], ['  ', 'value 1:3'], ['{"a": }', 'value 1:7'], ["{'a': 1}", 'key 1:2'], ['{"a": 1,}', 'key 1:9'], ['{"a" 1}', 'colon 1:6'], ['{"a": 1 "b": 2}', 'inObject 1:9'],
    ['{"a": 1', 'inObject 1:8'], ['[1 2]', 'inArray 1:4'], ['[1,]', 'value 1:4'], ['[1', 'inArray 1:3'], ['1 2', 'rest 1:3'], ['{}}', 'rest 1:3'], ['[01]', 'number 1:2'], ['-', 'number 1:1'],
    ['+1', 'number 1:1'], ['.5', 'number 1:1'], ['1.', 'number 1:1'], ['1e', 'number 1:1'], ['0x1F', 'number 1:1'], ['yes', 'value 1:1'], ['truely', 'value 1:1'], ['NaN', 'value 1:1'], ['"abc', 'text 1:1'],
    ['{\n  "a": 1,\n  "b": 2,\n}', 'key 4:1'], ['{"ä😀": x}', 'value 1:8'], ['"a\nb"', 'control 1:3'], ['"\\x"', 'escape 1:2'], ['"\\u12G4"', 'escape 1:2'], ['"\\', 'escape 1:2'],
    ['['.repeat(100_000), 'depth 1:101'],
  ]) {
    const f = jsonFault(text);
    assert.equal(f && `${f.kind} ${f.line}:${f.column}`, want, text.slice(0, 40));
  }
  const late = '{"a": "' + 'x'.repeat(1000) + '",\n "b": ?}';
  assert.equal(late[jsonFault(late).at], '?');
});

test('what is taken as JSON is what JSON.parse takes', () => {
  const parses = (text) => {
    try {
      JSON.parse(text);
      return true;
    } catch {
      return false;
    }
  };
  const seeds = ['{"delay":5,"on":true,"list":[1,-2.5e+3,null,{"k":"\\u00b0\\n"}]}', ' [ ] ', '0', '-0.0', '"x"', '{"a":{"b":{}}}\n', '1e5', 'null'];
  const pieces = ['"', '\\', '{', '}', '[', ']', ',', ':', '0', '1', '.', '-', '+', 'e', ' ', '\n', '\t', 'true', 'x', '\u00a0', '\ufeff', '\u0000', '\u2028', '{}', '[]', '"a":'];
  let random = 7; // the same each time
  const below = (n) => { random = (random * 48271) % 2147483647; return random % n; };
  let good = 0;
  for (let i = 0; i < 20_000; i++) {
    let text = seeds[below(seeds.length)];
    for (let n = below(4); n > 0; n--) {
      const at = below(text.length + 1);
      text = text.slice(0, at) + (below(3) ? pieces[below(pieces.length)] : '') + text.slice(at + below(3));
    }
    const taken = jsonFault(text) === null;
    if (taken) good++;
    assert.equal(taken, parses(text), JSON.stringify(text));
  }
  assert.ok(good > 2_000 && good < 18_000, String(good));
});

test('JSON is laid out for people, says the same, and is cut where much is missing', () => {
  const one = { points: [{ raw: 400, real: 0 }, { raw: 2000, real: 10 }], reference: 'instrument 7, which is not the one', none: [], on: { by: {} } };
  assert.equal(laidOut(one), `{
  "points": [{"raw": 400, "real": 0}, {"raw": 2000, "real": 10}],
  "reference": "instrument 7, which is not the one",
  "none": [],
  "on": {"by": {}}
}`);
  const many = { samples: Array.from({ length: 30 }, (_, i) => i + 100), names: ['x'.repeat(100), 'a [', 'b'] };
  assert.equal(laidOut(many), `{
  "samples": [
    100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113,
    114, 115, 116, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127,
    128, 129
  ],
  "names": [
    "${'x'.repeat(100)}",
    "a [",
    "b"
  ]
}`);
  for (const v of [one, many, null, 1, 'x', [], {}, [[[]]]]) assert.deepEqual(JSON.parse(laidOut(v)), v);
  const lines = (/** @type {number} */ n) => Array.from({ length: n }, (_, i) => `line ${i}`).join('\n');
  assert.equal(beginning(lines(14)), lines(14));
  assert.equal(beginning(lines(100)), lines(12));
  assert.equal(beginning('x'.repeat(64_000)).length, 1_000);
});

test('numbers keep their digits', () => {
  const exact = '{"a":[1.50,-0,12345678901234567890],"b":"1"}';
  assert.equal(JSON.rawJSON ? JSON.stringify(parseExact(exact)) : exact, exact);
  assert.equal(JSON.rawJSON ? laidOut(parseExact(exact)) : '', JSON.rawJSON ? '{"a": [1.50, -0, 12345678901234567890], "b": "1"}' : '');
  assert.deepEqual(parseExact('{"sent":3,"name":"x"}'), { sent: 3, name: 'x' });
});

test('a list follows its beginning, and keeps what is behind it', () => {
  const c = (id, state, o = {}) => ({ id, state, sent: 0, ...o });
  const list = [c('d', 'queued'), c('c', 'sent'), c('b', 'done'), c('a', 'queued')];
  const head = { items: [c('e', 'queued'), c('d', 'sent', { sent: 1 }), c('c', 'done')], nextCursor: 'x' };
  const next = merged(list, head);
  assert.deepEqual(next.map((o) => o.id + o.state), ['equeued', 'dsent', 'cdone', 'bdone', 'aqueued']);
  assert.equal(merged(list, { items: [c('d', 'queued')], nextCursor: 'x' })[0], list[0], 'what is as before is the same object');
  assert.deepEqual(merged(list, { items: [c('c', 'sent')] }).map((o) => o.id), ['c'], 'that was all: what is not in it has left the list');
  assert.deepEqual(merged(list, { items: [c('d', 'queued'), c('b', 'done')], nextCursor: 'x' }).map((o) => o.id), ['d', 'b', 'a']);
  assert.deepEqual(merged([], { items: [] }), []);
  const late = c('b', 'expired', { detail: 'late', result: 1 });
  assert.equal(merged([c('b', 'expired')], { items: [late] })[0], late, 'a late answer is shown');
});
