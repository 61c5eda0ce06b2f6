// The whole page in Chromium against a real server: what a newcomer does on
// the first day, and what happens when the server goes away.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { lowContrast } from './contrast.mjs';
import { admin, Server } from './server.mjs';

const { chromium } = createRequire(process.env.NODE_MODULES + '/')('playwright-core');
const flags = '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync';
const secret = 'a-secret-of-the-test';
const plain = 'box.test'; // by plain http no secure origin, as a box in a plant is asked
const shots = process.env.SHOTS;

const server = new Server(process.env.TIDEGATE_BIN);
let browser;
const others = []; // servers
const steps = [];
let complaints = []; // of the browser's console

async function step(name, does) {
  const begin = Date.now();
  complaints = [];
  await does();
  steps.push(name);
  console.log(`ok ${steps.length} ${name} (${Date.now() - begin} ms)`);
}

/** quiet asserts that the console said nothing but what is allowed. */
function quiet(...allowed) {
  const rest = complaints.filter((c) => !allowed.some((a) => c.includes(a)));
  assert.deepEqual(rest, []);
}

async function open(options) {
  const page = await watched(await (await browser.newContext(options)).newPage());
  await page.goto(server.base);
  return page;
}

/** watched takes what a page complains of. */
async function watched(page) {
  page.setDefaultTimeout(10_000);
  page.on('console', (m) => { if (['error', 'warning'].includes(m.type())) complaints.push(m.text()); });
  page.on('pageerror', (e) => complaints.push(String(e.stack)));
  page.on('dialog', (d) => { complaints.push('dialog ' + d.message()); d.dismiss(); });
  return page;
}

async function login(page, password = admin.password) {
  await page.fill('#email', admin.email);
  await page.fill('#password', password);
  await page.keyboard.press('Enter');
}

async function shot(page, name) {
  if (shots) await page.screenshot({ path: `${shots}/${name}.png` });
}

const tile = (page, name) => page.locator('.tile', { hasText: name });
const seesText = (locator, text) => locator.filter({ hasText: text }).first().waitFor();

