// How long the page takes until it can be used, with nothing in the browser's
// cache, and what it fetches for that.
//   TIDEGATE_BIN=… NODE_MODULES=… node web/e2e/load.measure.mjs [runs]
import { createRequire } from 'node:module';
import { admin, Server } from './server.mjs';

const { chromium } = createRequire(process.env.NODE_MODULES + '/')('playwright-core');
const RUNS = Number(process.argv[2] || 5);

const server = new Server(process.env.TIDEGATE_BIN);
let browser;
try {
  await server.init();
  await server.start();
  await server.cli(['org', 'add', '--id', 'acme', '--name', 'Acme']);
  await server.cli(['device', 'add', '--org', 'acme', '--id', 'd1', '--secret', 'a-secret-of-the-test', '--ports', '4']);
  await server.publish('d1', 'a-secret-of-the-test', { readings: [{ port: 1, value: 21.5 }] });
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic'] });
  let state;
  for (const place of ['login', 'overview']) {
    const times = [];
    let bytes = 0;
    for (let i = 0; i < RUNS; i++) {
      const context = await browser.newContext({ storageState: place === 'login' ? undefined : state });
      const page = await context.newPage();
      const cdp = await context.newCDPSession(page);
      await cdp.send('Network.enable');
      bytes = 0;
      cdp.on('Network.loadingFinished', (e) => { bytes += e.encodedDataLength; });
      await page.goto(server.base);
      await page.locator(place === 'login' ? '#email' : 'main h1').waitFor();
      times.push(await page.evaluate(() => Math.round(performance.now())));
      if (place === 'login') {
        await page.fill('#email', admin.email);
        await page.fill('#password', admin.password);
        await page.keyboard.press('Enter');
      }
      await page.locator('nav.nav').waitFor();
      state = await context.storageState();
      await context.close();
    }
    times.sort((a, b) => a - b);
    console.log(`${place}: usable after ${times[0]} / ${times[times.length >> 1]} / ${times.at(-1)} ms (min / median / max of ${RUNS}); ${bytes} bytes over the wire in the last`);
  }
} finally {
  await browser?.close();
  await server.remove();
}
