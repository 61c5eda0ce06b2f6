// Every place of the page on a server with a plant behind it: readable and
// usable in both themes, on a phone, a desk and a wall; nothing is cut off,
// and the console says nothing. With SHOTS it makes the pictures of the docs.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Device } from './device.mjs';
import { assert, drawn, secret, seesText, story } from './harness.mjs';

/** plant is what the server has: by device the ports, with a curve each. */
const plant = [
  ['boiler-1', 'Boiler house', 'hall-1', [['Flow temperature', '°C', 71, 6, 3600e3], ['Return temperature', '°C', 52, 4, 3600e3], ['Pressure', 'bar', 1.8, 0.15, 7200e3]]],
  ['boiler-2', 'Boiler house', 'hall-1', [['Flow temperature', '°C', 69, 5, 4000e3], ['Pressure', 'bar', 1.9, 0.1, 6600e3]]],
  ['meter-main', 'Main meter', 'grid', [['Voltage', 'V', 231, 3, 1800e3], ['Active power', 'kW', 42, 18, 14400e3], ['Frequency', 'Hz', 50, 0.03, 600e3]]],
  ['cold-store', 'Cold store', 'hall-2', [['Air', '°C', -18.5, 1.2, 5400e3], ['Door open', '', 0, 0, 1e9]]],
  ['greenhouse-7', 'Greenhouse 7', 'field', [['Air', '°C', 23, 5, 86400e3], ['Humidity', '%', 64, 12, 86400e3], ['Soil moisture', '%', 31, 2, 43200e3]]],
  ['pump-west', 'Pump west', 'field', [['Vibration', 'mm/s', 2.1, 0.6, 900e3], ['Bearing', '°C', 44, 3, 7200e3]]],
];

/** orders are what the first boiler was told, and what it answered. */
const orders = [
  ['set-point', '{"circuit":"flow","celsius":72.5}', 'ok', '{"was":70,"is":72.5}'],
  ['read-log', '{"lines":20}', 'ok', JSON.stringify({ lines: Array.from({ length: 20 }, (_, i) => `10:${String(i + 10)}:00 burner ${i % 7 ? 'on' : 'off'}, flow ${(71 + (i % 5) / 2).toFixed(1)} °C`) })],
  ['calibrate', '{"port":3,"points":[{"raw":400,"bar":0},{"raw":2000,"bar":10}],"reference":"gauge 7"}', 'error', '{"error":"the second point is not stable","spread":0.31}'],
];

await story(async (s) => {
  const server = await s.newServer();
  const { event, rule } = await furnish(server);

  const places = {
    overview: '/', devices: '/devices', device: '/devices/boiler-1', ports: '/devices/boiler-1/ports', timeline: '/devices/boiler-1/timeline', messages: '/devices/boiler-1/messages',
    commands: '/devices/boiler-1/commands', ledger: '/devices/boiler-1/ledger', settings: '/devices/boiler-1/settings',
    explore: '/explore?ports=boiler-1:1,boiler-1:2,boiler-2:1,greenhouse-7:1&from=-24h', alarms: '/alarms', alarm: '/alarms/' + event,
    rules: '/alarms/rules', rule: '/alarms/rules/' + rule, 'new-rule': '/alarms/rules/new', channels: '/alarms/channels', 'new-channel': '/alarms/channels/new', silences: '/alarms/silences', sent: '/alarms/sent',
    'dead-letters': '/admin/deadletters', organizations: '/admin/organizations', users: '/admin/users', keys: '/admin/keys', audit: '/admin/audit',
    'whole-ledger': '/admin/ledger', data: '/admin/data', system: '/admin/system', account: '/me', 'first-steps': '/welcome',
  };
  await s.step('login: readable and usable, in both themes', async () => {
    const stranger = await s.open(server.base, { viewport: { width: 1280, height: 800 } });
    await stranger.locator('#email').waitFor();
    await s.sound(stranger, 'login');
    await stranger.context().close();
    s.quiet();
  });

  const page = await s.login(server, { viewport: { width: 1280, height: 800 } });
  for (const [name, path] of Object.entries(places)) {
    await s.step(`${name}: readable and usable, in both themes, on a phone and a wall`, async () => {
      await arrive(page, server.base + path);
      await s.sound(page, name);
      for (const size of [{ width: 360, height: 740 }, { width: 2560, height: 1440 }]) {
        await page.setViewportSize(size);
        await settled(page);
        const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(over <= 0, `${name} is ${over} px wider than ${size.width} px`);
        const ways = await page.locator('nav.nav a').evaluateAll((all) => all.map((a) => a.getBoundingClientRect()).filter((r) => r.left < 0 || r.right > innerWidth || r.bottom > innerHeight).length);
        assert.equal(ways, 0, `${name}: ${ways} ways to other places are out of sight at ${size.width} px`);
        if (['overview', 'device', 'alarms', 'explore'].includes(name)) await s.shot(page, `${name}-${size.width < 500 ? 'phone' : 'wall'}`);
      }
      await page.setViewportSize({ width: 1280, height: 800 });
      s.quiet();
    });
  }

  await s.step('the keys lead everywhere, and are listed; nothing moves for who wants it still', async () => {
    await arrive(page, server.base + '/');
    for (const [key, place] of [['d', '/devices'], ['e', '/explore'], ['a', '/alarms'], ['m', '/admin'], ['o', '/']]) {
      await page.keyboard.press('g');
      await page.keyboard.press(key);
      await page.waitForURL((url) => url.pathname === place || url.pathname.startsWith(place + '/') && place !== '/');
    }
    await page.keyboard.press('?');
    await seesText(page.getByRole('dialog'), 'This list');
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.reload();
    await page.locator('nav.nav').waitFor();
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement?.className), 'skip', 'the first stop leads past the ways');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'main');
    const moving = () => page.evaluate(() => document.getAnimations().filter((a) => a.playState === 'running').length);
    assert.equal(await moving(), 0);
    await page.emulateMedia({ reducedMotion: 'no-preference' });
    await page.waitForFunction(() => document.getAnimations().length > 0); // the dot of what is live breathes
    await page.emulateMedia({ reducedMotion: 'reduce' });
    s.quiet();
  });

  await s.step('an address that is none says so', async () => {
    await arrive(page, server.base + '/nowhere');
    await seesText(page.locator('h1'), 'Nothing here');
    s.quiet();
  });
});

