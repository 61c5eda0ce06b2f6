// The history of ports: how finely it is drawn, where lines are broken, what
// is asked for, and what is remembered.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ticks, zoned } from '../static/chart/axis.js';
import { columns } from '../static/chart/history.js';
import { Line } from '../static/chart/line.js';
import { History, query } from '../static/explore/history.js';
import { bucketFor, LADDER, lengthName, runs, TILE_BUCKETS, tilesOf } from '../static/explore/ladder.js';
import { bounded, endsNow, panned, pinched, zoomed } from '../static/explore/motion.js';
import { Queue } from '../static/explore/queue.js';
import { Tile, Tiles } from '../static/explore/tile.js';
import { absolute, files, moment, port, read, relative, resolve, wanted } from '../static/explore/view.js';

const S = 1000;
const M = 60 * S;
const H = 60 * M;
const D = 24 * H;
const T0 = Date.parse('2025-09-06T00:00:00Z');

test('a bucket is no narrower than a pixel, and of the ladder', () => {
  for (const [range, width, want] of [
    [30 * D, 1200, H], [25 * D, 1200, 30 * M], [24 * H, 1200, 2 * M], [7 * D, 1200, 10 * M], [H, 1200, 5 * S], [10 * M, 1200, 500],
    [365 * D, 1200, 12 * H], [50 * 365 * D, 1200, 30 * D], [S, 1200, 1], [D, 10, 10 * M], [D, 9999, M], [100 * 365 * D, 1200, 30 * D],
  ]) assert.equal(bucketFor(range, width), want, `${range} on ${width} px`);
  for (let i = 1; i < LADDER.length; i++) assert.ok(LADDER[i] > LADDER[i - 1]);
  for (const every of LADDER) assert.ok(D % every === 0 || every % D === 0, `${every} has no place in a day`);
  for (let range = 1_000; range < 3650 * D; range *= 1.7) assert.ok(range / bucketFor(range, 900) <= 900, String(range));
});

test('tiles cover a range, and neighbours are one query', () => {
  const span = TILE_BUCKETS * M;
  assert.deepEqual(tilesOf(0, span, M), [0, 0]);
  assert.deepEqual(tilesOf(0, span + 1, M), [0, 1]);
  assert.deepEqual(tilesOf(span - 1, span, M), [0, 0]);
  assert.deepEqual(tilesOf(3 * span, 5 * span, M), [3, 4]);
  assert.deepEqual(runs([3, 4, 5, 9]), [[3, 5], [9, 9]]);
  assert.deepEqual(runs([]), []);
  for (const [ms, want] of [[15 * M, '15 min'], [D, '1 d'], [90 * M, '1 h 30 min'], [500, '500 ms'], [30 * D, '30 d'], [7 * D + H, '7 d 1 h'], [25 * H + M, '1 d 1 h']]) {
    assert.equal(lengthName(ms).replaceAll('\u202f', ' '), want);
  }
});

const piece = (every, ts, values = ts.map((_, i) => i)) => {
  const tile = new Tile(0, 1e15, every, 0);
  ts.forEach((t, i) => {
    const at = new Date(t).toISOString();
    if (every) tile.addBucket({ ts: at, mean: values[i], min: values[i] - 1, max: values[i] + 1, count: 2 });
    else tile.addReading({ ts: at, calibratedValue: values[i], quality: i === 2 ? 'bad' : 'good' });
  });
  return tile;
};

