// The parts of the page that need no browser.
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { age, bytes, count, decimals, exact, short, value } from '../static/core/format.js';
import { Live } from '../static/core/live.js';
import { align, Series } from '../static/chart/series.js';
import { exclusively } from '../static/core/turns.js';

const plain = (s) => s.replaceAll('\u202f', ' ');

test('numbers', () => {
  for (const [got, want] of [
    [value(230.5), '230.5'], [value(0.1 + 0.2), '0.3'], [value(21, 2), '21.00'], [value(-1234.5), '−1 234.5'], [value(0), '0'],
    [value(1e12), '1.000e12'], [value(0.00001), '1.000e-5'], [value(123456.789), '123 456.789'], [value(NaN), '–'], [value(-0.25), '−0.25'],
    [count(1234567), '1 234 567'], [count(999), '999'], [short(9999), '9 999'], [short(1_284_000), '1.3 M'], [short(12_345), '12.3 k'],
    [bytes(512), '512 B'], [bytes(1 << 20), '1.0 MiB'], [decimals([1, 2.25, 3.5]), 2], [decimals([0.1 + 0.2]), 1], [decimals([]), 0], [decimals([1 / 3]), 4],
  ]) assert.equal(typeof got === 'string' ? plain(got) : got, want);
});

test('times', () => {
  for (const [ms, want] of [[0, 'now'], [1_400, 'now'], [5_000, '5 s'], [89_000, '89 s'], [120_000, '2 min'], [5_400_000, '2 h'], [172_800_000, '2 d']]) {
    assert.equal(plain(age(ms)), want);
  }
  const text = exact(1_757_160_000_123);
  assert.match(text, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.123 [+-]\d\d:\d\d$/);
  assert.equal(Date.parse(text.replace(' ', 'T').replace(' ', '')), 1_757_160_000_123);
});

test('a series keeps order, one point a time, and its hour', () => {
  const s = new Series();
  for (const t of [5000, 1000, 3000, 3000, 2000]) s.add(t, t / 1000);
  assert.deepEqual([s.ts, s.mid], [[1000, 2000, 3000, 5000], [1, 2, 3, 5]]);
  s.trim(2000);
  assert.deepEqual(s.ts, [2000, 3000, 5000]);
});

test('buckets keep mean, least and greatest', () => {
  const s = new Series();
  for (let t = 0; t < 10_000; t += 1000) s.add(t, t / 1000);
  s.compact(5000);
  s.add(9999, 9);
  assert.deepEqual([s.ts, s.low, s.high, s.n], [[0, 5000], [0, 5], [4, 9], [5, 6]]);
  assert.equal(s.mid[0], 2);
  s.put(5000, { mean: 7, min: 5, max: 9, count: 5 });
  assert.deepEqual([s.mid, s.n], [[2, 7], [5, 5]]);
});

test('a gap stays one beside another port that has none', () => {
  const a = new Series();
  const b = new Series();
  for (let t = 0; t <= 60_000; t += 1000) {
    if (t <= 10_000 || t >= 50_000) a.add(t, 1);
    b.add(t + 500, 2);
  }
  const { x, mid } = align([a, b]);
  assert.equal(x.length, 22 + 1 + 61);
  assert.deepEqual(x, [...x].sort((p, q) => p - q));
  x.forEach((t, i) => {
    assert.equal(mid[0][i] === null, t > 10_000 && t < 50_000, `at ${t}`);
    assert.notEqual(mid[1][i], null, `at ${t}: the other port has no gap`);
  });
  assert.equal(mid[0].filter((v) => v === 1).length, 22);
});

/** fakeSockets answers a connect for Live, and what it made. */
function fakeSockets() {
  const made = [];
  const connect = () => {
    const socket = { readyState: 1, sent: [], closed: false, send(m) { this.sent.push(JSON.parse(m)); }, close() { this.closed = true; } };
    made.push(socket);
    return socket;
  };
  return { made, connect };
}

/** livePage answers a Live over fake sockets, and what it told. */
function livePage() {
  const { made, connect } = fakeSockets();
  const states = [];
  const live = new Live({ url: 'ws://x', token: () => 'T', connect, onState: (s, at) => states.push([s, at]) });
  const last = () => made.at(-1);
  const hear = (m) => last().onmessage({ data: JSON.stringify(m) });
  return { live, made, states, last, hear };
}

test('the live connection comes back, later each time', () => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  try {
    const { live, made, states, last, hear } = livePage();
    const messages = [];
    live.subscribe({ kinds: ['readings'], ports: [] }, (m) => messages.push(m));
    last().onopen();
    assert.deepEqual(made[0].sent, [{ type: 'auth', token: 'T' }, { type: 'subscribe', id: 1, kinds: ['readings'], ports: [] }]);
    assert.equal(live.state, 'connecting');
    hear({ type: 'subscribed', id: 1 });
    hear({ type: 'readings', id: 1, items: [] });
    assert.equal(live.state, 'live');
    assert.equal(messages.length, 1);

    const waits = [];
    for (let i = 0; i < 8; i++) {
      last().onclose();
      const [state, at] = states.at(-1);
      assert.equal(state, 'waiting');
      waits.push(at - Date.now());
      mock.timers.tick(at - Date.now());
      assert.equal(live.state, 'connecting');
    }
    assert.ok(waits[0] >= 250 && waits[0] <= 500, String(waits));
    assert.ok(waits[7] >= 7_500 && waits[7] <= 15_000, String(waits));

    last().onopen();
    mock.timers.tick(6_000);
    last().onclose();
    assert.ok(states.at(-1)[1] - Date.now() <= 500, 'a connection that held starts anew');

    live.again();
    const n = made.length;
    made[n - 2].onclose?.(); // a late word of an old socket
    assert.equal(live.state, 'connecting');
    live.stop();
    mock.timers.tick(60_000);
    assert.equal(made.length, n);
    assert.ok(last().closed);
  } finally {
    mock.timers.reset();
  }
});

