// The keys of programs, the ledger, and what was done.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { assert, secret, seesText, story } from './harness.mjs';

const run = promisify(execFile);
const main = (page) => page.locator('main');

await story(async (s) => {
  const server = await s.newServer();
  await server.cli(['org', 'add', '--id', 'acme', '--name', 'Acme']);
  await server.cli(['device', 'add', '--org', 'acme', '--id', 'd1', '--secret', secret, '--ports', '2']);
  const page = await s.login(server, { path: '/admin/keys' });
  const table = (name) => page.getByRole('table', { name });
  const dialog = page.getByRole('dialog');

  await s.step('an API key is made, shown once with lines that use it, and works', async () => {
    await seesText(main(page), 'No API keys');
    await page.getByRole('button', { name: 'Add an API key' }).click();
    await dialog.getByLabel('Name').fill('PLC gateway');
    await dialog.getByLabel('Organization').selectOption('acme');
    await dialog.getByLabel('ingest').check();
    await dialog.getByLabel('Devices').fill('d1');
    await s.sound(page, 'key-new');
    await dialog.getByRole('button', { name: 'Make the key' }).click();
    const [key, curl, mosquitto] = await lines(dialog, 3);
    assert.match(key, /^key-[0-9a-z]{16}\.[0-9a-z]{52}$/);
    assert.match(mosquitto, new RegExp(`^mosquitto_pub -h 127.0.0.1 -p \\d+ -u ${key.split('.')[0]} -P ${key.split('.')[1]} -q 1 -t org/acme/device/d1/telemetry -m `));
    await s.sound(page, 'key-made');
    const { stdout } = await run('sh', ['-c', curl.replace('curl ', 'curl -s ')]);
    assert.match(stdout, /"messageId"/, 'the line works as it stands');
    const latest = async () => (await (await fetch(server.base + '/api/v1/readings/latest?deviceId=d1', { headers: { Authorization: 'Bearer ' + key } })).json()).items;
    const deadline = Date.now() + 20_000;
    while ((await latest()).length === 0) assert.ok(Date.now() < deadline, 'the reading does not come');
    assert.equal((await latest())[0].calibratedValue, 21.5);
    await page.getByRole('button', { name: 'I have kept it' }).click();
    await page.reload();
    await seesText(table('API keys'), 'PLC gateway');
    assert.equal(await page.getByText(key.split('.')[1]).count(), 0);
    s.quiet();
  });

  await s.step('a key is changed and deleted', async () => {
    await page.getByRole('button', { name: 'Edit PLC gateway' }).click();
    await dialog.getByLabel('Name').fill('PLC, hall 2');
    await dialog.getByLabel('Devices').fill('');
    await dialog.getByLabel('Ends', { exact: true }).selectOption('never');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await seesText(table('API keys').locator('tr', { hasText: 'PLC, hall 2' }), 'never');
    await s.sound(page, 'keys');
    await page.getByRole('button', { name: 'Delete PLC, hall 2' }).click();
    await dialog.getByRole('button', { name: 'Delete', exact: true }).click();
    await seesText(main(page), 'No API keys');
    s.quiet();
  });

  await s.step('the ledger adds up, and leads to the dead letters of an hour and of a device', async () => {
    await server.publish('d1', secret, { readings: [{ port: 1, value: 1 }, { port: 7, value: 1 }, { port: 8, value: 1 }] });
    await page.goto(server.base + '/admin/ledger');
    await seesText(main(page), 'The sum is exact.');
    const device = table('Devices').locator('tr', { hasText: 'd1' });
    await seesText(device, '2');
    await s.sound(page, 'ledger');
    await page.getByRole('link', { name: /^2 rejected, show the dead letters of d1/ }).click();
    await page.waitForURL(/\/admin\/deadletters\?range=24h&device=d1$/);
    await table('Dead letters').locator('tbody tr').nth(1).waitFor();
    await page.goBack();
    await page.getByRole('link', { name: /^2 rejected, show the dead letters received from/ }).click();
    await page.waitForURL(/\/admin\/deadletters\?from=.*&to=/);
    await table('Dead letters').locator('tbody tr').nth(1).waitFor();
    s.quiet();
  });

  await s.step('the audit trail shows what was done, old and new, and its chain holds', async () => {
    await page.goto(server.base + '/admin/audit');
    const update = table('Audit trail').locator('tr', { hasText: 'apikey.update' });
    await seesText(update, 'PLC, hall 2');
    await update.getByRole('button', { expanded: false }).click();
    await seesText(page.locator('.change del'), 'PLC gateway');
    await seesText(page.locator('.change ins'), 'PLC, hall 2');
    await page.getByRole('button', { name: 'Verify the chain' }).click();
    await seesText(page.locator('.chain .good'), /The chain holds: \d+ entries/);
    await s.sound(page, 'audit');
    const seqs = (await table('Audit trail').locator('tbody tr:not(.below) td:last-child').allInnerTexts()).map(Number);
    assert.deepEqual(seqs, [...seqs].sort((a, b) => b - a), 'the newest first');
    await page.getByLabel('Action').fill('device.create');
    await page.waitForURL(/action=device\.create/);
    await table('Audit trail').locator('tr', { hasText: 'apikey' }).first().waitFor({ state: 'detached' });
    await seesText(table('Audit trail').locator('tbody tr'), 'device d1');
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Export' }).click()]);
    const { stdout } = await run(server.bin, ['audit', 'verify', '--file', await file.path(), '-o', 'json']);
    assert.equal(JSON.parse(stdout).valid, true, stdout);
    s.quiet();
  });
});

/** lines waits until a dialog shows so many lines to copy, and answers them. */
async function lines(dialog, n) {
  await dialog.locator('.command code').nth(n - 1).waitFor();
  return dialog.locator('.command code').allInnerTexts();
}
