// The history of many ports over any range, with real readings.
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { once } from 'node:events';
import { join } from 'node:path';
import { admin, assert, secret, seesText, story } from './harness.mjs';

const S = 1000;
const M = 60 * S;
const H = 60 * M;
const D = 24 * H;
const BEGIN = Math.floor((Date.now() - 7 * D) / H) * H; // of a week at 1 Hz that ended some minutes ago
const END = Math.floor((Date.now() - 10 * M) / M) * M;
const GAP = [BEGIN + 2 * D, BEGIN + 2 * D + 5 * H]; // without readings
const temperature = (t) => Number((60 + 12 * Math.sin(t / D * 6.283) + 3 * Math.sin(t / H) + 0.37 * Math.sin(t / 7000)).toFixed(2));
const iso = (t) => new Date(t).toISOString();

/** history writes readings as a file to import. */
async function history(file) {
  const out = createWriteStream(file);
  out.write('ts,device,port,value\n');
  const rows = async (text) => { if (!out.write(text)) await once(out, 'drain'); };
  for (let t = BEGIN; t < END; t += M) {
    if (t >= GAP[0] && t < GAP[1]) continue;
    let text = '';
    for (let s = t; s < t + M; s += S) text += `${iso(s)},d1,1,${temperature(s)}\n`;
    if (t % H === 0) text += `${iso(t)},d1,2,${1 + (t / H % 24) / 100}\n`;
    await rows(text);
  }
  for (let port = 1; port <= 22; port++) {
    let text = '';
    for (let t = END - D; t < END; t += 2 * M) text += `${iso(t)},d2,${port},${(20 + port + Math.sin(t / H + port)).toFixed(2)}\n`;
    await rows(text);
  }
  out.end();
  await once(out, 'finish');
}

/** numbers answers those of a text as the page writes it. */
const numbers = (text) => (text.replace(/\u202f/g, '').replace(/−/g, '-').match(/-?\d+(\.\d+)?/g) || []).map(Number);

/** timeOf answers the time that a read-out begins with. */
const timeOf = (text) => {
  const [, date, clock, zone] = /^(\S+) (\S+) (\S+?):? [A-Z]/.exec(text);
  return Date.parse(`${date}T${clock}${zone === 'UTC' ? 'Z' : zone}`);
};