test('buckets are joined with their neighbours alone', () => {
  const line = new Line(M, [piece(M, [T0, T0 + M, T0 + 3 * M, T0 + 5 * M, T0 + 6 * M])]);
  const { data, lonely } = columns([{ look: null, line, before: null }]);
  const drawn = data[0].map((x, i) => [(x - T0) / M, data[1][i]]);
  assert.deepEqual(drawn.map(([, v]) => v), [0, 1, null, 2, null, 3, 4], 'a gap stands between buckets that are no neighbours');
  assert.deepEqual(drawn.filter(([, v]) => v !== null).map(([t]) => t), [0.5, 1.5, 3.5, 5.5, 6.5], 'a bucket stands at its middle');
  assert.deepEqual(lonely[1].map((i) => data[1][i]), [2], 'a bucket between gaps is a point');
  assert.deepEqual(data[2].filter((v) => v != null), [-1, 0, 1, 2, 3]);
  assert.equal(line.near(T0 + 4.5 * M), -1, 'a gap has no value');
  assert.equal(line.mid[line.near(T0 + 3.2 * M)], 2);
  assert.deepEqual(line.between(T0 + 3 * M, T0 + 6 * M), { low: 1, high: 4, readings: 4 });
  assert.equal(line.between(T0 + 10 * M, T0 + 20 * M), null);
});

test('readings are joined up to some times their usual distance', () => {
  const ts = [...Array(20).keys()].map((i) => T0 + i * 10 * S + (i >= 10 ? 60 * S : 0));
  const line = new Line(0, [piece(0, ts.slice(0, 7)), piece(0, ts.slice(7))]);
  const { data } = columns([{ look: null, line, before: null }]);
  assert.equal(data[1].filter((v) => v === null).length, 1);
  assert.equal(data[1][10], null);
  assert.equal(line.near(T0 + 9 * 10 * S + 36 * S), -1);
  assert.equal(line.near(T0 + 9 * 10 * S + 3 * S), 9);
  assert.equal(line.marks.length, 2);
  const moved = new Line(0, [piece(0, ts)], H);
  assert.equal(moved.at(0), T0 + H);
  assert.equal(moved.marks[0].ts, ts[2] + H);
  assert.equal(new Line(0, []).near(T0), -1);
  const slow = new Line(0, [piece(0, [T0, T0 + H, T0 + 2 * H, T0 + 3 * H])]);
  assert.equal(columns([{ look: null, line: slow, before: null }]).data[1].filter((v) => v === null).length, 0, 'one an hour is no gap');
});

test('an axis says as much of a time as its steps need', () => {
  const zone = zoned(true);
  assert.deepEqual(ticks([T0 - 6 * H, T0, T0 + 6 * H], 6 * H, zone), ['18:00\n2025-09-05', '00:00\n2025-09-06', '06:00']);
  assert.deepEqual(ticks([T0, T0 + 5 * S], 5 * S, zone), ['00:00:00\n2025-09-06', '00:00:05']);
  assert.deepEqual(ticks([T0 + 50], 50, zone), ['00:00:00.050\n2025-09-06']);
  assert.deepEqual(ticks([T0, T0 + 5 * D], 5 * D, zone), ['09-06\n2025', '09-11']);
  assert.deepEqual(ticks([T0, T0 + 30 * D], 30 * D, zone), ['2025-09', '2025-10']);
  assert.deepEqual(ticks([T0], 365 * D, zone), ['2025']);
  const local = new Date(T0);
  assert.equal(ticks([T0], H, zoned(false))[0].slice(0, 2), String(local.getHours()).padStart(2, '0'));
});

