// How long a month at 1 Hz takes to open: from the navigation to the curve, and
// the query of it alone.
//   TIDEGATE_BIN=… NODE_MODULES=… node web/e2e/month.measure.mjs [runs]
import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { admin, Server } from './server.mjs';

const { chromium } = createRequire(process.env.NODE_MODULES + '/')('playwright-core');
const RUNS = Number(process.argv[2] || 5);
const DAY = 86_400_000;

const server = new Server(process.env.TIDEGATE_BIN);
let browser;
try {
  await server.init();
  await server.start();
  const file = join(server.dir, 'month.csv');
  const out = createWriteStream(file);
  out.write('ts,device,port,value\n');
  const end = Math.floor(Date.now() / 60_000) * 60_000 - 60_000;
  for (let t = end - 30 * DAY; t < end; t += 60_000) {
    let text = '';
    for (let s = t; s < t + 60_000; s += 1000) text += `${new Date(s).toISOString()},d1,1,${(60 + 12 * Math.sin(s / 1.4e7)).toFixed(2)}\n`;
    if (!out.write(text)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'finish');
  await server.cli(['org', 'add', '--id', 'acme', '--name', 'Acme']);
  await server.cli(['readings', 'import', file, '--org', 'acme', '--create']);
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic'] });
  const page = await (await browser.newContext({ viewport: { width: 1400, height: 900 } })).newPage();
  await page.goto(server.base);
  await page.fill('#email', admin.email);
  await page.fill('#password', admin.password);
  await page.keyboard.press('Enter');
  await page.locator('nav.nav').waitFor();
  const opened = [];
  const asked = [];
  for (let i = 0; i < RUNS; i++) {
    await page.goto(server.base + '/explore?ports=d1:1&from=-30d');
    await page.waitForFunction(() => document.querySelector('.history[aria-busy=false] canvas'));
    const [at, query] = await page.evaluate(() => [performance.now(), performance.getEntriesByType('resource')
      .filter((e) => e.name.includes('/readings?') && e.name.includes('every=')).map((e) => e.duration)]);
    opened.push(Math.round(at));
    asked.push(Math.round(Math.max(...query)));
  }
  const spread = (list) => list.sort((a, b) => a - b) && `${list[0]} / ${list[list.length >> 1]} / ${list.at(-1)} ms`;
  console.log(`30 days at 1 Hz, ${30 * 86_400} readings, ${RUNS} times: on the screen ${spread(opened)} after the navigation; the longest query of each ${spread(asked)} (min / median / max)`);
} finally {
  await browser?.close();
  await server.remove();
}
