// Dead letters: found, understood, mended where they are read, brought back.
import { assert, secret, seesText, story } from './harness.mjs';

const phone = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };
const main = (page) => page.locator('main');

/** ask asks the API as whoever is logged in on the page. */
const ask = (page, path) => page.evaluate(async (p) => {
  const { token } = JSON.parse(sessionStorage.getItem('tidegate.session'));
  const answer = await fetch('/api/v1' + p, { headers: { Authorization: 'Bearer ' + token } });
  return answer.json();
}, path);

await story(async (s) => {
  const server = await s.newServer();
  await server.cli(['org', 'add', '--id', 'acme', '--name', 'Acme']);
  await server.cli(['org', 'add', '--id', 'apex', '--name', 'Apex']);
  await server.cli(['device', 'add', '--org', 'acme', '--id', 'd1', '--secret', secret, '--ports', '2']);
  const send = async (who, body, query = '') => {
    const answer = await fetch(`${server.base}/api/v1/telemetry${query}`, { method: 'POST', body, headers: { 'Content-Type': 'application/json', Authorization: who } });
    assert.equal(answer.status, 202, await answer.text());
  };
  const asDevice = 'Basic ' + Buffer.from(`d1:${secret}`).toString('base64');
  const page = await s.login(server, { path: '/admin' });
  const row = (reason) => page.getByRole('table', { name: 'Dead letters' }).locator('tbody tr', { hasText: reason });
  const outcome = (text) => seesText(page.locator('.outcome'), text);

  await s.step('the administration begins with what was rejected, and says so when nothing was', async () => {
    await page.waitForURL('**/admin/deadletters');
    await seesText(main(page), 'No dead letters');
    assert.equal(await page.locator('main .tabs a').count(), 8, 'an administrator of the box has all tabs');
    await s.sound(page, 'deadletters-none');
    s.quiet();
  });

  await s.step('a dead letter of an unknown port is told with its cause, its message and its way out', async () => {
    await server.publish('d1', secret, { readings: [{ port: 1, value: 20 }, { port: 9, value: 7.25 }] });
    await page.getByRole('button', { name: 'Show them' }).click();
    await seesText(row('unknown_port'), 'port 9 is not registered on device d1');
    await s.sound(page, 'deadletters');
    await row('unknown_port').getByRole('link').click();
    await seesText(main(page), 'port 9 is not registered on device d1');
    await seesText(page.locator('.payload pre'), '{"readings":[{"port":1,"value":20},{"port":9,"value":7.25}]}');
    await seesText(main(page), 'org/acme/device/d1/telemetry');
    await seesText(page.locator('.command code'), /^tidegate port set --device d1 --number 9 && tidegate deadletter replay/);
    await s.sound(page, 'deadletter');
    s.quiet();
  });

  await s.step('the port is registered there, and the value is in its place', async () => {
    const before = await ask(page, '/ledger');
    assert.deepEqual([before.stored, before.rejected], [1, 1]);
    await seesText(page.locator('.register .counted'), 'There is 1 just now.');
    await page.getByLabel('Name').fill('Flow');
    await page.getByLabel('Unit').fill('l/s');
    await page.getByRole('button', { name: 'Register and replay' }).click();
    await outcome('1 stored, 0 duplicate, 0 still rejected.');
    await seesText(main(page), 'This dead letter is settled.');
    const latest = (await ask(page, '/readings/latest?deviceId=d1')).items.find((r) => r.portNumber === 9);
    assert.equal(latest.calibratedValue, 7.25);
    const port = await ask(page, '/devices/d1/ports/9');
    assert.deepEqual([port.name, port.unit], ['Flow', 'l/s']);
    const after = await ask(page, '/ledger');
    assert.deepEqual([after.received, after.stored, after.rejected], [2, 2, 0]);
    await page.getByRole('link', { name: 'All dead letters' }).click();
    await seesText(main(page), 'No dead letters');
    s.quiet('404');
  });

  await s.step('a device that nobody registered is registered there, with a secret that is shown once', async () => {
    const key = await server.cli(['apikey', 'add', '--name', 'PLC', '--org', 'acme', '--scopes', 'ingest']);
    await send('Bearer ' + key.key, '{"readings":[{"port":1,"value":5}]}', '?deviceId=d7');
    await page.reload();
    await row('unknown_device').getByRole('link').click();
    await page.getByRole('button', { name: 'Register the device' }).waitFor();
    await page.waitForFunction(() => document.querySelector('select[name=orgId]')?.value === 'acme'); // the one that it was sent for
    await s.shot(page, 'deadletter-device');
    await page.getByRole('button', { name: 'Register the device' }).click();
    await seesText(main(page), 'd7 is registered. Its secret');
    assert.match(await page.locator('.register .command code').innerText(), /^[0-9A-Z]{20,}$/);
    await page.locator('.register').getByRole('button', { name: 'Replay' }).click();
    await outcome('1 stored, 0 duplicate, 0 still rejected.');
    assert.equal((await ask(page, '/readings/latest?deviceId=d7')).items[0].calibratedValue, 5);
    s.quiet('404');
  });

  await s.step('bytes that are no text are shown as bytes', async () => {
    await send(asDevice, new Uint8Array([0xff, 0, 0x61, 0x10]));
    await page.goto(server.base + '/admin/deadletters?reason=invalid_utf8');
    await row('invalid_utf8').getByRole('link').click();
    await seesText(page.locator('.payload pre'), /000000\s+ff 00 61 10\s+\.\.a\./);
    await page.goBack();
    await seesText(row('invalid_utf8'), 'd1');
    assert.match(page.url(), /reason=invalid_utf8$/, 'the filter is kept');
    s.quiet();
  });

  await s.step('times that are the fault are replaced, for those that are picked', async () => {
    for (const value of [1, 2, 3]) await server.publish('d1', secret, { readings: [{ port: 2, ts: '2001-01-01T00:00:00Z', value }] });
    await page.goto(server.base + '/admin/deadletters?reason=ts_out_of_range&device=d1');
    await row('ts_out_of_range').nth(2).waitFor();
    await row('ts_out_of_range').nth(0).getByRole('checkbox').check();
    await row('ts_out_of_range').nth(1).getByRole('checkbox').check();
    await seesText(main(page), '2 picked');
    await page.getByRole('button', { name: 'Replay', exact: true }).click();
    const dialog = page.getByRole('dialog');
    await seesText(dialog, '2 dead letters.');
    await dialog.getByRole('button', { name: 'Replay' }).click();
    await outcome('0 stored, 0 duplicate, 2 still rejected.');
    await row('ts_out_of_range').nth(0).getByRole('checkbox').check();
    await row('ts_out_of_range').nth(1).getByRole('checkbox').check();
    await page.getByRole('button', { name: 'Replay', exact: true }).click();
    await dialog.getByLabel('Take the time of receipt').check();
    await s.sound(page, 'deadletters-replay');
    await dialog.getByRole('button', { name: 'Replay' }).click();
    await outcome('2 stored, 0 duplicate, 0 still rejected.');
    await row('ts_out_of_range').nth(1).waitFor({ state: 'detached' });
    assert.equal(await row('ts_out_of_range').count(), 1);
    s.quiet();
  });

  await s.step('a zone that is none is told in the dialog, and nothing typed is lost', async () => {
    await page.getByRole('button', { name: 'Replay all that match' }).click();
    const dialog = page.getByRole('dialog');
    await seesText(dialog, /All dead letters that match: ts_out_of_range, device d1\.\s+There is 1 just now\./);
    await dialog.getByLabel('Zone of times without one').fill('Nowhere/At_all');
    await dialog.getByRole('button', { name: 'Replay' }).click();
    await seesText(dialog, '"Nowhere/At_all" is not a zone such as Europe/Berlin or UTC');
    assert.equal(await dialog.getByLabel('Zone of times without one').inputValue(), 'Nowhere/At_all');
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    await page.waitForFunction(() => document.activeElement?.textContent === 'Replay all that match'); // the focus is back
    s.quiet('422');
  });

  await s.step('all that match are deleted, once it is typed', async () => {
    await page.getByRole('button', { name: 'Delete all that match' }).click();
    const dialog = page.getByRole('dialog');
    await seesText(dialog, /match: ts_out_of_range, device d1\.\s+There is 1 just now\. The readings cannot be brought back then\./);
    assert.equal(await dialog.getByRole('button', { name: 'Delete' }).isDisabled(), true);
    await dialog.getByLabel('Type delete to confirm').fill('delete');
    await dialog.getByRole('button', { name: 'Delete' }).click();
    await outcome('1 dead letter deleted.');
    await seesText(main(page), 'No dead letter matches.');
    await page.getByRole('button', { name: 'Clear the filter' }).click();
    await seesText(row('invalid_utf8'), 'd1');
    s.quiet();
  });

  await s.step('how many all are is said before they are replayed or deleted', async () => {
    for (let value = 1; value <= 11; value++) await server.publish('d1', secret, { readings: [{ port: 70 + (value % 2), value }] });
    await page.reload();
    await row('unknown_port').nth(10).waitFor();
    const dialog = page.getByRole('dialog');
    const all = page.getByRole('button', { name: 'Replay all', exact: true });
    assert.deepEqual(await ask(page, '/dead-letters/count'), { count: 12, more: false });
    await all.click();
    await seesText(dialog, /All dead letters\.\s+There are 12 just now\./);
    await s.sound(page, 'deadletters-counted');
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Delete all', exact: true }).click();
    await seesText(dialog, 'There are 12 just now.');
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });

    const answers = (status, body) => page.route('**/api/v1/dead-letters/count*', (route) => route.fulfill({ status, json: body }), { times: 1 });
    await answers(200, { count: 10000, more: true });
    await all.click();
    await seesText(dialog, /There are 10\s000\+ just now\./); // a narrow space between thousands
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    await answers(503, { title: 'Service Unavailable', status: 503, code: 'unavailable', detail: 'the counter is away' });
    await all.click();
    await seesText(dialog, 'They could not be counted: the counter is away');
    await dialog.getByRole('button', { name: 'Replay' }).click(); // which it does not prevent
    await outcome('0 stored, 0 duplicate, 12 still rejected.');
    await page.getByLabel('Reason').selectOption('unknown_port');
    await page.getByRole('button', { name: 'Delete all that match' }).click();
    await seesText(dialog, 'There are 11 just now.');
    await dialog.getByLabel('Type delete to confirm').fill('delete');
    await dialog.getByRole('button', { name: 'Delete' }).click();
    await outcome('11 dead letters deleted.');
    await page.goto(server.base + '/admin/deadletters');
    await row('invalid_utf8').waitFor();
    s.quiet('503');
  });

  await s.step('a range is kept in the address, and a phone has it all', async () => {
    await page.getByLabel('Range').selectOption('1h');
    await page.waitForURL('**/admin/deadletters?range=1h');
    await seesText(row('invalid_utf8'), 'd1');
    const small = await s.login(server, { path: '/admin/deadletters?to=2020-01-01T00:00:00.000Z', ...phone });
    await seesText(main(small), 'No dead letter matches.');
    assert.equal(await small.getByLabel('To', { exact: true }).isVisible(), true);
    await small.goto(server.base + '/admin/deadletters');
    await small.locator('tbody tr', { hasText: 'invalid_utf8' }).waitFor();
    assert.ok(await small.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nothing is wider than the phone');
    await s.sound(small, 'deadletters-phone');
    await small.locator('tbody tr').getByRole('link').click();
    await small.locator('.payload pre').waitFor();
    await s.sound(small, 'deadletter-phone');
    s.quiet();
  });
});