/** arrive goes to a place and waits until it is all there. */
async function arrive(page, url) {
  await page.goto(url);
  await page.locator('main h1').first().waitFor();
  await settled(page);
}

/** settled waits until nothing is on its way. */
async function settled(page) {
  await page.waitForFunction(() => !document.querySelector('[aria-busy=true]'));
  await drawn(page);
}

/** command has the first boiler told its orders; one more waits. */
async function command(server) {
  const boiler = new Device(server, 'acme', 'boiler-1');
  boiler.come();
  try {
    for (const [name, params, status, result] of orders) {
      await server.cli(['command', 'send', '--device', 'boiler-1', '--name', name, '--params', params]);
      await boiler.answer((await boiler.next()).id, status, result);
    }
  } finally {
    await boiler.go();
  }
  await server.cli(['command', 'send', '--device', 'boiler-1', '--name', 'reboot', '--expires', '1d']);
}

/** furnish gives the server its plant, two days of readings, and an alarm; it answers the ids of an alarm and its rule. */
async function furnish(server) {
  await server.cli(['org', 'add', '--id', 'acme', '--name', 'Acme Works']);
  const now = Date.now();
  const rows = ['ts,device,port,value'];
  for (const [id, name, tag, ports] of plant) {
    await server.cli(['device', 'add', '--org', 'acme', '--id', id, '--name', name, '--tag', tag, '--secret', secret, '--ports', String(ports.length)]);
    for (const [i, [label, unit, middle, swing, period]] of ports.entries()) {
      await server.cli(['port', 'set', '--device', id, '--number', String(i + 1), '--name', label, ...(unit ? ['--unit', unit] : [])]);
      for (let t = now - 48 * 3600e3; t < now - 60e3; t += 60e3) {
        const v = middle + swing * Math.sin((2 * Math.PI * t) / period) + swing * 0.15 * Math.sin(t / 7e4);
        rows.push(`${new Date(t).toISOString()},${id},${i + 1},${v.toFixed(3)}`);
      }
    }
  }
  const folder = await mkdtemp(join(tmpdir(), 'plant-'));
  try {
    await writeFile(join(folder, 'plant.csv'), rows.join('\n') + '\n');
    await server.cli(['readings', 'import', join(folder, 'plant.csv')]);
  } finally {
    await rm(folder, { recursive: true });
  }
  await command(server);
  await server.cli(['channel', 'add', '--org', 'acme', '--name', 'ops', '--type', 'webhook', '--url', 'https://hooks.example.org/tidegate']);
  await server.cli(['rule', 'add', '--org', 'acme', '--name', 'Boiler too hot', '--device', 'boiler-1', '--port', '1', '--above', '80', '--severity', 'critical', '--channel', 'ops']);
  await server.cli(['rule', 'add', '--org', 'acme', '--name', 'Cold store too warm', '--device', 'cold-store', '--port', '1', '--above', '-15']);
  await server.publish('boiler-1', secret, { readings: [{ port: 1, value: 84.2 }, { port: 2, value: 55.1 }, { port: 3, value: 1.92 }] });
  await server.publish('cold-store', secret, { readings: [{ port: 1, value: -12.4 }] });
  await server.publish('pump-west', secret, { readings: [{ port: 9, value: 1 }, { port: 1, value: 'much' }] });
  await server.cli(['user', 'add', '--email', 'olga@example.org', '--role', 'org-admin', '--org', 'acme']);
  await server.cli(['apikey', 'add', '--org', 'acme', '--name', 'Node-RED', '--scopes', 'read']);
  const deadline = Date.now() + 30_000;
  for (;;) {
    const { items } = await server.cli(['events', 'ls', '--state', 'firing']);
    const hot = items.find((e) => e.deviceId === 'boiler-1');
    if (hot && items.length === 2) return { event: hot.id, rule: hot.ruleId };
    assert.ok(Date.now() < deadline, 'no alarm');
    await new Promise((done) => setTimeout(done, 100));
  }
}