try {
  await server.init();
  await server.start();
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: [...flags.split(' '), `--host-resolver-rules=MAP ${plain} 127.0.0.1`] });
  const page = await open({ viewport: { width: 1400, height: 900 }, colorScheme: 'dark', reducedMotion: 'reduce' });

  await step('a wrong password is told in words', async () => {
    await login(page, 'wrong');
    await seesText(page.getByRole('alert'), 'Email or password is wrong.');
    quiet('401');
  });

  await step('an empty server says what to do next', async () => {
    await login(page);
    await seesText(page.locator('.welcome'), 'tidegate device add --org acme');
    await seesText(page.locator('.welcome code'), `-p ${server.listen.mqtt.split(':').pop()} -u d1`);
    await seesText(page.locator('.rejections'), 'Nothing was rejected lately');
    quiet();
  });

  await step('a new device appears by itself', async () => {
    await server.cli(['org', 'add', '--id', 'acme', '--name', 'Acme']);
    await server.cli(['device', 'add', '--org', 'acme', '--id', 'd1', '--secret', secret, '--ports', '2']);
    await server.cli(['device', 'add', '--org', 'acme', '--id', 'd2', '--secret', secret, '--ports', '1']);
    await server.cli(['port', 'set', '--device', 'd1', '--number', '1', '--name', 'Voltage', '--unit', 'V']);
    await server.cli(['port', 'set', '--device', 'd1', '--number', '2', '--name', '<img src=x onerror=alert(1)>']);
    await page.getByRole('option', { name: 'd1' }).waitFor({ timeout: 15_000 });
    await seesText(page.locator('#device-title'), 'd1');
    await seesText(page.locator('.empty code'), '-t org/acme/device/d1/telemetry');
    assert.equal(await tile(page, '<img src=x').count(), 1, 'a name is text, not markup');
    quiet();
  });

  await step('a value is seen live, with unit and age, and drawn', async () => {
    await server.publish('d1', secret, { readings: [{ port: 1, value: 230.5 }, { port: 2, value: 7 }] });
    await seesText(tile(page, 'Voltage'), '230.5 V');
    await server.publish('d1', secret, { readings: [{ port: 1, value: 231.25 }] });
    await seesText(tile(page, 'Voltage'), '231.25 V');
    await seesText(tile(page, 'Voltage').locator('time'), /now|s/);
    await seesText(page.locator('.chart', { hasText: 'Voltage' }), '231.25 V');
    await seesText(page.locator('.chart', { hasText: 'Voltage' }), '2 readings');
    assert.equal(await page.locator('.chart canvas').count(), 2, 'a chart for each unit');
    await seesText(page.locator('.top .state'), 'live');
    await seesText(page.locator('.ledger'), /received\s*3/);
    quiet();
  });

  await step('the history is there after a reload', async () => {
    const begin = Date.now() - 30 * 60_000;
    const readings = Array.from({ length: 600 }, (_, i) => ({ ts: begin + i * 2000, port: 1, value: 230 + Math.sin(i / 30) }));
    await server.publish('d1', secret, { readings });
    await page.reload();
    await seesText(page.locator('.chart', { hasText: 'Voltage' }), '602 readings');
    await seesText(page.locator('.charts h2'), 'Last hour');
    quiet();
  });

  await step('a rejection shows with its cause and a line to copy', async () => {
    await server.publish('d1', secret, { readings: [{ port: 9, value: 1 }] });
    const line = page.locator('.rejection-list li', { hasText: 'unknown_port' });
    await seesText(line, 'd1');
    await seesText(line.locator('code'), /^tidegate port set --device d1 --number 9/);
    await shot(page, 'rejection');
    quiet();
  });

  await step('the keys do it all', async () => {
    await page.keyboard.press('/');
    await page.keyboard.type('d2');
    await page.locator('.row').nth(1).waitFor({ state: 'detached' });
    assert.equal(await page.locator('.row').count(), 1);
    await page.keyboard.press('Enter');
    await seesText(page.locator('#device-title'), 'd2');
    await page.keyboard.press('Escape');
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Enter');
    await seesText(page.locator('#device-title'), 'd1');
    await page.waitForURL(/\?device=d1&ports=1,2$/);
    await page.locator('h1').click();
    await page.locator('#search').evaluate((e) => e.blur());
    await page.keyboard.press('2');
    await page.waitForURL(/\?device=d1&ports=1$/);
    await seesText(page.locator('.chart', { hasText: 'Voltage' }), '602 readings');
    await page.locator('.plot').first().focus();
    await page.keyboard.press('ArrowLeft');
    await seesText(page.locator('.chart [aria-live]'), /Voltage 231.25 V/);
    await page.goBack();
    await seesText(page.locator('#device-title'), 'd2');
    await page.goForward();
    await seesText(page.locator('#device-title'), 'd1');
    quiet();
  });

  await step('all text has contrast, dark and light', async () => {
    for (const colorScheme of ['dark', 'light']) {
      await page.emulateMedia({ colorScheme });
      assert.deepEqual(await page.evaluate(lowContrast), [], colorScheme);
      await shot(page, colorScheme);
    }
    quiet();
  });

  await step('a server that goes away is told, and what was missed comes in', async () => {
    await server.stop('SIGKILL');
    await seesText(page.locator('.top .state'), 'offline');
    await seesText(page.getByRole('alert'), 'The server does not answer.');
    await server.start();
    await server.publish('d1', secret, { ts: Date.now() - 1000, readings: [{ port: 1, value: 199.5 }] });
    await server.publish('d1', secret, { readings: [{ port: 1, value: 198.5 }] });
    await seesText(page.locator('.top .state'), 'live');
    await seesText(tile(page, 'Voltage'), '198.5');
    await seesText(page.locator('.chart', { hasText: 'Voltage' }), '604 readings');
    quiet('ERR_CONNECTION_REFUSED', 'ERR_CONNECTION_RESET', 'ERR_EMPTY_RESPONSE', 'ERR_INCOMPLETE_CHUNKED_ENCODING', 'WebSocket connection');
  });

  await step('a phone shows the list, then the device, and nothing is cut off', async () => {
    const phone = await open({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, colorScheme: 'light' });
    await login(phone);
    await phone.getByRole('option', { name: 'd1' }).tap();
    await seesText(tile(phone, 'Voltage'), '198.5');
    const wide = await phone.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `the page is ${wide} px wider than the phone`);
    await shot(phone, 'phone');
    await phone.getByRole('button', { name: 'Back to the devices' }).tap();
    await phone.getByRole('option', { name: 'd2' }).waitFor();
    assert.deepEqual(await phone.evaluate(lowContrast), []);
    quiet();
  });

  await step('another tab is logged in too, and so is one that was restored without its token', async () => {
    const tab = await watched(await page.context().newPage());
    await tab.goto(server.base + '/?device=d1');
    await seesText(tile(tab, 'Voltage'), '198.5');
    await tab.evaluate(() => sessionStorage.clear());
    await tab.reload();
    await seesText(tile(tab, 'Voltage'), '198.5');
    assert.ok(!await tab.evaluate(() => document.cookie + JSON.stringify(localStorage)).then((s) => s.includes('tgr_')), 'a script sees the refresh token');
    await tab.close();
    quiet();
  });

  await step('logging out ends it, in every tab', async () => {
    const tab = await watched(await page.context().newPage());
    await tab.goto(server.base + '/?device=d1');
    await seesText(tile(tab, 'Voltage'), '198.5');
    const gone = page.waitForResponse((r) => r.url().endsWith('/auth/logout'));
    await page.getByRole('button', { name: 'Log out' }).click();
    assert.equal((await gone).status(), 204);
    for (const p of [page, tab]) {
      await p.locator('#email').waitFor();
      assert.equal(await p.evaluate(() => sessionStorage.length), 0);
      await p.reload();
      await p.locator('#email').waitFor();
    }
    assert.deepEqual((await page.context().cookies()).filter((c) => c.name === 'tidegate_refresh'), []);
    assert.equal((await server.cli(['user', 'sessions', admin.email])).items.length, 1, 'the phone is left');
    quiet('WebSocket connection', '401'); // the server may be the first to close, and what a tab still asks for is refused
  });

  await people(browser);
} catch (e) {
  for (const s of others) console.error('another server:\n' + s.log.slice(-3000));
  console.error(`not ok ${steps.length + 1}:`, e);
  console.error('console:', complaints, '\nserver:\n' + server.log.slice(-3000));
  process.exitCode = 1;
} finally {
  await browser?.close();
  for (const s of [server, ...others]) await s.remove();
}