test('the address says what is looked at', () => {
  const view = (s) => read(new URLSearchParams(s));
  assert.deepEqual(port('a:b:3'), { deviceId: 'a:b', number: 3, key: 'a:b:3' });
  assert.equal(port('d1'), null);
  assert.equal(port(':1'), null);
  assert.deepEqual(view('ports=d1:1,d1:2,d1:1,x').ports.map((p) => p.key), ['d1:1', 'd1:2']);
  assert.equal(view('ports=' + [...Array(40).keys()].map((i) => 'd:' + i)).ports.length, 24);
  for (const [text, want] of [
    ['now', { ago: 0 }], ['-24h', { ago: D }], ['-90m', { ago: 90 * M }], ['-1y', { ago: 365 * D }], ['-2w', { ago: 14 * D }], ['-1.5h', { ago: 90 * M }],
    ['2025-09-06T00:00:00Z', { at: T0 }], [String(T0), { at: T0 }], ['24h', null], ['-5x', null], ['', null], ['2025-99-99', null],
  ]) assert.deepEqual(moment(text), want, text);
  for (const ms of [S, 90 * M, H, D, 7 * D, 365 * D, 5_400 * S, 61 * S]) assert.deepEqual(moment(relative(ms)), { ago: ms });
  assert.deepEqual([relative(D), relative(7 * D), relative(90 * M), relative(365 * D), relative(61 * S)], ['-1d', '-7d', '-90m', '-1y', '-61s']);
  const now = T0 + 5 * D;
  assert.deepEqual(resolve(view(''), now, null), { from: now - D, to: now, live: true });
  assert.deepEqual(resolve(view('from=-7d&to=-1d'), now, null), { from: now - 7 * D, to: now - D, live: false });
  assert.deepEqual(resolve(view('from=2025-09-06T00:00:00Z&to=2025-09-07T00:00:00Z'), now, null), { from: T0, to: T0 + D, live: false });
  assert.deepEqual(resolve(view('from=2025-09-06T00:00:00Z'), now, null), { from: T0, to: now, live: true });
  assert.equal(resolve(view('from=2025-09-09T00:00:00Z&to=2025-09-07T00:00:00Z'), now, null).to, T0 + D, 'a range upside down is that before its end');
  assert.deepEqual(resolve(view('from=all'), now, { oldest: T0, newest: now - M }), { from: T0, to: now, live: true });
  const past = resolve(view('from=all'), now, { oldest: T0, newest: T0 + D });
  assert.ok(!past.live && past.from < T0 && past.from > T0 - H && past.to > T0 + D && past.to < T0 + 26 * H);
  assert.deepEqual(wanted({ from: now - 90 * M, to: now }, true), { from: '-90m', to: null });
  assert.deepEqual(wanted({ from: T0, to: T0 + D + 5 }, false), { from: '2025-09-06T00:00:00Z', to: '2025-09-07T00:00:00.005Z' });
  assert.equal(moment(absolute(T0 + 123)).at, T0 + 123);
});

test('exactly the chosen ports are taken out', () => {
  const ports = (s) => s.split(' ').map(port);
  assert.deepEqual(files(ports('a:2 a:1 b:1 b:2')), [{ deviceId: ['a', 'b'], portNumber: [1, 2] }]);
  assert.deepEqual(files(ports('a:1 a:2 b:1')), [{ deviceId: ['a'], portNumber: [1, 2] }, { deviceId: ['b'], portNumber: [1] }]);
  assert.deepEqual(files(ports('a:1 b:2')), [{ deviceId: ['a'], portNumber: [1] }, { deviceId: ['b'], portNumber: [2] }]);
});

test('ranges are moved and stay in what can be looked at', () => {
  const now = T0 + 10 * D;
  const r = { from: T0, to: T0 + D };
  assert.deepEqual(panned(r, -0.5, now), { from: T0 - D / 2, to: T0 + D / 2 });
  assert.deepEqual(panned({ from: now - D - H, to: now - H }, 0.5, now), { from: now - D, to: now }, 'it stops at now');
  assert.deepEqual(zoomed(r, 0.5, T0 + D / 4, now), { from: T0 + D / 8, to: T0 + D / 8 + D / 2 });
  assert.deepEqual(zoomed({ from: now - D, to: now }, 2, now - D / 2, now), { from: now - 2 * D, to: now });
  assert.equal(zoomed({ from: T0, to: T0 + 200 }, 0.01, T0 + 100, now).to - zoomed({ from: T0, to: T0 + 200 }, 0.01, T0 + 100, now).from, 100);
  assert.deepEqual(pinched(r, [0.25, 0.75], [0, 1], now), { from: T0 + D / 4, to: T0 + 3 * D / 4 }, 'both times stay under the fingers');
  assert.deepEqual(pinched(r, [0.2, 0.4], [0.3, 0.5], now), { from: T0 - D / 10, to: T0 + 9 * D / 10 });
  assert.deepEqual(bounded({ from: now, to: now + D }, now), { from: now + 600_000 - D, to: now + 600_000 });
  assert.ok(endsNow({ from: now - D, to: now - 2 * M }, now));
  assert.ok(!endsNow({ from: now - D, to: now - H }, now));
});

