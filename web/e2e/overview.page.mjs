// What an engineer looks at first: figures that move, events as they happen,
// and nothing of others.
import { spawn } from 'node:child_process';
import { assert, secret, seesText, story } from './harness.mjs';

const fits = async (page, name) => {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `${name}: the page is ${wide} px wider than the window`);
};

await story(async (s) => {
  const box = await s.newServer();
  for (const org of ['acme', 'beta']) await box.cli(['org', 'add', '--id', org, '--name', org]);
  for (const [org, id] of [['acme', 'd1'], ['acme', 'd2'], ['beta', 'b1']]) await box.cli(['device', 'add', '--org', org, '--id', id, '--secret', secret, '--ports', '2']);
  await box.cli(['port', 'set', '--device', 'd1', '--number', '1', '--name', 'Boiler', '--unit', '°C', '--high', '80']);
  await box.cli(['user', 'add', '--email', 'bob@example.org', '--role', 'viewer', '--org', 'beta', '--password-stdin'], 'bobs own password\n');
  const page = await s.login(box);
  const tile = (name) => page.locator('.stat', { has: page.getByRole('heading', { name, exact: true }) });
  const events = page.locator('.events');
  const passages = (what) => events.locator('li', { has: page.locator('.badge', { hasText: new RegExp(`^${what}$`) }), hasText: 'd2' });
  const counted = async () => ({ online: await passages('online').count(), offline: await passages('offline').count() });
  const comes = (id) => {
    const { hostname, port } = new URL('mqtt://' + box.listen.mqtt);
    const client = spawn('mosquitto_pub', ['-h', hostname, '-p', port, '-u', id, '-P', secret, '-t', `org/acme/device/${id}/telemetry`, '-q', '1', '-l'], { stdio: ['pipe', 'ignore', 'ignore'] });
    return () => client.stdin.end();
  };
  const ever = page.locator('.account-row', { hasText: 'Since ever' });

  await s.step('a quiet box says so', async () => {
    await seesText(tile('Devices'), /0 \/ 3/);
    await seesText(tile('Devices'), '3 never seen');
    await seesText(tile('Open alarms'), 'All quiet.');
    await seesText(tile('Log'), 'Nothing waits.');
    await seesText(tile('Up for'), 'tidegate ');
    await seesText(tile('Disk free'), 'used');
    await seesText(events, 'Nothing happened lately.');
    await seesText(page.locator('.rejections'), 'Nothing was rejected lately.');
    s.quiet();
  });

  await s.step('readings move the counters, and the sum goes on to hold', async () => {
    await box.publish('d1', secret, { readings: [{ port: 1, value: 20 }, { port: 2, value: 7 }] });
    await seesText(ever, /received\s*2\s*=\s*stored\s*2/);
    const reading = { ts: Date.now() - 60_000, readings: [{ port: 1, value: 21 }] };
    await box.publish('b1', secret, reading);
    await box.publish('b1', secret, reading);
    await seesText(ever, /received\s*4\s*=\s*stored\s*3\s*\+\s*duplicate\s*1/);
    await seesText(page.locator('.accounts .badge'), 'adds up');
    s.quiet();
  });

  await s.step('a device comes and goes before the eyes', async () => {
    const leave = comes('d2');
    try {
      await seesText(tile('Devices'), /1 \/ 3/);
      await seesText(events.locator('li', { hasText: 'online' }), 'd2');
    } finally {
      leave();
    }
    await seesText(tile('Devices'), /0 \/ 3/);
    await seesText(events.locator('li', { hasText: 'offline' }), 'd2');
    s.quiet();
  });

  await s.step('an alarm and a rejection are seen as they come', async () => {
    await box.publish('d1', secret, { readings: [{ port: 1, value: 95.5 }] });
    await seesText(tile('Open alarms'), /1 (warning|critical)/);
    await seesText(events.locator('li', { hasText: 'alarm' }), /95\.5/);
    await box.publish('d1', secret, { readings: [{ port: 9, value: 1 }] });
    await seesText(events.locator('li', { hasText: 'rejected' }), 'port 9');
    await seesText(page.locator('.rejection-list li', { hasText: 'unknown_port' }).locator('code'), /^tidegate port set --device d1 --number 9/);
    await seesText(ever, /rejected\s*1/);
    await seesText(page.locator('.accounts .badge'), 'adds up');
    await box.publish('d1', secret, { readings: [{ port: 1, value: 40 }] });
    await seesText(events.locator('li', { hasText: 'resolved' }), /d1|Boiler/);
    await seesText(tile('Open alarms'), 'All quiet.');
    await s.sound(page, 'overview');
    s.quiet();
  });

  await s.step('it stays the same after a reload', async () => {
    await page.reload();
    await seesText(ever, /rejected\s*1/);
    await seesText(events.locator('li', { hasText: 'alarm' }), /95\.5/);
    assert.equal(await page.locator('.rejection-list li').count(), 1);
    await seesText(page.locator('.account-row', { hasText: 'Last 24 hours' }), /received\s*7/);
    await seesText(passages('online'), 'd2');
    await seesText(passages('offline'), 'd2');
    s.quiet();
  });

  await s.step('who came and went is listed once, whether it was seen, asked for, or both', async () => {
    assert.deepEqual(await counted(), { online: 1, offline: 1 });
    const leave = comes('d2');
    try {
      await passages('online').nth(1).waitFor();
    } finally {
      leave();
    }
    await passages('offline').nth(1).waitFor();
    assert.deepEqual(await counted(), { online: 2, offline: 2 });
    for (const what of ['resolved', 'rejected', 'last seen']) await events.locator('li', { hasText: what }).first().waitFor();
    // without how long ago it was
    const told = (want) => {
      const list = [...document.querySelectorAll('.events li')].map((li) => li.innerText.replace(/^\S.*\n/, '')).join('; ');
      return want === null ? list : list === want;
    };
    const before = await page.evaluate(told, null);
    await page.reload();
    await page.waitForFunction(told, before); // the same after a reload
    assert.deepEqual(await counted(), { online: 2, offline: 2 });
    s.quiet();
  });

  await s.step('from a phone to a wall', async () => {
    for (const [name, width, height] of [['phone', 360, 740], ['tablet', 900, 1100], ['wall', 2560, 1440]]) {
      await page.setViewportSize({ width, height });
      await fits(page, name);
      await s.shot(page, 'overview-' + name);
    }
    s.quiet();
  });

  await s.step('a viewer of one organization sees what is theirs', async () => {
    const bob = await s.login(box, { email: 'bob@example.org', password: 'bobs own password' });
    const of = (name) => bob.locator('.stat', { has: bob.getByRole('heading', { name, exact: true }) });
    await seesText(of('Devices'), /\/ 1/);
    await seesText(bob.locator('.account-row'), /Last 24 hours\s*received\s*2\s*=\s*stored\s*1\s*\+\s*duplicate\s*1/);
    await seesText(of('Up for'), 'tidegate ');
    assert.equal(await of('Log').count() + await of('Disk free').count(), 0);
    const seen = await bob.locator('body').innerText();
    for (const foreign of ['d1', 'd2', 'Boiler', 'Since ever', 'First steps']) assert.ok(!seen.includes(foreign), foreign);
    await s.sound(bob, 'overview-viewer');
    await bob.context().close();
    s.quiet();
  });

  await s.step('in German', async () => {
    const german = await s.login(box, { locale: 'de-DE' });
    await seesText(german.locator('.accounts'), 'geht auf');
    await seesText(german.locator('.events'), 'Neueste Ereignisse');
    await s.shot(german, 'overview-german');
    await german.setViewportSize({ width: 360, height: 740 });
    await fits(german, 'German, phone');
    await german.context().close();
    s.quiet();
  });
});
