// The description of the API at /docs in Chromium: it is whole, asks nobody else,
// and what it lets one try is done.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { lowContrast } from './contrast.mjs';
import { admin, Server } from './server.mjs';

const { chromium } = createRequire(process.env.NODE_MODULES + '/')('playwright-core');
const flags = '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync';

const server = new Server(process.env.TIDEGATE_BIN);
let browser;
let steps = 0;
const complaints = [];

async function step(name, does) {
  await does();
  assert.deepEqual(complaints.splice(0), [], name);
  console.log(`ok ${++steps} docs: ${name}`);
}

try {
  await server.init();
  await server.start();
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: flags.split(' ') });
  const page = await browser.newPage({ viewport: { width: 1200, height: 900 }, colorScheme: 'dark', reducedMotion: 'reduce' });
  page.setDefaultTimeout(10_000);
  page.on('console', (m) => { if (['error', 'warning'].includes(m.type())) complaints.push(m.text()); });
  page.on('pageerror', (e) => complaints.push(String(e.stack)));
  page.on('dialog', (d) => { complaints.push('dialog ' + d.message()); d.dismiss(); });
  const asked = [];
  page.on('request', (r) => asked.push(r.url()));

  const doc = await (await fetch(server.base + '/openapi.json')).json();
  const ids = Object.values(doc.paths).flatMap((item) => Object.values(item).map((op) => op.operationId));
  const op = (id) => page.locator('#' + id);
  /** trial opens the form of an operation. */
  const trial = async (id) => {
    await op(id).locator('summary').first().click();
    const form = op(id).locator('details', { hasText: 'Try it' }).last();
    await form.locator('summary').click();
    return form;
  };

  await step('every operation is there, and opens', async () => {
    await page.goto(server.base + '/docs');
    await op('get-me').waitFor();
    assert.equal(await page.locator('.operation').count(), ids.length);
    for (const id of ids) {
      await op(id).locator('summary').first().click();
      await op(id).getByRole('heading', { name: 'Problems', exact: true }).waitFor();
    }
    assert.match(await op('create-device').innerText(), /Needs write/);
    assert.match(await op('create-device').innerText(), /serialNumber/);
    assert.match(await op('list-readings').innerText(), /rawValue/);
  });

  await step('nobody else is asked', () => {
    for (const url of asked) assert.ok(url.startsWith(server.base) || url.startsWith('data:'), url);
    assert.ok(asked.length >= 2);
  });

  await step('contrast is enough, in both schemes, and a phone does not scroll sideways', async () => {
    for (const colorScheme of ['dark', 'light']) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      assert.deepEqual(await page.evaluate(lowContrast), []);
    }
    await page.setViewportSize({ width: 360, height: 700 });
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    await page.setViewportSize({ width: 1200, height: 900 });
  });

  await step('an address names an operation', async () => {
    await page.goto(server.base + '/docs#export-readings');
    await page.reload();
    await op('export-readings').getByText('Problems').waitFor();
  });

  await step('a word finds what has it', async () => {
    await page.fill('#find', 'calibr');
    const left = page.locator('.operation:visible');
    assert.equal(await left.count(), ids.filter((id) => id.includes('calibration')).length);
    await page.fill('#find', '');
  });

  await step('what is tried without a login is refused in words', async () => {
    const form = await trial('get-me');
    await form.getByRole('button', { name: 'Send' }).click();
    await form.getByText('401').first().waitFor();
    complaints.splice(0); // Chromium tells of the 401 too
  });

  await step('after a login it is done, and no text is taken for HTML', async () => {
    await page.fill('#email', admin.email);
    await page.fill('#password', admin.password);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByText(`Logged in as ${admin.email}.`).waitFor();
    const form = await trial('create-organization');
    await form.locator('textarea').fill(JSON.stringify({ id: 'evil', name: '<img src=x onerror=alert(1)>' }));
    await form.getByRole('button', { name: 'Send' }).click();
    await form.getByText('201').first().waitFor();
    assert.match(await form.locator('pre').innerText(), /<img src=x/);
    assert.equal(await page.locator('main img').count(), 0);
    const got = await trial('get-organization');
    await got.locator('input').first().fill('evil');
    await got.getByRole('button', { name: 'Send' }).click();
    await got.getByText('200').first().waitFor();
  });
} catch (e) {
  console.error(`not ok ${steps + 1} docs:`, e);
  console.error('console:', complaints, '\nserver:\n' + server.log.slice(-3000));
  process.exitCode = 1;
} finally {
  await browser?.close();
  await server.remove();
}