test('few jobs run at once, and those that are not wanted any more never begin', async () => {
  const queue = new Queue(2);
  const ends = [];
  const begun = [];
  const job = (name) => () => new Promise((done) => { begun.push(name); ends.push(done); });
  const go = (name, low = false, control = new AbortController()) => ({ control, done: queue.add(job(name), control.signal, low) });
  const turn = () => new Promise((next) => setImmediate(next));
  go('a');
  go('b');
  go('low', true);
  const c = go('c');
  go('d');
  assert.deepEqual(begun, ['a', 'b']);
  c.control.abort();
  await assert.rejects(c.done);
  ends.shift()();
  await turn();
  assert.deepEqual(begun, ['a', 'b', 'd']);
  ends.shift()();
  await turn();
  assert.deepEqual(begun, ['a', 'b', 'd', 'low']);
});

test('what was not used for long is forgotten first', () => {
  const tiles = new Tiles(60);
  for (const key of ['a|1', 'b|1', 'c|1']) tiles.put(key, piece(0, [T0, T0 + S]));
  tiles.get('a|1');
  tiles.put('d|1', piece(0, [...Array(20).keys()].map((i) => T0 + i)));
  assert.deepEqual([...tiles.byKey.keys()], ['c|1', 'a|1', 'd|1']);
  tiles.put('huge|1', piece(0, [...Array(90).keys()].map((i) => T0 + i)));
  assert.deepEqual([...tiles.byKey.keys()], ['huge|1'], 'what is needed now stays');
  assert.equal([...tiles.of('huge|', T0)].length, 1);
  assert.equal([...tiles.of('h|', T0)].length, 0);
});

/** fakeBox answers a History over a port with a reading each step ms, and what it was asked. */
function fakeBox({ step = S, begin = T0, end = T0 + 30 * D, now = T0 + 30 * D, fail = () => null } = {}) {
  const box = { asked: [], aborted: 0, now, end, step };
  const ask = async (path, q, signal) => {
    box.asked.push(q);
    const wrong = fail(q);
    await new Promise((next) => setImmediate(next));
    if (signal.aborted) {
      box.aborted++;
      throw signal.reason;
    }
    if (wrong) throw wrong;
    const every = q.every ? Number(q.every.replace('ms', '')) : 0;
    const from = Math.max(begin, Math.ceil(Date.parse(q.from) / step) * step);
    const to = Math.min(box.end, Date.parse(q.to));
    const items = [];
    if (every) {
      for (let t = from - from % every; t < to; t += every) items.push({ ts: new Date(t).toISOString(), mean: t, min: t - 1, max: t + 1, count: Math.ceil(every / step) });
      return { items };
    }
    for (let t = from; t < to && items.length < q.limit; t += step) items.push({ ts: new Date(t).toISOString(), calibratedValue: t, quality: 'good' });
    return { items, nextCursor: from + q.limit * step < to ? 'more' : undefined };
  };
  box.history = new History({ ask, now: () => box.now, onChange() {} });
  box.settle = async () => {
    for (let quiet = 0, n = box.asked.length; quiet < 12;) {
      await new Promise((next) => setImmediate(next));
      quiet = box.asked.length === n ? quiet + 1 : 0;
      n = box.asked.length;
    }
  };
  box.see = (from, to, o = {}) => box.history.see(new Map([['p', { deviceId: 'd1', number: 1, from, to, width: 1200, ingested: false, shift: 0, rawMost: 2000, ...o }]]));
  box.track = () => box.history.track('p');
  return box;
}

