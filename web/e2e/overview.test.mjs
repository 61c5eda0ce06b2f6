// The parts of the first steps and of the overview that need no browser.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { broker, publishLine, uri, word } from '../static/entry/mqtt.js';
import { slug } from '../static/entry/organization.js';
import { refusals } from '../static/entry/waiting.js';
import { browser } from '../static/me/sessions.js';
import { missing } from '../static/overview/ledger.js';
import { addLetters, addLive, commands, rejections, split } from '../static/overview/rejections.js';
import { lasting } from '../static/overview/tiles.js';

const d = { id: 'd1', orgId: 'acme' };

test('the broker is where the browser sees the box', () => {
  const tls = { http: '', mqtt: '[::]:8883', selfSigned: true };
  for (const [box, hostname, want] of [
    [{ mqtt: '[::]:1883' }, 'box.lan', { host: 'box.lan', port: '1883', tls: false, own: false, alone: false }],
    [{ mqtt: '[::]:1883', tls }, '[fd00::1]', { host: 'fd00::1', port: '1883', tls: false, own: false, alone: false }],
    [{ mqtt: '', tls }, 'box.lan', { host: 'box.lan', port: '8883', tls: true, own: true, alone: false }],
    [{ mqtt: '', tls: { ...tls, selfSigned: false } }, 'box.lan', { host: 'box.lan', port: '8883', tls: true, own: false, alone: false }],
    [{ mqtt: '127.0.0.1:1884' }, 'box.lan', { host: 'box.lan', port: '1884', tls: false, own: false, alone: true }],
    [{ mqtt: '127.0.0.1:1884' }, 'localhost', { host: 'localhost', port: '1884', tls: false, own: false, alone: false }],
    [null, 'box.lan', { host: 'box.lan', port: '1883', tls: false, own: false, alone: false }],
  ]) assert.deepEqual(broker(box, hostname), want);
});

test('the line is what a shell takes, whatever the secret', () => {
  const b = broker({ mqtt: '', tls: { mqtt: ':8883', selfSigned: true } }, 'box');
  assert.equal(publishLine(b, d, 'S3', 1), `mosquitto_pub -h box -p 8883 --cafile tls-ca.crt -u d1 -P S3 -q 1 -t org/acme/device/d1/telemetry -m '{"readings":[{"port":1,"value":21.5}]}'`);
  for (const secret of ["it's $HOME", 'a b;c', '`id`', '"', '-x', '']) {
    assert.equal(execFileSync('sh', ['-c', 'printf %s ' + word(secret)], { encoding: 'utf8' }), secret);
  }
  assert.equal(uri(b, d, 'a@b/c'), 'mqtts://d1:a%40b%2Fc@box:8883');
  assert.equal(uri({ ...b, tls: false, host: 'fd00::1' }, d, 's'), 'mqtt://d1:s@[fd00::1]:8883');
});

test('an id comes of a name', () => {
  for (const [name, want] of [['Müller & Söhne', 'muller-sohne'], ['  Straße 7 ', 'strasse-7'], ['ACME', 'acme'], ['日本', ''], ['x'.repeat(80), 'x'.repeat(64)]]) assert.equal(slug(name), want);
});

test('a fix is a command, or a sentence', () => {
  const port = split('rejected: device d1 port 9 unknown_port; registered 1-4. Fix: tidegate port set --device d1 --number 9, then tidegate deadletter replay --device d1');
  assert.deepEqual(port.cause, 'device d1 port 9 unknown_port; registered 1-4');
  assert.equal(commands(port.fix), 'tidegate port set --device d1 --number 9 && tidegate deadletter replay --device d1');
  const login = split('refused: login of user "d1" from 127.0.0.1:4; the secret is another. Fix: tidegate device ls shows the devices; tidegate device set --id d1 --secret NEW replaces the secret');
  assert.equal(commands(login.fix), '');
  assert.equal(commands('publish with QoS 1 (mosquitto_pub -q 1)'), '');
});

test('equal rejections are one line, live or kept; those of strangers are told apart', () => {
  const line = 'rejected: device d1 port 9 unknown_port; registered 1-4. Fix: tidegate port set --device d1 --number 9';
  addLetters([{ id: '1', reason: 'unknown_port', detail: 'port 9 is not registered on device d1', orgId: 'acme', deviceId: 'd1', port: '9', receivedAt: '2026-01-01T00:00:00.000Z' }]);
  addLive({ type: 'rejection', at: '2026-01-01T00:00:05.000Z', deviceId: 'd1', line });
  assert.deepEqual(rejections.value.map((r) => [r.deviceId, r.port, r.reason, r.times]), [['d1', '9', 'unknown_port', 2]]);
  const login = (user, port, at) => addLive({ type: 'rejection', at, reason: 'login', line: `refused: login of user "${user}" from 10.0.0.1:${port}; no active device has this id` });
  login('d1', 1, '2026-01-01T00:00:06.000Z');
  login('d1', 2, '2026-01-01T00:00:07.000Z');
  login('d9', 3, '2026-01-01T00:00:08.000Z');
  assert.deepEqual(rejections.value.map((r) => r.times), [1, 2, 2]);
  const { own, strange } = refusals(rejections.value, /** @type {any} */ (d), Date.parse('2026-01-01T00:00:05.000Z'));
  assert.deepEqual(own.map((r) => r.reason), ['login', 'unknown_port']);
  assert.deepEqual(strange.map((r) => r.cause.includes('"d9"')), [true]);
  assert.deepEqual(refusals(rejections.value, /** @type {any} */ (d), Date.parse('2026-01-01T00:00:07.500Z')).own, []);
});

test('figures', () => {
  for (const [ms, want] of [[0, '0 s'], [59_000, '59 s'], [60_000, '1 min'], [3_725_000, '1 h 2 min'], [90_000_000, '1 d 1 h']]) assert.equal(lasting(ms).replaceAll('\u202f', ' '), want);
  assert.equal(missing({ received: 9, stored: 5, duplicate: 1, rejected: 2, pending: 1, shed: 0 }), 0);
  assert.equal(missing({ received: 9, stored: 5, duplicate: 1, rejected: 2, pending: 0, shed: 0 }), 1);
  for (const [agent, want] of [
    ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'Firefox · Linux'],
    ['Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0', 'Edge · Windows'],
    ['Go-http-client/1.1', 'Go-http-client/1.1'], ['', '–'],
  ]) assert.equal(browser(agent), want);
});