/** people tries the first user, an invitation, and a login that lasts. */
async function people(browser) {
  const insecure = 'Cross-Origin-Opener-Policy header has been ignored'; // Chromium says so of any page by plain http
  const box = new Server(process.env.TIDEGATE_BIN, { TIDEGATE_AUTH_ACCESS_TOKEN_TTL: '10s' });
  others.push(box);
  await box.folder();
  await box.start();
  const elsewhere = (/** @type {string} */ url) => url.replace('127.0.0.1', plain);
  const printed = /http:\S+#setup=[0-9a-z]+/.exec(box.log)?.[0];
  assert.ok(printed, 'the server prints no link: ' + box.log);
  const link = elsewhere(printed);
  const base = elsewhere(box.base);
  const context = await browser.newContext({ viewport: { width: 1000, height: 800 }, colorScheme: 'dark' });
  const page = await watched(await context.newPage());
  const refreshes = [];
  context.on('response', (r) => { if (r.url().endsWith('/auth/refresh')) refreshes.push(r.status()); });

  await step('the setup link makes the first user, once', async () => {
    await page.goto(link);
    await seesText(page.locator('h1'), 'Welcome');
    assert.equal(new URL(page.url()).hash, '', 'the secret stays in the address');
    assert.deepEqual(await page.evaluate(lowContrast), []);
    await shot(page, 'setup');
    await page.fill('#email', admin.email);
    await page.fill('#password', admin.password);
    await page.fill('#again', admin.password + '!');
    await page.keyboard.press('Enter');
    await seesText(page.getByRole('alert'), 'The passwords differ.');
    await page.fill('#again', admin.password);
    await page.keyboard.press('Enter');
    await seesText(page.locator('.welcome'), 'tidegate device add');
    const late = await watched(await browser.newPage());
    await late.goto(link);
    await late.fill('#email', 'eve@example.org');
    await late.fill('#password', admin.password);
    await late.fill('#again', admin.password);
    await late.keyboard.press('Enter');
    await seesText(late.getByRole('alert'), 'There is a user already');
    await late.close();
    quiet('409', insecure);
  });

  await step('a reload keeps the login, and the page renews it by itself, in two tabs', async () => {
    await page.reload();
    await page.locator('.welcome').waitFor();
    await box.cli(['org', 'add', '--id', 'acme', '--name', 'Acme']);
    await box.cli(['device', 'add', '--org', 'acme', '--id', 'd1', '--secret', secret, '--ports', '1']);
    const tab = await watched(await context.newPage());
    await tab.goto(base + '/?device=d1');
    await page.goto(base + '/?device=d1');
    assert.equal(await page.evaluate(() => isSecureContext), false);
    const sockets = [page, tab].map((p) => { const all = []; p.on('websocket', (w) => all.push(w)); return all; });
    const deadline = Date.now() + 60_000;
    while (refreshes.length < 4) { // by then the first token has been over for long
      assert.ok(Date.now() < deadline, `${refreshes.length} refreshes`);
      await page.waitForTimeout(100);
    }
    await box.publish('d1', secret, { readings: [{ port: 1, value: 7.25 }] });
    for (const p of [page, tab]) {
      await seesText(p.locator('.tile'), '7.25');
      await seesText(p.locator('.top .state'), 'live');
    }
    assert.deepEqual(refreshes.filter((s) => s !== 200), []);
    assert.ok(sockets.every((all) => all.length <= 2), 'a new token breaks the live connection');
    assert.equal((await box.cli(['user', 'sessions', admin.email])).items.length, 1, 'tabs share a session');
    await tab.close();
    quiet(insecure);
  });

  await step('reloads in the middle of a refresh do not end the session', async () => {
    const before = refreshes.length;
    for (let i = 0; i < 6; i++) {
      await page.evaluate(() => sessionStorage.clear()).catch(() => {}); // the page may be on its way
      const asked = page.waitForRequest((r) => r.url().endsWith('/auth/refresh'));
      await page.reload({ waitUntil: 'commit' });
      if (i % 2) await asked.catch(() => {}); else asked.catch(() => {}); // before the request, and while it is out
    }
    await seesText(page.locator('.tile'), '7.25');
    await seesText(page.locator('.top .state'), 'live');
    assert.deepEqual(refreshes.slice(before).filter((s) => s !== 200), []);
    assert.equal((await box.cli(['user', 'sessions', admin.email])).items.length, 1);
    quiet(insecure);
  });

  await step('an invitation lets a viewer choose a password', async () => {
    const { link } = await box.cli(['user', 'add', '--email', 'bob@example.org', '--role', 'viewer', '--org', 'acme']);
    const guest = await watched(await browser.newPage({ viewport: { width: 360, height: 740 }, colorScheme: 'light' }));
    await guest.goto(elsewhere(link));
    await seesText(guest.locator('h1'), 'Choose a password');
    assert.deepEqual(await guest.evaluate(lowContrast), []);
    await shot(guest, 'accept');
    await guest.fill('#password', 'bobs own password');
    await guest.fill('#again', 'bobs own password');
    await guest.keyboard.press('Enter');
    await guest.getByRole('option', { name: 'd1' }).waitFor();
    await guest.goto(elsewhere(link)); // the same document: only the hash changes
    await guest.fill('#password', 'another password');
    await guest.fill('#again', 'another password');
    await guest.keyboard.press('Enter');
    await seesText(guest.getByRole('alert'), 'This link is not good, or not any more');
    await guest.getByRole('button', { name: 'Log in with a password instead' }).click();
    await guest.getByRole('option', { name: 'd1' }).waitFor();
    await guest.close();
    quiet('401', insecure);
  });

  await step('an administrator who logs somebody out is noticed', async () => {
    await box.cli(['user', 'logout', admin.email]);
    await page.locator('#email').waitFor();
    await seesText(page.getByRole('alert'), 'Your session has ended. Log in again.');
    await page.fill('#email', admin.email);
    await page.fill('#password', admin.password);
    await page.keyboard.press('Enter');
    await seesText(page.locator('.tile'), '7.25');
    quiet('401', 'WebSocket connection', insecure);
  });
  await context.close();
}