test('a month at 1 Hz is asked for in buckets, an hour of it reading by reading', async () => {
  const box = fakeBox();
  box.see(T0, T0 + 30 * D);
  assert.ok(box.track().loading);
  await box.settle();
  assert.equal(box.track().loading, false);
  assert.equal(box.asked[0].every, H + 'ms');
  assert.equal(box.asked.filter((q) => !q.every).length, 0);
  assert.equal(box.track().line.every, H);
  assert.equal(box.track().line.between(T0, T0 + 30 * D).readings, 30 * 86_400);

  box.asked.length = 0;
  box.see(T0 + D, T0 + D + 20 * M);
  assert.equal(box.track().line.every, H, 'what was drawn stays until there is better');
  await box.settle();
  assert.equal(box.track().line.every, 0);
  assert.ok(box.asked.every((q) => !q.every), 'the density is known: no bucket is asked for');
  assert.equal(box.track().line.between(T0 + D, T0 + D + 20 * M).readings, 1200);
  box.history.close();
});

test('panning asks only for what comes into sight, and the neighbours are there before', async () => {
  const box = fakeBox();
  const span = TILE_BUCKETS * 2 * M;
  const from = Math.ceil(T0 / span) * span + 5 * span;
  box.see(from, from + D);
  await box.settle();
  const seen = (q) => [Date.parse(q.from), Date.parse(q.to)];
  assert.deepEqual(box.asked.map(seen)[0], [from, from + 3 * span]);
  assert.deepEqual(box.asked.map(seen).slice(1).sort(), [[from - span, from], [from + 3 * span, from + 4 * span]], 'one at each side, afterwards');
  box.asked.length = 0;
  box.see(from + H, from + D + H);
  assert.equal(box.track().loading, false, 'the neighbour is drawn at once');
  await box.settle();
  assert.deepEqual(box.asked.map(seen), [[from + 4 * span, from + 5 * span]], 'the next neighbour');
  box.asked.length = 0;
  box.see(from + H + span, from + D + H + span);
  await box.settle();
  assert.deepEqual(box.asked.map(seen), [[from + 5 * span, from + 6 * span]]);
  box.history.close();
});

test('a range that moved on ends its requests', async () => {
  const box = fakeBox();
  box.see(T0, T0 + D);
  box.see(T0 + 20 * D, T0 + 21 * D);
  await box.settle();
  assert.equal(box.aborted, 1);
  assert.equal(box.track().problem, null);
  assert.equal(box.track().line.between(T0 + 20 * D, T0 + 21 * D).readings, 86_400);
  box.history.see(new Map());
  assert.equal(box.track(), undefined);
  box.history.close();
});

test('a port with few readings is drawn reading by reading over any range', async () => {
  const box = fakeBox({ step: H });
  box.see(T0, T0 + 30 * D);
  await box.settle();
  assert.equal(box.track().line.every, 0);
  assert.equal(box.track().line.between(T0, T0 + 30 * D).readings, 720);
  box.history.close();
});

test('a guess of few readings that was wrong ends in buckets', async () => {
  const box = fakeBox({ step: 2 });
  box.see(T0 + D, T0 + D + 10 * M);
  await box.settle();
  assert.equal(box.track().line.every, 500);
  assert.deepEqual(box.asked.slice(0, 2).map((q) => [q.every, q.limit]), [[undefined, 6000], ['500ms', 10_000]]);
  box.history.close();
});

