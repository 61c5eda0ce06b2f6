// What the page of a device costs whose 200 ports change each second: the time
// that Chromium's main thread works, as a share of one core.
//   TIDEGATE_BIN=… NODE_MODULES=… node web/e2e/ports.measure.mjs [seconds]
import { createRequire } from 'node:module';
import { writeFileSync } from 'node:fs';
import { admin, Server } from './server.mjs';

const { chromium } = createRequire(process.env.NODE_MODULES + '/')('playwright-core');
const SECONDS = Number(process.argv[2] || 10);
const PORTS = 200;
const secret = 'a-secret-of-the-test';

const server = new Server(process.env.TIDEGATE_BIN);
let browser;
try {
  await server.init();
  await server.start();
  await server.cli(['org', 'add', '--id', 'acme', '--name', 'Acme']);
  await server.cli(['device', 'add', '--org', 'acme', '--id', 'd1', '--secret', secret, '--ports', String(PORTS)]);
  const begin = Date.now() - 3_590_000;
  const past = Array.from({ length: 4 * 3_590 }, (_, i) => ({ ts: begin + Math.floor(i / 4) * 1000, port: 1 + (i % 4), value: Math.sin(i / 400) }));
  for (let i = 0; i < past.length; i += 8_000) await server.publish('d1', secret, { readings: past.slice(i, i + 8_000) });
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic'] });
  const page = await (await browser.newContext({ viewport: { width: 1400, height: 900 }, reducedMotion: process.env.MOTION ? 'no-preference' : 'reduce' })).newPage();
  await page.goto(server.base + '/devices/d1');
  await page.fill('#email', admin.email);
  await page.fill('#password', admin.password);
  await page.keyboard.press('Enter');
  await page.locator('.chart canvas').first().waitFor();
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('Performance.enable');
  const metrics = async () => Object.fromEntries((await cdp.send('Performance.getMetrics')).metrics.map((m) => [m.name, m.value]));

  /** measure publishes all ports each second in so many messages. */
  const measure = async (name, messages, profile = '') => {
    let n = 0;
    const size = PORTS / messages;
    const send = () => {
      const first = (n++ % messages) * size;
      const readings = Array.from({ length: size }, (_, i) => ({ port: 1 + first + i, value: 20 + Math.random() }));
      return server.publish('d1', secret, { readings }).catch((e) => console.error(e.message));
    };
    const timer = setInterval(send, 1000 / messages);
    await new Promise((done) => setTimeout(done, 3000));
    if (profile) {
      await cdp.send('Profiler.enable');
      await cdp.send('Profiler.start');
    }
    const sent = n;
    const before = await metrics();
    await new Promise((done) => setTimeout(done, 1000 * SECONDS));
    const after = await metrics();
    if (profile) writeFileSync(profile, JSON.stringify((await cdp.send('Profiler.stop')).profile));
    clearInterval(timer);
    const seconds = after.Timestamp - before.Timestamp;
    const share = (k) => ((100 * (after[k] - before[k])) / seconds).toFixed(1) + ' %';
    console.log(`${name}: ${((n - sent) * size / seconds).toFixed(0)} readings/s; of a core: all ${share('TaskDuration')}, script ${share('ScriptDuration')}, ` +
      `layout ${share('LayoutDuration')}, style ${share('RecalcStyleDuration')}; nodes ${after.Nodes}, heap ${(after.JSHeapUsedSize / 1e6).toFixed(0)} MB`);
  };
  await measure('one message a second', 1, process.env.PROFILE);
  await measure('ten messages a second', 10);
} finally {
  await browser?.close();
  await server.remove();
}
