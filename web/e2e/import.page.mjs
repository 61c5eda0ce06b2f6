// Many devices: from a file, with a look at what would happen before, and in a
// list of thousands that stays as quick as one of ten.
import { readFile } from 'node:fs/promises';
import { assert, secret, seesText, story } from './harness.mjs';

const MANY = 5_000;
const file = (name, text) => ({ name, mimeType: 'text/csv', buffer: Buffer.from(text) });

await story(async (s) => {
  const server = await s.newServer();
  await server.cli(['org', 'add', '--id', 'acme', '--name', 'Acme']);
  await server.cli(['device', 'add', '--org', 'acme', '--id', 'there', '--secret', secret, '--ports', '1']);
  const page = await s.login(server, { path: '/devices' });
  const dialog = page.locator('dialog');
  const rows = page.locator('[role=row][id]');

  await s.step('a device is made, and its secret shown once', async () => {
    await page.getByRole('button', { name: 'New device' }).click();
    await dialog.getByLabel('Id').fill('there');
    await dialog.getByRole('button', { name: 'Make the device' }).click();
    await seesText(dialog.getByRole('alert'), /exists|there/);
    await dialog.getByLabel('Id').fill('n1');
    await dialog.getByLabel('Ports').fill('Voltage; Current');
    await dialog.getByLabel('Tags').fill('hall-2');
    await s.sound(page, 'new-device');
    await dialog.getByRole('button', { name: 'Make the device' }).click();
    await seesText(dialog.locator('.secret code'), '-t org/acme/device/n1/telemetry');
    await dialog.getByRole('button', { name: 'Close' }).last().click();
    await seesText(page.locator('#device-n1'), 'hall-2');
    assert.equal((await server.cli(['device', 'get', 'n1'])).ports[1].name, 'Current');
    s.quiet('409');
  });

  const csv = 'id,org,serial,secret,ports,tags\ni1,acme,SN1,,4,hall-1;boiler\nthere,acme,,,1,\n"i,3",acme,,,1,\ni4,nowhere,,,1,\ni5,acme,,a-secret-of-i5,2,\n';

  await s.step('a file shows what would happen, and nothing happens yet', async () => {
    await page.getByRole('button', { name: 'Import' }).click();
    await dialog.getByText('What the file looks like').click();
    await s.sound(page, 'import');
    await dialog.locator('input[type=file]').setInputFiles(file('plant.csv', 'id,org,what\nx,acme,1\n'));
    await seesText(dialog.getByRole('alert'), 'column "what"');
    await dialog.locator('input[type=file]').setInputFiles(file('plant.csv', csv));
    await seesText(dialog, '2 devices would be made');
    await seesText(dialog, '3 rows would fail');
    await seesText(dialog.locator('tr', { hasText: 'i4' }), 'nowhere');
    await s.sound(page, 'import-preview');
    assert.equal((await server.cli(['device', 'ls'])).items.length, 2);
    s.quiet('422');
  });

  await s.step('then it is done, and what failed and the secrets can be saved', async () => {
    await dialog.getByRole('button', { name: 'Make 2 devices' }).click();
    await seesText(dialog, '2 devices are made');
    await seesText(dialog.locator('.banner'), 'One secret was made');
    await s.sound(page, 'import-done');
    const saved = async (name) => {
      const [download] = await Promise.all([page.waitForEvent('download'), dialog.getByRole('button', { name }).click()]);
      return [download.suggestedFilename(), await readFile(await download.path(), 'utf8')];
    };
    assert.deepEqual(await saved('Save the failed rows'), ['failed-plant.csv', 'id,org,serial,secret,ports,tags\nthere,acme,,,1,\n"i,3",acme,,,1,\ni4,nowhere,,,1,\n']);
    const [, secrets] = await saved('Save the secrets');
    assert.match(secrets, /^id,secret\ni1,\S{8,}\n$/);
    await dialog.getByRole('button', { name: 'Close' }).last().click();
    await page.locator('#device-i5').waitFor();
    s.quiet();
  });

  await s.step('thousands at once', async () => {
    await page.getByRole('button', { name: 'Import' }).click();
    const many = 'id,org,secret,ports,tags\n' + Array.from({ length: MANY }, (_, i) => `m${i},acme,secret-of-${i}-device,1,line-${i % 7}\n`).join('');
    await dialog.locator('input[type=file]').setInputFiles(file('many.csv', many));
    await dialog.getByRole('button', { name: `Make ${MANY} devices` }).click({ timeout: 60_000 });
    await dialog.getByText(`${MANY} devices are made`).waitFor({ timeout: 60_000 });
    await dialog.getByRole('button', { name: 'Close' }).last().click();
    await seesText(page.locator('.list-foot'), /5.004 devices/);
    s.quiet();
  });

  await s.step('only what is in sight is in the page, however one scrolls and types', async () => {
    await page.evaluate(() => {
      globalThis.long = [];
      new PerformanceObserver((l) => globalThis.long.push(...l.getEntries().map((e) => Math.round(e.duration)))).observe({ type: 'longtask' });
    });
    assert.ok(await rows.count() < 60, 'rows in the page');
    await page.locator('.list').focus();
    await page.keyboard.press('End');
    await page.locator('#device-there').waitFor();
    assert.ok(await rows.count() < 60, 'rows in the page at the end');
    await page.locator('.list').evaluate(async (list) => {
      for (let y = list.scrollHeight; y > 0; y -= 2_000) {
        list.scrollTop = y;
        await new Promise((done) => requestAnimationFrame(done));
      }
      list.scrollTop = 0;
    });
    await page.locator('#device-i1').waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('m49');
    await seesText(page.locator('.list-foot'), '111 devices');
    await page.locator('#device-m4999').waitFor({ state: 'detached' });
    assert.ok(await rows.count() < 60, 'rows in the page after typing');
    console.log('# long tasks while scrolling and typing, ms:', (await page.evaluate(() => globalThis.long)).join(' ') || 'none');
    await s.sound(page, 'devices-many');
    s.quiet();
  });

  await s.step('filters are in the address, and a link of them works', async () => {
    await page.getByLabel('Tag', { exact: true }).selectOption('line-3');
    await page.waitForURL(/q=m49.*tag=line-3|tag=line-3.*q=m49/);
    await page.getByRole('button', { name: 'Name' }).click();
    await page.waitForURL(/sort=name/);
    const before = await page.locator('.list-foot').innerText();
    await page.reload();
    await seesText(page.locator('.list-foot'), before.split(' ·')[0]);
    assert.equal(await page.locator('#search').inputValue(), 'm49');
    await page.getByRole('button', { name: 'Show all' }).click();
    await seesText(page.locator('.list-foot'), /5.004 devices/);
    await page.getByLabel('Connection').selectOption('online');
    await seesText(page.locator('.devices'), 'No device matches.');
    s.quiet();
  });
});
