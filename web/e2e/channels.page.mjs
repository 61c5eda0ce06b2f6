// Channels: made, tried against a receiver that is there, and what they were told.
import { createServer } from 'node:http';
import { assert, secret, seesText, story } from './harness.mjs';

await story(async (s) => {
  const got = [];
  let status = 200;
  const receiver = createServer((req, res) => {
    let body = '';
    req.on('data', (b) => { body += b; });
    req.on('end', () => {
      got.push({ headers: req.headers, body, url: req.url });
      res.writeHead(status).end(status === 200 ? 'thank you' : 'no <b>thanks</b>');
    });
  });
  await new Promise((done) => receiver.listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${receiver.address().port}/alarms`;
  try {
    await tell(s, url, got, (v) => { status = v; });
  } finally {
    receiver.closeAllConnections();
    receiver.close();
  }
});

/** tell is the story; got is what the receiver was sent, answer what it says from now on. */
async function tell(s, url, got, answer) {
  const server = await s.newServer({ env: { TIDEGATE_NOTIFY_ALLOW: '127.0.0.0/8' } });
  await server.cli(['org', 'add', '--id', 'acme', '--name', 'Acme']);
  await server.cli(['device', 'add', '--org', 'acme', '--id', 'pump-1', '--secret', secret, '--ports', '1']);
  await server.cli(['port', 'set', '--device', 'pump-1', '--number', '1', '--name', 'Pressure', '--unit', 'bar', '--high', '10']);
  const page = await s.login(server, { path: '/alarms/channels' });

  await s.step('a webhook is made', async () => {
    await seesText(page.locator('.empty'), 'No channel yet');
    await page.getByRole('link', { name: 'New channel' }).click();
    await page.getByLabel('Name', { exact: true }).fill('ops');
    await page.getByLabel('Type', { exact: true }).selectOption('sms');
    await page.getByLabel('Numbers', { exact: true }).waitFor();
    await page.getByLabel('Type', { exact: true }).selectOption('webhook');
    assert.equal(await page.getByLabel('Numbers', { exact: true }).count(), 0, 'the fields are those of the type');
    await page.getByRole('button', { name: 'Make the channel' }).click();
    await seesText(page.locator('.field', { hasText: 'Address' }).locator('.fault'), 'is needed');
    await page.getByLabel('Address', { exact: true }).fill(url);
    await page.getByLabel('Secret that signs', { exact: true }).fill('signs what is sent');
    await page.getByRole('button', { name: 'Add a header' }).click();
    await page.getByLabel('Name of the header', { exact: true }).fill('X-Key');
    await page.getByLabel('Value', { exact: true }).fill('of the receiver');
    await s.sound(page, 'channel-new');
    await page.getByRole('button', { name: 'Make the channel' }).click();
    await page.waitForURL(/\/alarms\/channels\/ch-/);
    s.quiet('422');
  });

  await s.step('it is tested, and the receiver\'s answer is shown', async () => {
    await page.getByRole('button', { name: 'Send a test' }).click();
    await seesText(page.locator('.trial'), 'ops took it.');
    await seesText(page.locator('.trial pre'), '200');
    assert.equal(got.length, 1);
    assert.equal(got[0].headers['x-key'], 'of the receiver');
    assert.ok(got[0].headers['x-tidegate-signature']);
    answer(410);
    await page.getByRole('button', { name: 'Send a test' }).click();
    await seesText(page.locator('.trial'), 'ops did not take it.');
    await seesText(page.locator('.trial pre'), 'no <b>thanks</b>');
    await seesText(page.locator('.preview'), 'Temperature of example is 93.5');
    await s.sound(page, 'channel');
    answer(200);
    s.quiet();
  });

  await s.step('what is typed is seen in the preview, and its faults too', async () => {
    await page.getByText('What is said').click();
    const body = page.getByLabel('Body', { exact: true });
    await body.fill('{{"say": "{message|json}"}');
    await seesText(page.locator('.preview'), '"say"');
    await body.fill('{nobody}');
    await seesText(page.locator('[role=status].problem'), 'nobody');
    await body.fill('');
    s.quiet('422');
  });

  await s.step('secrets stay, and another receiver needs them again', async () => {
    assert.equal(await page.locator('input[type=password]').count(), 0);
    await seesText(page.locator('.kept'), 'is set');
    await page.getByLabel('Address', { exact: true }).fill('http://127.0.0.2:9/other');
    await seesText(page.locator('.field', { hasText: 'Secret that signs' }), 'give it again');
    await seesText(page.locator('.header-row'), 'replace it, or take it away');
    await page.getByRole('button', { name: 'Save' }).click();
    await seesText(page.locator('.fault'), 'was given for another receiver');
    await page.getByLabel('Address', { exact: true }).fill(url);
    await page.getByLabel('Name', { exact: true }).fill('operators');
    await page.getByRole('button', { name: 'Save' }).click();
    await seesText(page.locator('h1'), 'operators');
    await seesText(page.locator('.kept'), 'is set');
    s.quiet('422');
  });

  await s.step('an alarm is told, and stands in what was sent', async () => {
    await server.publish('pump-1', secret, { readings: [{ port: 1, value: 12.5 }] });
    await page.getByRole('link', { name: 'Sent' }).first().click();
    const row = page.locator('.table tbody tr', { hasText: 'pump-1 Pressure' });
    await seesText(row, 'Delivered');
    await seesText(row, 'operators');
    assert.equal(JSON.parse(got.at(-1).body).cause, 'firing');
    await s.sound(page, 'sent');
    await row.getByRole('link', { name: 'raised' }).or(row.getByRole('link').first()).first().click();
    await page.waitForURL(/\/alarms\/sent\/nt-/);
    await seesText(page.locator('.facts-list'), 'Delivery id');
    await s.sound(page, 'notification');
    await page.getByRole('button', { name: 'Send again' }).click();
    await seesText(page.locator('.notices'), 'It is sent again.');
    await page.getByRole('link', { name: /pump-1 Pressure/ }).click();
    await seesText(page.locator('.panel', { hasText: 'Who was told' }), 'sent again');
    s.quiet();
  });

  await s.step('a receiver that refuses is told of, and what is dead', async () => {
    answer(410);
    await server.publish('pump-1', secret, { readings: [{ port: 1, value: 3 }] });
    await page.goto(server.base + '/alarms/sent?state=dead');
    const row = page.locator('.table tbody tr', { hasText: 'pump-1 Pressure' });
    await seesText(row, '410');
    await s.shot(page, 'sent-dead');
    s.quiet();
  });

  await s.step('a channel that a rule names stays, another goes', async () => {
    const rule = (await server.cli(['rule', 'ls', '--org', 'acme'])).items[0];
    await page.goto(`${server.base}/alarms/rules/${rule.id}`);
    await page.getByRole('checkbox', { name: /^operators/ }).check();
    await page.getByRole('button', { name: 'Save' }).click();
    await seesText(page.locator('.page-head'), 'Revision 2');
    await page.goto(server.base + '/alarms/channels');
    await seesText(page.locator('.table'), 'operators');
    await s.sound(page, 'channels');
    await page.getByRole('link', { name: 'operators' }).click();
    await page.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await seesText(page.getByRole('dialog').getByRole('alert'), /rule/);
    await page.keyboard.press('Escape');
    await server.cli(['rule', 'rm', rule.id]);
    await page.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await page.waitForURL(/\/alarms\/channels$/);
    await seesText(page.locator('.empty'), 'No channel yet');
    s.quiet('409');
  });

  await s.step('a phone has it all', async () => {
    await server.cli(['channel', 'add', '--org', 'acme', '--name', 'chat', '--type', 'slack', '--url', 'https://hooks.slack.com/services/T1/B1/secret']);
    const phone = await s.login(server, { path: '/alarms/channels', viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, colorScheme: 'dark' });
    await phone.getByRole('link', { name: 'chat' }).tap();
    await seesText(phone.locator('.kept'), 'https://hooks.slack.com/…');
    const wide = await phone.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `the page is ${wide} px wider than the phone`);
    await s.sound(phone, 'phone-channel');
    s.quiet();
  });
}
