// What every story about the page needs: a real server, a browser, steps that
// are told, and a console that must stay quiet.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { lowContrast } from './contrast.mjs';
import { admin, Server } from './server.mjs';

const require = createRequire(process.env.NODE_MODULES + '/');
const { chromium } = require('playwright-core');
const axeSource = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const flags = '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync';

export { admin, assert, Server };

/** secret is that of every device of the tests. */
export const secret = 'a-secret-of-the-test';

/** plainHost leads to this machine, and is no secure origin by plain http, as a box in a plant is asked. */
export const plainHost = 'box.test';

const shots = process.env.SHOTS;
if (shots) mkdirSync(shots, { recursive: true });

/** seesText waits until a part of the page has a text. */
export const seesText = (locator, text) => locator.filter({ hasText: text }).first().waitFor();

/** drawn waits until what has changed is on the screen. */
export const drawn = (page) => page.evaluate(() => new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); }));

/** Story is one file of steps, with a server and a browser of its own. */
class Story {
  constructor(browser) {
    this.browser = browser;
    this.servers = [];
    this.steps = [];
    this.complaints = []; // of the browser's console
  }

  /** newServer makes a folder with its first user and serves it; with {bare: true} there is no user yet. config is a file's text. */
  async newServer({ env = {}, bare = false, config = '' } = {}) {
    const server = new Server(process.env.TIDEGATE_BIN, env);
    this.servers.push(server);
    if (bare) await server.folder(); else await server.init();
    if (config) await server.configure(config);
    await server.start();
    return server;
  }

  async step(name, does) {
    const begin = Date.now();
    this.complaints = [];
    await does();
    this.steps.push(name);
    console.log(`ok ${this.steps.length} ${name} (${Date.now() - begin} ms)`);
  }

  /** quiet asserts that the console said nothing but what is allowed; violations of the content policy are told there too. */
  quiet(...allowed) {
    assert.deepEqual(this.complaints.filter((c) => !allowed.some((a) => c.includes(a))), []);
  }

  /** watched takes what a page complains of. */
  watched(page) {
    page.setDefaultTimeout(20_000);
    page.on('console', (m) => { if (['error', 'warning'].includes(m.type())) this.complaints.push(m.text()); });
    page.on('pageerror', (e) => this.complaints.push(String(e.stack)));
    page.on('dialog', (d) => { this.complaints.push('dialog ' + d.message()); d.dismiss(); });
    return page;
  }

  /** open shows an address in a context of its own. */
  async open(url, options = {}) {
    const context = await this.browser.newContext({ viewport: { width: 1400, height: 900 }, reducedMotion: 'reduce', locale: 'en-GB', ...options });
    const page = this.watched(await context.newPage());
    await page.goto(url);
    return page;
  }

  /** login opens a server as somebody, by default its first user. */
  async login(server, { path = '/', email = admin.email, password = admin.password, ...options } = {}) {
    const page = await this.open(server.base + path, options);
    await page.fill('#email', email);
    await page.fill('#password', password);
    await page.keyboard.press('Enter');
    await page.locator('nav.nav').waitFor();
    return page;
  }

  /** shot keeps a picture, when SHOTS names a folder. */
  async shot(page, name) {
    if (shots) await page.screenshot({ path: `${shots}/${name}.png` });
  }

  /**
   * sound asserts that what is shown is readable and usable, in both themes:
   * contrast of all text, and no serious finding of axe. It keeps a picture of
   * each theme.
   */
  async sound(page, name) {
    for (const theme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme: theme }); // charts are drawn anew
      await drawn(page);
      assert.deepEqual(await page.evaluate(lowContrast), [], `${name}, ${theme}: contrast`);
      await this.shot(page, `${name}-${theme}`);
    }
    await page.evaluate(axeSource);
    const { violations } = await page.evaluate(() => globalThis.axe.run({ resultTypes: ['violations'] }));
    const serious = violations.filter((v) => ['serious', 'critical'].includes(v.impact));
    assert.deepEqual(serious.map((v) => `${v.id}: ${v.nodes.map((n) => n.target + ' ' + n.failureSummary).join('; ')}`), [], name);
  }
}

/**
 * story runs the steps of a file.
 * @param {(s: Story) => Promise<void>} tell
 */
export async function story(tell) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: [...flags.split(' '), `--host-resolver-rules=MAP ${plainHost} 127.0.0.1`],
  });
  const s = new Story(browser);
  try {
    await tell(s);
  } catch (e) {
    console.error(`not ok ${s.steps.length + 1}:`, e);
    console.error('console:', s.complaints);
    for (const server of s.servers) console.error('server:\n' + server.log.slice(-3000));
    for (const [i, page] of browser.contexts().flatMap((c) => c.pages()).entries()) {
      if (shots) await page.screenshot({ path: `${shots}/failed-${i}.png` }).catch(() => {});
      console.error('page:', page.url(), (await page.locator('body').innerText().catch(() => '')).slice(0, 1500));
    }
    process.exitCode = 1;
  } finally {
    await browser.close();
    for (const server of s.servers) await server.remove();
  }
}
