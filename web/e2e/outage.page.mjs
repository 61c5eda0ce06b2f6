// The server is killed and started again under open pages: they recover by
// themselves, and miss no alarm and no value.
import { assert, secret, seesText, story } from './harness.mjs';

const lost = ['ERR_CONNECTION_REFUSED', 'ERR_CONNECTION_RESET', 'ERR_EMPTY_RESPONSE', 'ERR_INCOMPLETE_CHUNKED_ENCODING', 'WebSocket connection'];

await story(async (s) => {
  const server = await s.newServer();
  await server.cli(['org', 'add', '--id', 'acme', '--name', 'Acme']);
  await server.cli(['device', 'add', '--org', 'acme', '--id', 'd1', '--secret', secret, '--ports', '2']);
  await server.cli(['port', 'set', '--device', 'd1', '--number', '1', '--name', 'Voltage', '--unit', 'V']);
  await server.cli(['rule', 'add', '--org', 'acme', '--name', 'High voltage', '--device', 'd1', '--port', '1', '--above', '250']);
  await server.cli(['rule', 'add', '--org', 'acme', '--name', 'Low voltage', '--device', 'd1', '--port', '1', '--below', '200']);
  await server.publish('d1', secret, { readings: [{ port: 1, value: 230 }] });

  const inbox = await s.login(server, { path: '/alarms' });
  const device = s.watched(await inbox.context().newPage());
  await device.goto(server.base + '/devices/d1');
  const tile = device.locator('.tile', { hasText: 'Voltage' });
  await seesText(tile, '230');
  for (const page of [inbox, device]) await seesText(page.locator('.top .state'), 'live');

  await s.step('an alarm comes by itself', async () => {
    await server.publish('d1', secret, { readings: [{ port: 1, value: 260 }] });
    await seesText(inbox.locator('main'), 'High voltage');
    await seesText(tile, '260');
    await seesText(device.locator('nav.nav .pill'), '1');
    s.quiet();
  });

  await s.step('pages say that the server is gone', async () => {
    await server.stop('SIGKILL');
    for (const page of [inbox, device]) {
      await seesText(page.locator('.top .state'), 'offline');
      await seesText(page.getByRole('alert'), 'The server does not answer.');
    }
    s.quiet(...lost);
  });

  await s.step('what happened meanwhile is there, and so is what follows', async () => {
    await server.start();
    // One alarm ends and another begins, perhaps before the pages are back.
    await server.publish('d1', secret, { readings: [{ port: 1, value: 190 }] });
    await seesText(inbox.locator('main'), 'Low voltage');
    await inbox.locator('main tbody, main ul', { hasText: 'High voltage' }).waitFor({ state: 'detached' });
    await seesText(tile, '190');
    for (const page of [inbox, device]) {
      await seesText(page.locator('.top .state'), 'live');
      await page.getByRole('alert').filter({ hasText: 'The server does not answer.' }).waitFor({ state: 'detached' });
    }
    await server.publish('d1', secret, { readings: [{ port: 1, value: 231.5 }] });
    await seesText(tile, '231.5');
    await device.locator('nav.nav .pill').waitFor({ state: 'detached' });
    const { items } = await server.cli(['events', 'ls', '--state', 'resolved']);
    assert.deepEqual(items.map((e) => e.ruleName).sort(), ['High voltage', 'Low voltage']);
    await inbox.goto(server.base + '/alarms?state=resolved');
    for (const name of ['High voltage', 'Low voltage']) await seesText(inbox.locator('main'), name);
    s.quiet(...lost);
  });
});