test('readings that arrive are drawn; a bucket that they fall into is asked for again', async () => {
  const now = T0 + D;
  const box = fakeBox({ now, end: now });
  box.see(now - 10 * M, now);
  await box.settle();
  assert.equal(box.track().line.every, 0);
  box.history.add([{ deviceId: 'd1', portNumber: 1, ts: new Date(now + 500).toISOString(), calibratedValue: 42, quality: 'bad' },
    { deviceId: 'd2', portNumber: 1, ts: new Date(now + 600).toISOString(), calibratedValue: 43, quality: 'good' }]);
  const { line } = box.track();
  assert.deepEqual([line.ts.at(-1), line.mid.at(-1), line.marks], [now + 500, 42, [{ ts: now + 500, value: 42, quality: 'bad' }]]);

  box.see(now - D, now);
  await box.settle();
  const buckets = box.track().line.length;
  box.asked.length = 0;
  box.end = now + 5 * M;
  box.history.add([{ deviceId: 'd1', portNumber: 1, ts: new Date(now + 4 * M).toISOString(), calibratedValue: 42, quality: 'good' }]);
  await box.settle();
  assert.deepEqual(box.asked, [], 'not at each reading');
  box.now += 3_000;
  box.see(now - D + 3_000, now + 3_000);
  await box.settle();
  assert.ok(box.asked.length >= 1 && box.asked.every((q) => Date.parse(q.to) > now));
  assert.ok(box.track().line.length > buckets);
  box.history.close();
});

test('a reading that was stored while its tile was on its way is not lost', async () => {
  const now = T0 + D;
  const box = fakeBox({ now, end: now });
  box.see(now - 9 * M, now + M);
  box.history.add([{ deviceId: 'd1', portNumber: 1, ts: new Date(now + 500).toISOString(), calibratedValue: 42, quality: 'good' }]);
  await box.settle();
  assert.equal(box.track().line.ts.at(-1), now + 500);
  box.history.close();
});

test('a failure is told, what was drawn stays, and it is tried again', async () => {
  let down = false;
  const box = fakeBox({ fail: () => (down ? Object.assign(new Error('The server does not answer.'), { status: 0 }) : null) });
  box.see(T0, T0 + D);
  await box.settle();
  down = true;
  box.see(T0 + 9 * D, T0 + 10 * D);
  await box.settle();
  assert.equal(box.track().problem.message, 'The server does not answer.');
  assert.equal(box.track().loading, false);
  assert.notEqual(box.track().line, null);
  down = false;
  box.history.again();
  await box.settle();
  assert.equal(box.track().problem, null);
  assert.equal(box.track().line.between(T0 + 9 * D, T0 + 10 * D).readings, 86_400);
  box.history.close();
});

test('too many requests are a pause, no failure', async () => {
  let full = true;
  const box = fakeBox({ fail: () => (full ? Object.assign(new Error('Too many requests.'), { status: 429, retryAfter: 2 }) : null) });
  box.see(T0, T0 + D);
  await box.settle();
  assert.equal(box.track().problem, null);
  assert.ok(box.track().loading);
  assert.equal(box.asked.length, 1, 'it waits');
  full = false;
  box.now += 2_000;
  box.see(T0, T0 + D);
  await box.settle();
  assert.equal(box.track().line.between(T0, T0 + D).readings, 86_400);
  box.history.close();
});

test('a query says what is wanted, no more', () => {
  const w = { deviceId: 'd1', number: 2, from: 0, to: 0, width: 0, ingested: false, shift: 0, rawMost: 1000 };
  assert.deepEqual(query(w, M, false, 0, 0), {
    deviceId: 'd1', portNumber: 2, from: '1970-01-01T00:00:00.000Z', to: '1970-01-01T04:00:00.000Z', every: '60000ms', calibration: undefined, limit: 10_000 });
  assert.deepEqual(query({ ...w, ingested: true }, S, true, 1, 2), {
    deviceId: 'd1', portNumber: 2, from: '1970-01-01T00:04:00.000Z', to: '1970-01-01T00:12:00.000Z', every: undefined, calibration: 'ingested', limit: 3000 });
});