await story(async (s) => {
  const server = await s.newServer();
  let token = '';
  const get = async (path) => {
    const answer = await fetch(server.base + '/api/v1' + path, { headers: { Authorization: 'Bearer ' + token } });
    assert.equal(answer.status, 200, path);
    return answer;
  };
  const readings = async (q) => (await (await get('/readings?' + new URLSearchParams(q))).json()).items;

  const chart = (page, name) => page.locator('.history', { hasText: name });
  const plot = (page, name) => chart(page, name).locator('.history-plot');
  /** drawn waits until a chart stands still, and answers its bucket in ms; 0: readings. */
  const drawn = async (page, name) => {
    await page.waitForFunction((n) => {
      const f = [...document.querySelectorAll('.history')].find((o) => o.textContent.includes(n));
      return f?.getAttribute('aria-busy') === 'false' && f.querySelector('canvas');
    }, name);
    return Number(await chart(page, name).getAttribute('data-every'));
  };
  /** over answers where the plot is, once it has a size. */
  const over = async (page, name) => {
    const area = chart(page, name).locator('.u-over');
    for (;;) {
      await area.waitFor();
      const box = await area.boundingBox(); // none of one that was drawn anew just now
      if (box) return box;
    }
  };
  const seen = async (page, name) => {
    const p = plot(page, name);
    return [Number(await p.getAttribute('aria-valuemin')), Number(await p.getAttribute('aria-valuemax'))];
  };
  /** drag moves the pressed mouse over a part of a plot. */
  const drag = async (page, name, a, b, key) => {
    const box = await over(page, name);
    const y = box.y + box.height / 2;
    await page.mouse.move(box.x + box.width * a, y);
    if (key) await page.keyboard.down(key);
    await page.mouse.down();
    for (let i = 1; i <= 5; i++) await page.mouse.move(box.x + box.width * (a + (b - a) * i / 5), y);
    await page.mouse.up();
    if (key) await page.keyboard.up(key);
  };
  /** said waits for a read-out that has a text, and answers it. */
  const said = async (page, name, has) => {
    await page.waitForFunction(([n, h]) => {
      const f = [...document.querySelectorAll('.history')].find((o) => o.textContent.includes(n));
      return f?.querySelector('.history-plot')?.getAttribute('aria-valuetext')?.includes(h);
    }, [name, has]);
    return plot(page, name).getAttribute('aria-valuetext');
  };

  await s.step('a week at 1 Hz is imported', async () => {
    await server.cli(['org', 'add', '--id', 'acme', '--name', 'Acme']);
    await server.cli(['device', 'add', '--org', 'acme', '--id', 'd1', '--secret', secret, '--ports', '2']);
    await server.cli(['device', 'set', 'd1', '--name', 'Boiler']).catch(() => {});
    await server.cli(['port', 'set', '--device', 'd1', '--number', '1', '--name', 'Temperature', '--unit', '°C', '--high', '80']);
    await server.cli(['port', 'set', '--device', 'd1', '--number', '2', '--name', 'Pressure', '--unit', 'bar']);
    await server.cli(['device', 'add', '--org', 'acme', '--id', 'd2', '--secret', secret, '--ports', '22']);
    for (let n = 1; n <= 10; n++) await server.cli(['port', 'set', '--device', 'd2', '--number', String(n), '--name', `Flow ${n}`, '--unit', 'l/min']);
    const file = join(server.dir, 'history.csv');
    await history(file);
    const done = await server.cli(['readings', 'import', file]);
    assert.ok(JSON.stringify(done).includes('stored'));
    const login = await fetch(server.base + '/api/v1/auth/login', { method: 'POST', body: JSON.stringify(admin), headers: { 'Content-Type': 'application/json' } });
    token = (await login.json()).accessToken;
  });

  const page = await s.login(server, { path: '/explore', colorScheme: 'dark', timezoneId: 'Asia/Kolkata' });

  /** sound is that of the story, with a picture that is wholly light: a canvas follows the system alone. */
  const sound = async (p, name) => {
    await s.sound(p, name);
    if (!process.env.SHOTS) return;
    await p.evaluate(() => { document.documentElement.dataset.theme = 'auto'; });
    await p.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
    await s.shot(p, name + '-light');
    await p.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' });
  };

  await s.step('ports are found by words and chosen by keys', async () => {
    await seesText(page.locator('.empty'), 'Which ports?');
    await sound(page, 'explore-empty');
    const search = page.getByRole('combobox', { name: /Search ports/ });
    await search.focus();
    await page.locator('.option').nth(20).waitFor();
    await sound(page, 'explore-picker');
    await page.keyboard.type('boiler temp');
    await page.locator('.option').nth(1).waitFor({ state: 'detached' }).catch(() => {});
    await seesText(page.locator('.option'), 'Temperature');
    await page.keyboard.press('Enter');
    await seesText(page.locator('.chip'), 'Temperature');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Escape');
    await page.locator('.picker-list').waitFor({ state: 'detached' });
    assert.match(page.url(), /\/explore\?ports=d1:1$/);
    await drawn(page, 'Temperature');
    s.quiet();
  });

  await s.step('a week is drawn in buckets, whose values are those of the API; a gap is one', async () => {
    await page.getByRole('button', { name: '7 d', exact: true }).click();
    assert.match(page.url(), /ports=d1:1&from=-7d$/);
    const every = 10 * M;
    await page.locator(`.history[data-every="${every}"][aria-busy=false]`).waitFor();
    await seesText(chart(page, 'Temperature'), 'mean and range of');
    const box = await over(page, 'Temperature');
    const [from, to] = await seen(page, 'Temperature');
    const x = (t) => box.x + box.width * (t - from) / (to - from);
    await page.mouse.move(x(BEGIN + 3 * D), box.y + 60);
    const text = await said(page, 'Temperature', '°C (');
    const bucket = Math.floor(timeOf(text) / every) * every;
    assert.ok(Math.abs(bucket - BEGIN - 3 * D) < 3 * every, text);
    const [mean, low, high] = numbers(text.split('d1 ')[1]);
    const [item] = await readings({ deviceId: 'd1', portNumber: 1, from: bucket, to: bucket + every, every: '10m' });
    for (const [got, want] of [[mean, item.mean], [low, item.min], [high, item.max]]) assert.ok(Math.abs(got - want) < 1e-3, `${text}: ${JSON.stringify(item)}`);
    await page.mouse.move(x((GAP[0] + GAP[1]) / 2), box.y + 60);
    await said(page, 'Temperature', 'no value');
    await sound(page, 'explore-week');
    s.quiet();
  });

  await s.step('drags zoom in to single readings, as the API has them', async () => {
    for (let i = 0; i < 12; i++) {
      const [from, to] = await seen(page, 'Temperature');
      if (to - from < 40 * S) break;
      await drag(page, 'Temperature', 0.6, 0.68);
      await page.waitForFunction((f) => Number(document.querySelector('.history-plot').getAttribute('aria-valuemin')) !== f, from);
      await drawn(page, 'Temperature');
    }
    const [from, to] = await seen(page, 'Temperature');
    assert.ok(to - from < 40 * S, `${to - from} ms are seen`);
    assert.equal(await drawn(page, 'Temperature'), 0);
    const want = await readings({ deviceId: 'd1', portNumber: 1, from, to });
    await seesText(chart(page, 'Temperature'), `${want.length} readings`);
    assert.ok(want.length >= 10);
    await page.mouse.move(5, 5);
    await plot(page, 'Temperature').focus();
    await page.keyboard.press('Home');
    for (const r of want.slice(0, 8)) {
      assert.equal(r.calibratedValue, temperature(Date.parse(r.ts)));
      const text = await said(page, 'Temperature', r.ts.slice(17, 23));
      assert.equal(numbers(text.split('d1 ')[1])[0], r.calibratedValue, text);
      await page.keyboard.press('ArrowRight');
    }
    await sound(page, 'explore-raw');
    s.quiet();
  });

  await s.step('back, a double click and the button zoom out; shift and a drag moves', async () => {
    const steps = [await seen(page, 'Temperature')];
    await page.goBack();
    await page.waitForFunction((f) => Number(document.querySelector('.history-plot').getAttribute('aria-valuemin')) < f, steps[0][0]);
    const wide = await seen(page, 'Temperature');
    await page.goForward();
    await page.waitForFunction((f) => Number(document.querySelector('.history-plot').getAttribute('aria-valuemin')) === f, steps[0][0]);
    const box = await over(page, 'Temperature');
    await page.mouse.dblclick(box.x + 200, box.y + 50);
    await page.waitForFunction((f) => Number(document.querySelector('.history-plot').getAttribute('aria-valuemin')) === f, wide[0]);
    await page.getByRole('button', { name: 'Zoom out' }).click();
    await page.waitForFunction((f) => Number(document.querySelector('.history-plot').getAttribute('aria-valuemin')) < f, wide[0]);
    await drawn(page, 'Temperature');
    const before = await seen(page, 'Temperature');
    const url = page.url();
    await drag(page, 'Temperature', 0.3, 0.8, 'Shift');
    await page.waitForURL((u) => u.href !== url);
    const after = await seen(page, 'Temperature');
    const moved = (before[0] - after[0]) / (before[1] - before[0]);
    assert.ok(Math.abs(moved - 0.5) < 0.02, `it moved by ${moved}`);
    assert.ok(Math.abs((after[1] - after[0]) - (before[1] - before[0])) <= 2);
    await page.mouse.move(box.x + 300, box.y + 50);
    await page.mouse.wheel(200, 0);
    await page.waitForFunction((f) => Number(document.querySelector('.history-plot').getAttribute('aria-valuemin')) > f, after[0]);
    s.quiet();
  });

  await s.step('the live edge follows, and an alarm is shaded and listed', async () => {
    await page.goto(server.base + '/explore?ports=d1:1,d1:2&from=-1h');
    await seesText(page.locator('.badge'), 'live');
    await drawn(page, 'Temperature');
    await seesText(page.locator('.top .state'), 'live');
    await server.publish('d1', secret, { readings: [{ port: 1, value: 83.5 }] });
    await seesText(chart(page, 'Temperature').locator('.legend'), '83.5');
    const row = page.locator('.table tbody tr', { hasText: 'limits' });
    await row.waitFor();
    const link = row.getByRole('link');
    assert.match(await link.getAttribute('href'), /^\/alarms\/ev-/);
    const span = chart(page, 'Temperature').locator('.span');
    assert.equal(await span.getAttribute('href'), await link.getAttribute('href'));
    assert.equal(await chart(page, 'Pressure').locator('.span').count(), 0, 'it is of the other port');
    await server.publish('d1', secret, { readings: [{ port: 1, value: 61.25, quality: 'uncertain' }] });
    await seesText(chart(page, 'Temperature').locator('.legend'), '61.25');
    await plot(page, 'Temperature').focus();
    await page.keyboard.press('End');
    await said(page, 'Temperature', '61.25 °C (uncertain)');
    await seesText(chart(page, 'Temperature').locator('.legend .badge'), 'uncertain');
    await span.focus();
    await seesText(span.locator('.span-label'), '83.5');
    await sound(page, 'explore-alarm');
    s.quiet();
  });

  await s.step('the time before is drawn beside it, and a link shows the same to somebody else', async () => {
    const from = BEGIN + 4 * D;
    await page.goto(server.base + `/explore?ports=d1:1,d1:2&from=${iso(from)}&to=${iso(from + D)}`);
    await drawn(page, 'Temperature');
    await page.getByLabel('Compare').check();
    await page.waitForURL(/compare=1/);
    await drawn(page, 'Temperature');
    const box = await over(page, 'Temperature');
    await page.mouse.move(box.x + box.width / 2, box.y + 50);
    const text = await said(page, 'Temperature', 'before:');
    const every = await drawn(page, 'Temperature');
    const [, , , earlier] = numbers(text.split('d1 ')[1]);
    const bucket = Math.floor((timeOf(text) - D) / every) * every;
    const [item] = await readings({ deviceId: 'd1', portNumber: 1, from: bucket, to: bucket + every, every: every / 1000 + 's' });
    assert.ok(Math.abs(item.mean - earlier) < 1e-3, `${text}: ${JSON.stringify(item)}`);
    await sound(page, 'explore-compare');
    await page.getByRole('button', { name: 'Copy link' }).click();
    await seesText(page.locator('.notices'), 'copied');
    const other = await s.login(server, { path: new URL(page.url()).pathname + new URL(page.url()).search, viewport: { width: 1400, height: 900 } });
    await drawn(other, 'Temperature');
    assert.deepEqual(await seen(other, 'Temperature'), [from, from + D]);
    assert.ok(await other.getByLabel('Compare').isChecked());
    assert.deepEqual(await other.locator('.chip b').allInnerTexts(), ['Temperature', 'Pressure']);
    await other.context().close();
    s.quiet();
  });

  await s.step('times are local or in UTC', async () => {
    const from = BEGIN + 4 * D;
    const field = page.getByLabel('From', { exact: true });
    assert.equal(await field.inputValue(), iso(from + 5.5 * H).slice(0, 16), 'Kolkata is 5 h 30 min ahead');
    await page.getByRole('button', { name: 'UTC', exact: true }).click();
    assert.equal(await field.inputValue(), iso(from).slice(0, 16));
    const box = await over(page, 'Temperature');
    await page.mouse.move(box.x + box.width / 3, box.y + 50);
    assert.match(await said(page, 'Temperature', 'UTC'), /UTC: Temperature/);
    await field.fill(iso(from + 6 * H).slice(0, 16));
    await field.press('Enter');
    await page.waitForURL((u) => u.searchParams.get('from') === iso(from + 6 * H).replace('.000Z', 'Z'));
    s.quiet();
  });

  await s.step('what is seen is downloaded as the API has it', async () => {
    const [from, to] = [BEGIN + 4 * D, BEGIN + 4 * D + H];
    await page.goto(server.base + `/explore?ports=d1:1&from=${iso(from)}&to=${iso(to)}`);
    await drawn(page, 'Temperature');
    const coming = page.waitForEvent('download');
    await page.getByRole('button', { name: 'CSV' }).click();
    const file = await coming;
    assert.match(file.suggestedFilename(), /^readings-d1-.*Z\.csv$/);
    const text = await readFile(await file.path(), 'utf8');
    const want = await (await get('/exports/readings.csv?' + new URLSearchParams({ deviceId: 'd1', portNumber: '1', from: iso(from), to: iso(to) }))).text();
    assert.equal(text, want);
    assert.equal(text.trim().split('\n').length, 3601);

    const columns = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Parquet' }).click();
    const saved = await columns;
    assert.match(saved.suggestedFilename(), /^readings-d1-.*Z\.parquet$/);
    const bytes = await readFile(await saved.path());
    assert.equal(bytes.subarray(0, 4).toString() + bytes.subarray(-4).toString(), 'PAR1PAR1');
    const asked = await get('/exports/readings.parquet?' + new URLSearchParams({ deviceId: 'd1', portNumber: '1', from: iso(from), to: iso(to) }));
    assert.ok(bytes.equals(Buffer.from(await asked.arrayBuffer())), 'it is what the API answers');
    s.quiet();
  });

  await s.step('a long download shows how far it is, and is stopped', async () => {
    await page.goto(server.base + `/explore?ports=d1:1&from=${iso(BEGIN)}&to=${iso(END)}`);
    await drawn(page, 'Temperature');
    let files = 0;
    page.on('download', () => files++);
    const line = await page.context().newCDPSession(page);
    const slow = (bytesPerSecond) => line.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: bytesPerSecond, uploadThroughput: -1 });
    await slow(400_000);
    await page.getByRole('button', { name: 'CSV' }).click();
    const running = page.getByRole('list', { name: 'Downloads' });
    await seesText(running, /readings-.*\.csv [1-9].*B/);
    await sound(page, 'downloads');
    await running.getByRole('button', { name: 'Cancel' }).click();
    await running.waitFor({ state: 'detached' });
    await slow(-1);
    assert.equal(await page.getByText('was not downloaded').count(), 0, 'whoever stops it needs no word of it');
    assert.equal(files, 0);
    s.quiet();
  });

  await s.step('24 ports are drawn at once, by unit', async () => {
    const ports = ['d1:1', 'd1:2', ...Array.from({ length: 22 }, (_, i) => 'd2:' + (i + 1))];
    await page.goto(server.base + `/explore?ports=${ports.join()}&from=${iso(END - D)}&to=${iso(END)}`);
    await drawn(page, 'Temperature');
    await drawn(page, 'Flow 3');
    await drawn(page, 'Port 22');
    assert.equal(await page.locator('.history').count(), 3 + 12, 'one for each unit, one for each port without');
    assert.equal(await page.locator('.chip').count(), 24);
    assert.equal(await page.locator('.chip.wrong').count(), 0);
    await page.getByRole('combobox').focus();
    await seesText(page.locator('.picker-list'), '24 ports are the most');
    await page.keyboard.press('Escape');
    await sound(page, 'explore-many');
    if (process.env.SHOTS) {
      await page.setViewportSize({ width: 2560, height: 1300 });
      await drawn(page, 'Temperature');
      await s.shot(page, 'explore-wall');
      await page.setViewportSize({ width: 1400, height: 900 });
    }
    s.quiet();
  });

  await s.step('what cannot be shown is said beside its port', async () => {
    await page.goto(server.base + '/explore?ports=d1:1,d1:77,d9:1&from=-24h');
    await seesText(page.locator('.chip.wrong'), 'd1 has no port 77');
    await seesText(page.locator('.chip.wrong'), 'There is no device d9');
    await drawn(page, 'Temperature');
    await page.getByRole('button', { name: 'Remove Port 77, d1' }).click();
    await page.waitForURL(/ports=d1:1,d9:1/);
    await page.goto(server.base + `/explore?ports=d1:1&from=${iso(BEGIN - 3 * D)}&to=${iso(BEGIN - 2 * D)}`);
    await seesText(page.locator('.over'), 'No reading in this range');
    await sound(page, 'explore-none');
    await page.getByRole('button', { name: 'Show all there is' }).click();
    await page.waitForURL(/from=all/);
    await page.waitForFunction((b) => Math.abs(Number(document.querySelector('.history-plot')?.getAttribute('aria-valuemin')) - b) < 6e6, BEGIN);
    assert.ok(await drawn(page, 'Temperature') > 0);
    s.quiet('404');
  });

  await s.step('a phone shows it too, and a finger moves it', async () => {
    const phone = await s.login(server, { path: `/explore?ports=d1:1,d1:2&from=${iso(BEGIN + 3 * D)}&to=${iso(BEGIN + 4 * D)}`,
      viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
    await drawn(phone, 'Temperature');
    const before = await seen(phone, 'Temperature');
    await plot(phone, 'Temperature').evaluate((e) => e.scrollIntoView({ block: 'center', behavior: 'instant' }));
    const box = await over(phone, 'Temperature');
    const touch = await phone.context().newCDPSession(phone);
    const send = (type, points) => touch.send('Input.dispatchTouchEvent', { type, touchPoints: points.map(([x, y], id) => ({ x, y, id })) });
    const y = box.y + box.height / 2;
    await send('touchStart', [[box.x + 100, y]]);
    for (const dx of [20, 50, 80, 100]) await send('touchMove', [[box.x + 100 + dx, y]]);
    await send('touchEnd', []);
    await phone.waitForFunction((f) => Number(document.querySelector('.history-plot').getAttribute('aria-valuemin')) < f, before[0]);
    await drawn(phone, 'Temperature');
    const after = await seen(phone, 'Temperature');
    assert.ok(Math.abs((after[1] - after[0]) - D) <= 2, 'its length stays');
    await send('touchStart', [[box.x + 80, y], [box.x + 160, y]]);
    for (const d of [5, 20, 40]) await send('touchMove', [[box.x + 80 - d, y], [box.x + 160 + d, y]]);
    await send('touchEnd', []);
    await phone.waitForFunction((l) => {
      const p = document.querySelector('.history-plot');
      return p.getAttribute('aria-valuemax') - p.getAttribute('aria-valuemin') < 0.7 * l && /from=2/.test(location.search);
    }, D);
    await drawn(phone, 'Temperature');
    const wide = await phone.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `the page is ${wide} px wider than the phone`);
    await sound(phone, 'explore-phone');
    s.quiet();
  });
});
