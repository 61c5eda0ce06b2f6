// The devices, their ports and values, live.
import { assert, secret, seesText, story } from './harness.mjs';

const tile = (page, name) => page.locator('.tile', { hasText: name });
const title = (page) => page.locator('h1');

await story(async (s) => {
  const server = await s.newServer();
  const page = await s.login(server, { path: '/devices', colorScheme: 'dark' });

  await s.step('an empty server says what to do next', async () => {
    await seesText(page.locator('.welcome'), 'tidegate device add --org acme');
    await seesText(page.locator('.welcome code'), `-p ${server.listen.mqtt.split(':').pop()} -u d1`);
    s.quiet();
  });

  await s.step('a new device appears by itself', async () => {
    await server.cli(['org', 'add', '--id', 'acme', '--name', 'Acme']);
    await server.cli(['device', 'add', '--org', 'acme', '--id', 'd1', '--secret', secret, '--ports', '2']);
    await server.cli(['device', 'add', '--org', 'acme', '--id', 'd2', '--secret', secret, '--ports', '1']);
    await server.cli(['port', 'set', '--device', 'd1', '--number', '1', '--name', 'Voltage', '--unit', 'V']);
    await server.cli(['port', 'set', '--device', 'd1', '--number', '2', '--name', '<img src=x onerror=alert(1)>']);
    await page.getByRole('link', { name: 'd1', exact: true }).click();
    await seesText(title(page), 'd1');
    await seesText(page.locator('.empty code'), '-t org/acme/device/d1/telemetry');
    assert.equal(await tile(page, '<img src=x').count(), 1, 'a name is text, not markup');
    s.quiet();
  });

  await s.step('a value is seen live, with unit and age, and drawn', async () => {
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
    s.quiet();
  });

  await s.step('the history is there after a reload', async () => {
    const begin = Date.now() - 30 * 60_000;
    const readings = Array.from({ length: 600 }, (_, i) => ({ ts: begin + i * 2000, port: 1, value: 230 + Math.sin(i / 30) }));
    await server.publish('d1', secret, { readings });
    await page.reload();
    await seesText(page.locator('.chart', { hasText: 'Voltage' }), '602 readings');
    await seesText(page.locator('.charts h2'), 'Last 1 h');
    await s.sound(page, 'device-live');
    s.quiet();
  });

  await s.step('the keys do it all', async () => {
    await page.keyboard.press('Escape');
    await page.waitForURL(/\/devices$/);
    await page.locator('#search').waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('d2');
    await page.waitForURL(/\/devices\?q=d2$/);
    await page.locator('#device-d1').waitFor({ state: 'detached' });
    assert.equal(await page.locator('[role=row][id]').count(), 1);
    await page.keyboard.press('Enter');
    await seesText(title(page), 'd2');
    await page.keyboard.press('Escape');
    await page.waitForURL(/\/devices$/);
    await page.locator('#search').waitFor();
    await page.keyboard.press('/');
    await page.keyboard.press('ArrowDown');
    await page.locator('#device-d2.active').waitFor();
    await page.keyboard.press('ArrowUp');
    await page.locator('#device-d1.active').waitFor();
    await page.keyboard.press('Enter');
    await seesText(title(page), 'd1');
    await page.waitForURL(/\/devices\/d1\?ports=1,2$/);
    await page.keyboard.press('2');
    await page.waitForURL(/\/devices\/d1\?ports=1$/);
    await seesText(page.locator('.chart', { hasText: 'Voltage' }), '602 readings');
    await page.locator('.plot').first().focus();
    await page.keyboard.press('ArrowLeft');
    await seesText(page.locator('.chart [aria-live]'), /Voltage 231.25 V/);
    await page.goBack();
    await page.locator('.list').waitFor();
    await page.goForward();
    await seesText(title(page), 'd1');
    s.quiet();
  });

  await s.step('the list shows the newest value and how it went', async () => {
    await page.goto(server.base + '/devices');
    const row = page.locator('#device-d1');
    await seesText(row, '231.25 V');
    await row.locator('.spark').waitFor();
    await seesText(page.locator('#device-d2'), '–');
    await s.sound(page, 'devices');
    s.quiet();
  });

  await s.step('a server that goes away is told, and what was missed comes in', async () => {
    await page.goto(server.base + '/devices/d1?ports=1');
    await seesText(page.locator('.chart', { hasText: 'Voltage' }), '602 readings');
    await server.stop('SIGKILL');
    await seesText(page.locator('.top .state'), 'offline');
    await seesText(page.getByRole('alert'), 'The server does not answer.');
    await server.start();
    await server.publish('d1', secret, { ts: Date.now() - 1000, readings: [{ port: 1, value: 199.5 }] });
    await server.publish('d1', secret, { readings: [{ port: 1, value: 198.5 }] });
    await seesText(page.locator('.top .state'), 'live');
    await seesText(tile(page, 'Voltage'), '198.5');
    await seesText(page.locator('.chart', { hasText: 'Voltage' }), '604 readings');
    s.quiet('ERR_CONNECTION_REFUSED', 'ERR_CONNECTION_RESET', 'ERR_EMPTY_RESPONSE', 'ERR_INCOMPLETE_CHUNKED_ENCODING', 'WebSocket connection');
  });

  await s.step('a phone shows the list, then the device, and nothing is cut off', async () => {
    const phone = await s.login(server, { path: '/devices', viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, colorScheme: 'light' });
    const fits = async (what) => {
      const wide = await phone.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `${what} is ${wide} px wider than the phone`);
    };
    await phone.locator('#device-d2').waitFor();
    await fits('the list');
    await s.sound(phone, 'phone-devices');
    await phone.getByRole('link', { name: 'd1', exact: true }).tap();
    await seesText(tile(phone, 'Voltage'), '198.5');
    await fits('the device');
    await s.sound(phone, 'phone-device');
    await phone.getByRole('link', { name: 'Back to the devices' }).tap();
    await phone.locator('#device-d2').waitFor();
    s.quiet();
  });
});
