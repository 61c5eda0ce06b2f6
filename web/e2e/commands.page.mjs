// Commands to a device, from the page to the device and back: they wait, go
// out, are acked and answered while one looks; what is no JSON is told with its
// place; what is withdrawn, fails, or was sent before; and what a viewer sees.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Device } from './device.mjs';
import { assert, secret, seesText, story } from './harness.mjs';

const run = promisify(execFile);

await story(async (s) => {
  const server = await s.newServer();
  const device = new Device(server, 'acme', 'd1');
  try {
    await tell(s, server, device);
  } finally {
    await device.go();
  }
});

async function tell(s, server, device) {
  await server.cli(['org', 'add', '--id', 'acme', '--name', 'Acme']);
  await server.cli(['device', 'add', '--org', 'acme', '--id', 'd1', '--secret', secret, '--ports', '1']);
  const page = await s.login(server, { path: '/devices/d1/commands' });
  const form = page.locator('.send');
  const row = (name) => page.locator('.commands .table tbody tr', { hasText: name }).first();
  const below = (name) => page.locator(`.commands .table tr:has-text("${name}") + tr.below`).first();
  const send = async (fields) => {
    for (const [label, v] of Object.entries(fields)) await form.getByLabel(label, { exact: true }).fill(v);
    await form.getByRole('button', { name: 'Send' }).click();
  };

  await s.step('where there is none yet, the page shows how a device takes commands', async () => {
    await seesText(page.locator('.empty'), 'No command yet');
    await seesText(page.locator('.empty .command'), `-u d1 -P SECRET -q 1 -t ${device.topic}command`);
    await seesText(page.locator('.empty .command'), `-q 1 -t ${device.topic}cmdres -m '{"id":"ID","status":"ok",`);
    await seesText(form.locator('.waits'), 'The device is not connected');
    await s.sound(page, 'commands-none');
    s.quiet();
  });

  await s.step('params that are no JSON are told with their place, and not sent', async () => {
    const typed = '{\n  "delay": 5,\n  "serial": 12345678901234567890,\n}';
    await send({ Command: 'reboot', Params: typed });
    await seesText(form.locator('.fault'), 'Line 4, column 1: a name in double quotes is expected here.');
    await seesText(form.getByRole('alert'), 'Not sent');
    assert.deepEqual(await page.evaluate(() => [document.activeElement?.getAttribute('name'), /** @type {any} */ (document.activeElement).selectionStart]), ['params', typed.length - 1]);
    assert.equal(await form.getByLabel('Command', { exact: true }).inputValue(), 'reboot');
    await s.shot(page, 'commands-fault');
    await form.getByLabel('Params').fill('{"delay": 5, "serial": 12345678901234567890}');
    await form.locator('.fault').waitFor({ state: 'detached' });
    s.quiet();
  });

  await s.step('what the server does not take stands at its field, and what was typed stays', async () => {
    await form.getByLabel('Expires in').selectOption('own time…');
    await send({ 'Own time': '31d' });
    await seesText(form.locator('.fault'), '31d');
    assert.equal(await form.getByLabel('Own time').getAttribute('aria-invalid'), 'true');
    await send({ 'Own time': '90m', Command: 'no name' });
    await seesText(form.locator('.fault'), '1 to 64 characters');
    assert.equal(await form.getByLabel('Params').inputValue(), '{"delay": 5, "serial": 12345678901234567890}');
    s.quiet('422');
  });

  await s.step('a command waits for the device, is acked and done, without a reload', async () => {
    await send({ Command: 'reboot' });
    await seesText(row('reboot'), 'queued');
    await seesText(row('reboot'), 'the device is not connected');
    await seesText(row('reboot'), /expires in \d+\s*(min|h)/);
    await seesText(row('reboot'), '{"delay": 5, "serial": 12345678901234567890}'); // every digit
    await seesText(row('reboot'), 'ann@example.org');
    assert.equal(await form.getByLabel('Command', { exact: true }).inputValue(), '', 'the form is free for the next');
    assert.ok(await page.locator('.how-taken').evaluate((e) => /** @type {HTMLDetailsElement} */ (e).open), 'the lines are at hand for who tries them');
    await s.sound(page, 'commands-queued');
    device.come();
    const told = await device.next();
    assert.deepEqual([told.name, told.params.delay], ['reboot', 5]);
    await seesText(page.locator('.how-taken .command'), `"id":"${told.id}"`);
    await seesText(row('reboot'), 'acknowledged');
    await seesText(row('reboot'), /sent \d\d:\d\d:\d\d/);
    await form.locator('.waits').waitFor({ state: 'detached' });
    await device.answer(told.id, 'ok', '{"took":1.50,"serial":12345678901234567890}');
    await seesText(row('reboot').locator('.badge'), 'done');
    await seesText(below('reboot'), '{"took": 1.50, "serial": 12345678901234567890}');
    await seesText(page.locator('.commands [aria-live]'), 'reboot: done');
    s.quiet();
  });

  await s.step('once all have ended the page asks no more', async () => {
    const some = () => page.waitForResponse((r) => r.url().endsWith('/status')); // seconds
    await some();
    let asked = 0;
    const count = (/** @type {import('playwright-core').Request} */ r) => { if (r.url().includes('/commands')) asked++; };
    page.on('request', count);
    await some();
    await some();
    page.off('request', count);
    assert.equal(asked, 0);
    s.quiet();
  });

  await s.step('one that fails says so; a long result is cut, and whole on demand', async () => {
    await send({ Command: 'calibrate', Params: '{"points": [{"raw": 400, "real": 0}, {"raw": 2000, "real": 10}], "reference": "instrument 7"}' });
    const told = await device.next();
    await device.answer(told.id, 'error', JSON.stringify({ error: 'the second point is not stable', samples: Array.from({ length: 240 }, (_, i) => 2000 + i) }));
    await seesText(row('calibrate').locator('.badge'), 'failed');
    await seesText(below('calibrate').locator('pre'), 'the second point is not stable');
    assert.ok(!(await below('calibrate').innerText()).includes('2239'), 'the beginning');
    await s.sound(page, 'commands-failed');
    await below('calibrate').getByRole('button', { name: 'Show all' }).click();
    await seesText(below('calibrate').locator('pre'), '2239');
    await below('calibrate').getByRole('button', { name: 'Show less' }).click();
    s.quiet();
  });

  await s.step('one is sent again as it was, and what is typed is not thrown away', async () => {
    await form.getByLabel('Command', { exact: true }).fill('half a thought');
    await row('reboot').getByRole('button', { name: 'Send again' }).click();
    await page.locator('dialog').getByRole('button', { name: 'Cancel' }).click();
    assert.equal(await form.getByLabel('Command', { exact: true }).inputValue(), 'half a thought');
    await row('reboot').getByRole('button', { name: 'Send again' }).click();
    await page.locator('dialog').getByRole('button', { name: 'Replace' }).click();
    await page.waitForFunction(() => document.activeElement?.getAttribute('name') === 'name');
    assert.equal(await form.getByLabel('Command', { exact: true }).inputValue(), 'reboot');
    assert.equal(await form.getByLabel('Params').inputValue(), '{"delay": 5, "serial": 12345678901234567890}');
    assert.equal(await form.getByLabel('Own time').inputValue(), '1h30m');
    assert.deepEqual(await form.locator('datalist option').evaluateAll((all) => all.map((o) => /** @type {HTMLOptionElement} */ (o).value)), ['calibrate', 'reboot']);
    await page.keyboard.press('Control+Enter');
    const told = await device.next();
    const shown = page.locator('.how-taken .command code', { hasText: told.id });
    const line = await shown.innerText();
    await run('sh', ['-c', line.replace('SECRET', secret)]); // what is shown to be pasted works
    await seesText(row('reboot'), '{"took": "1.5s"}');
    await seesText(row('reboot').locator('.badge'), 'done');
    s.quiet();
  });

  await s.step('one that is open is withdrawn, after a question', async () => {
    await device.go();
    await seesText(form.locator('.waits'), 'The device is not connected');
    await form.getByLabel('Expires in').selectOption('1 day');
    await send({ Command: 'update' });
    await seesText(row('update').locator('.badge'), 'queued');
    await row('update').getByRole('button', { name: 'Withdraw' }).click();
    await seesText(page.locator('dialog'), 'It has not gone out yet');
    await page.locator('dialog').getByRole('button', { name: 'Withdraw' }).click();
    await seesText(row('update').locator('.badge'), 'expired');
    await seesText(below('update'), 'withdrawn by ann@example.org');
    await page.waitForFunction(() => document.activeElement?.textContent === 'Send again'); // the focus stays
    s.quiet();
  });

  await s.step('by state', async () => {
    await page.getByLabel('State', { exact: true }).selectOption('failed');
    await page.waitForURL(/state=failed/);
    await row('reboot').waitFor({ state: 'detached' });
    await row('calibrate').waitFor();
    await page.getByLabel('State', { exact: true }).selectOption('sent');
    await page.getByRole('button', { name: 'Show all' }).click();
    await row('reboot').waitFor();
    s.quiet();
  });

  await s.step('in German, on a phone, by who may only look', async () => {
    await server.cli(['user', 'add', '--email', 'vic@example.org', '--role', 'viewer', '--org', 'acme', '--password-stdin'], 'a long password of vic\n');
    const phone = { viewport: { width: 360, height: 740 }, locale: 'de-DE' };
    const viewer = await s.login(server, { path: '/devices/d1/commands', email: 'vic@example.org', password: 'a long password of vic', ...phone });
    await seesText(viewer.locator('.commands .badge'), 'abgelaufen');
    await seesText(viewer.locator('.commands .badge'), 'erledigt');
    assert.equal(await viewer.locator('.send').count(), 0);
    assert.equal(await viewer.getByRole('button', { name: /senden|zurückziehen/i }).count(), 0);
    assert.ok(await viewer.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nothing is cut off');
    await s.sound(viewer, 'commands-viewer');
    await viewer.context().close();
    const small = await s.login(server, { path: '/devices/d1/commands', ...phone });
    await seesText(small.locator('.send .waits'), 'Das Gerät ist nicht verbunden');
    await small.getByLabel('Parameter', { exact: true }).fill('[1,]');
    await seesText(small.locator('.send .fault'), 'Zeile 1, Spalte 4: hier fehlt ein Wert');
    await s.sound(small, 'commands-phone');
    await small.context().close();
    s.quiet();
  });

  await s.step('a device that is retired gets none', async () => {
    await server.cli(['device', 'retire', 'd1']);
    await page.goto(server.base + '/devices/d1/commands');
    await seesText(page.locator('.commands'), 'it gets no commands any more');
    await row('reboot').waitFor();
    assert.equal(await form.count(), 0);
    assert.equal(await page.getByRole('button', { name: 'Send again' }).count(), 0);
    s.quiet();
  });
}
