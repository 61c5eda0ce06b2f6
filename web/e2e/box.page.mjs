// The box: its data, how it is, and all of the administration on a phone.
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { assert, secret, seesText, story } from './harness.mjs';

const run = promisify(execFile);
const main = (page) => page.locator('main');
const phone = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };
const tabs = ['deadletters', 'ledger', 'organizations', 'users', 'keys', 'audit', 'data', 'system'];

await story(async (s) => {
  const server = await s.newServer();
  await server.cli(['org', 'add', '--id', 'acme', '--name', 'Acme']);
  await server.cli(['device', 'add', '--org', 'acme', '--id', 'd1', '--secret', secret, '--ports', '1']);
  await server.publish('d1', secret, { readings: [{ port: 1, value: 1 }, { port: 7, value: 1 }] });
  const page = await s.login(server, { path: '/admin/data' });
  const table = (name) => page.getByRole('table', { name });

  await s.step('a backup is downloaded and restored into an empty folder', async () => {
    await seesText(main(page), 'tidegate restore');
    await s.sound(page, 'data');
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download the backup' }).click()]);
    assert.match(file.suggestedFilename(), /^tidegate-.*\.tar\.zst$/);
    const folder = await mkdtemp(join(tmpdir(), 'page-restored-'));
    try {
      await run(server.bin, ['restore', await file.path(), '--data', folder]);
      assert.ok((await readdir(folder)).length > 3);
    } finally {
      await rm(folder, { recursive: true });
    }
    s.quiet();
  });

  await s.step('retention is previewed, and told when nothing would go', async () => {
    await page.getByLabel('Months to keep').fill('0');
    await seesText(main(page), 'From 1 to 1200.');
    await page.getByLabel('Months to keep').fill('12');
    await seesText(main(page), 'No month would go.');
    s.quiet();
  });

  await s.step('old months go, once the newest of them is typed', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'page-history-'));
    try {
      const file = join(folder, 'history.csv');
      await writeFile(file, 'ts,device,port,value\n2024-01-05T00:00:00Z,d1,1,1\n2024-02-05T00:00:00Z,d1,1,2\n2024-03-05T00:00:00Z,d1,1,3\n');
      await server.cli(['readings', 'import', file]);
    } finally {
      await rm(folder, { recursive: true });
    }
    await page.getByLabel('Months to keep').fill('13');
    await seesText(page.getByRole('status'), '3 months would go');
    for (const month of ['2024-01', '2024-02', '2024-03']) await seesText(page.locator('.months'), month + ' in memory still');
    await s.sound(page, 'retention');
    await page.getByRole('button', { name: 'Drop 3 months' }).click();
    const dialog = page.getByRole('dialog');
    const drop = dialog.getByRole('button', { name: 'Drop 3 months' });
    await dialog.getByLabel('Type 2024-03 to confirm').fill('2024-02');
    assert.ok(await drop.isDisabled());
    await dialog.getByLabel('Type 2024-03 to confirm').fill('2024-03');
    await drop.click();
    await seesText(page.locator('body'), '3 months dropped.');
    await seesText(main(page), 'No month would go.');
    const { items } = await server.cli(['readings', 'query', '--device', 'd1', '--port', '1', '--from', '2024-01-01T00:00:00Z']);
    assert.equal(items.length, 1, 'this month is there');
    s.quiet();
  });

  await s.step('the system says how it is and what it is configured to', async () => {
    await page.goto(server.base + '/admin/system');
    await page.locator('.checks li').nth(2).waitFor();
    await seesText(table('Settings'), 'http.listen');
    await seesText(table('Settings').locator('tr', { hasText: 'http.listen' }), 'TIDEGATE_HTTP_LISTEN');
    await seesText(main(page), 'none: connections are not encrypted');
    await s.sound(page, 'system');
    await page.getByLabel('Key or value').fill('mqtt.listen');
    await table('Settings').locator('tr', { hasText: 'http.listen' }).waitFor({ state: 'detached' });
    const [metrics] = await Promise.all([page.context().waitForEvent('page'), page.getByRole('link', { name: '/metrics' }).click()]);
    await seesText(metrics.locator('body'), 'tidegate_');
    s.quiet();
  });

  await s.step('a phone has all of it', async () => {
    const small = await s.login(server, { path: '/admin/ledger', ...phone });
    for (const at of tabs) {
      await small.goto(`${server.base}/admin/${at}`);
      await small.locator('main .panel').first().waitFor();
      await small.locator('main [aria-busy=true]').first().waitFor({ state: 'detached' });
      assert.ok(await small.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${at} is wider than the phone`);
      if (['ledger', 'audit', 'system'].includes(at)) await s.sound(small, at + '-phone'); else await s.shot(small, at + '-phone');
    }
    s.quiet();
  });
});