test('each subscription asks for what it missed, and is told when that is gone', () => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  try {
    const { live, last, hear } = livePage();
    const told = [];
    const end = live.subscribe({ kinds: ['alerts'] }, (m) => told.push('a' + m.seq), () => told.push('a missed'));
    last().onopen();
    hear({ type: 'subscribed', id: 1, stream: 's', seq: 10 });
    live.subscribe({ kinds: ['readings'] }, (m) => told.push('b' + m.seq), () => told.push('b missed'));
    assert.deepEqual(last().sent.at(-1), { type: 'subscribe', id: 2, kinds: ['readings'] });
    assert.equal(live.state, 'connecting');
    hear({ type: 'subscribed', id: 2, stream: 's', seq: 12 });
    assert.equal(live.state, 'live');
    hear({ type: 'alert', id: 1, seq: 13 });
    hear({ type: 'readings', id: 2, seq: 14, skipped: 3 });
    hear({ type: 'readings', id: 9, seq: 15 });
    assert.deepEqual(told.splice(0), ['a13', 'b14', 'b missed']);

    last().onclose();
    mock.timers.tick(1000);
    last().onopen();
    assert.deepEqual(last().sent.slice(1), [
      { type: 'subscribe', id: 1, kinds: ['alerts'], stream: 's', after: 13 }, { type: 'subscribe', id: 2, kinds: ['readings'], stream: 's', after: 14 }]);
    hear({ type: 'subscribed', id: 1, stream: 's', seq: 20, resumed: true });
    hear({ type: 'alert', id: 1, seq: 17 });
    hear({ type: 'subscribed', id: 2, stream: 't', seq: 1, resumed: false });
    assert.deepEqual(told.splice(0), ['a17', 'b missed']);
    assert.equal(live.state, 'live');

    end();
    assert.deepEqual(last().sent.at(-1), { type: 'unsubscribe', id: 1 });

    // A connection that is closing is asked nothing; the next one is.
    last().readyState = 2;
    const asked = last().sent.length;
    live.subscribe({ kinds: ['lifecycle'] }, () => {})();
    live.subscribe({ kinds: ['rejections'] }, () => {});
    live.renew();
    assert.equal(last().sent.length, asked);
    last().onclose();
    mock.timers.tick(1000);
    last().onopen();
    assert.deepEqual(last().sent.slice(1).map((m) => m.kinds), [['readings'], ['rejections']]);
    hear({ type: 'alert', id: 1, seq: 18 });
    assert.deepEqual(told, []);
  } finally {
    mock.timers.reset();
  }
});

test('tabs take turns without web locks, also after one that was left in the middle', async () => {
  const kept = new Map();
  const before = [globalThis.navigator, globalThis.localStorage];
  const put = (name, value) => Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  put('navigator', {});
  put('localStorage', { getItem: (k) => kept.get(k) ?? null, setItem: (k, v) => kept.set(k, v), removeItem: (k) => kept.delete(k) });
  try {
    let inside = 0;
    let done = 0;
    const turn = async () => {
      assert.equal(++inside, 1, 'two at once');
      await new Promise((next) => setTimeout(next, 5));
      inside--;
      return ++done;
    };
    const answers = await Promise.all(Array.from({ length: 5 }, () => exclusively('x', turn)));
    assert.deepEqual(answers.sort(), [1, 2, 3, 4, 5]);
    await assert.rejects(exclusively('x', async () => { throw new Error('no'); }), /no/);
    assert.equal(kept.size, 0);

    kept.set('x', `gone ${Date.now() + 300}`); // by a page that was reloaded in its turn
    const begin = Date.now();
    await exclusively('x', turn);
    assert.ok(Date.now() - begin >= 250, 'it did not wait for the other');
    kept.set('x', `future ${Date.now() + 3_600_000}`); // by a clock that was put back since
    await exclusively('x', turn);
    assert.equal(done, 7);
  } finally {
    put('navigator', before[0]);
    put('localStorage', before[1]);
  }
});

test('a turn that takes long is not taken away', async () => {
  const before = globalThis.navigator;
  Object.defineProperty(globalThis, 'navigator', { value: {}, configurable: true, writable: true });
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
  try {
    const pass = async (ms) => {
      for (let t = 0; t < ms; t += 50) {
        mock.timers.tick(50);
        for (let i = 0; i < 5; i++) await null;
      }
    };
    let finish;
    const order = [];
    const first = exclusively('long', () => { order.push('first'); return new Promise((done) => { finish = done; }); });
    await pass(500);
    const second = exclusively('long', async () => order.push('second'));
    await pass(20_000);
    assert.deepEqual(order, ['first']);
    finish();
    await pass(500);
    await Promise.all([first, second]);
    assert.deepEqual(order, ['first', 'second']);
  } finally {
    mock.timers.reset();
    Object.defineProperty(globalThis, 'navigator', { value: before, configurable: true, writable: true });
  }
});
