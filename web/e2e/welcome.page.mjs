// The first run: from the link that an empty box prints to the first reading
// of a real MQTT client, by the very line that the page shows.
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { admin, assert, plainHost, seesText, story } from './harness.mjs';

const run = promisify(execFile);

/** shell runs a line as somebody would who pastes it; it answers whether it went well. */
const shell = (line) => run('sh', ['-c', line]).then(() => true, (e) => {
  assert.match(e.stderr, /bad user name or password/, line);
  return false;
});

const fits = async (page) => {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `the page is ${wide} px wider than the window`);
};

await story(async (s) => {
  const box = await s.newServer({ bare: true });
  const link = /http:\S+#setup=[0-9a-z]+/.exec(box.log)[0];
  const page = await s.open(link);
  const line = page.locator('.credentials .command code').filter({ hasText: 'mosquitto_pub' });
  const waiting = page.locator('.waiting');
  let secret = '';

  await s.step('the link leads to the first user, and on to the organization', async () => {
    await seesText(page.locator('.steps li[aria-current=step]'), 'Administrator');
    await page.fill('#email', admin.email);
    await page.fill('#password', admin.password);
    await page.fill('#again', admin.password);
    await page.keyboard.press('Enter');
    await seesText(page.locator('.steps li[aria-current=step]'), 'Organization');
    await s.sound(page, 'welcome-organization');
    s.quiet();
  });

  await s.step('an empty box leads from its overview to the first steps', async () => {
    await page.goto(box.base + '/');
    await seesText(page.locator('.first-steps'), 'No device yet');
    await s.sound(page, 'overview-empty');
    await page.getByRole('link', { name: 'First steps' }).click();
    await page.getByRole('textbox', { name: 'Name' }).fill('Müller & Söhne');
    assert.equal(await page.getByRole('textbox', { name: 'Id' }).inputValue(), 'muller-sohne');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/welcome\?org=muller-sohne$/);
    await seesText(page.locator('.steps li[aria-current=step]'), 'Device');
    s.quiet();
  });

  await s.step('what the server does not take is said, and nothing typed is lost', async () => {
    const id = page.getByRole('textbox', { name: 'Id', exact: true });
    assert.equal(await id.inputValue(), 'd1');
    await id.fill('not an id');
    await page.getByRole('spinbutton', { name: 'Ports' }).fill('2');
    await page.getByRole('textbox', { name: 'Name of port 1' }).fill('Temperature');
    await page.getByRole('textbox', { name: 'Unit of port 1' }).fill('°C');
    await page.getByRole('button', { name: 'Make the device' }).click();
    await seesText(page.getByRole('alert'), /1 to 64 characters/);
    assert.equal(await page.getByRole('textbox', { name: 'Name of port 1' }).inputValue(), 'Temperature');
    await id.fill('d1');
    await s.sound(page, 'welcome-device');
    s.quiet('422', '400');
  });

  await s.step('the device is made: its secret is shown, as a line and as a code', async () => {
    await page.getByRole('button', { name: 'Make the device' }).click();
    await page.waitForURL(/\/welcome\?device=d1$/);
    await seesText(page.locator('.credentials'), 'This secret is shown once.');
    await seesText(waiting, 'Waiting for the first message…');
    const shown = await line.innerText();
    secret = / -P (\S+) /.exec(shown)[1];
    assert.ok(secret.length >= 16, shown);
    const { port } = new URL('mqtt://' + box.listen.mqtt);
    assert.ok(shown.startsWith(`mosquitto_pub -h 127.0.0.1 -p ${port} -u d1 -P `), shown);
    await page.locator('.qr path').waitFor();
    await seesText(page.locator('.qr-hint code'), `mqtt://d1:${secret}@127.0.0.1:${port}`);
    await seesText(page.locator('.top .state'), 'live');
    await s.sound(page, 'welcome-waiting');
    s.quiet();
  });

  await s.step('a wrong secret and a wrong port are told with their cause', async () => {
    const good = await line.innerText();
    assert.equal(await shell(good.replace(secret, 'wrong')), false);
    await seesText(waiting.locator('.rejection-list'), /login of user "d1".*the secret is another/);
    await waiting.getByRole('button', { name: 'Make a new secret' }).waitFor();
    assert.equal(await shell(good.replace('"port":1', '"port":9')), true);
    await seesText(waiting.locator('.rejection-list li', { hasText: 'unknown_port' }).locator('code'), /^tidegate port set --device d1 --number 9/);
    await seesText(waiting, 'Waiting for the first message…');
    await s.sound(page, 'welcome-refused');
    s.quiet();
  });

  await s.step('the line of the page brings the first reading, and the page lights up', async () => {
    assert.equal(await shell(await line.innerText()), true);
    await seesText(waiting, 'It arrived.');
    await seesText(waiting.locator('.arrived li', { hasText: 'Temperature' }), /21\.5 °C/);
    assert.equal(await page.locator('.steps .done').count(), 4);
    await s.sound(page, 'welcome-arrived');
    s.quiet();
  });

  await s.step('a reload finds it again; a lost secret is replaced', async () => {
    await page.reload();
    await seesText(waiting.locator('.arrived li'), '21.5');
    assert.ok(!(await page.locator('body').innerText()).includes(secret), 'the secret is shown again');
    const old = (await line.innerText()).replace('SECRET', secret);
    await page.locator('.credentials').getByRole('button', { name: 'Make a new secret' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Make a new secret' }).click();
    await line.filter({ hasNotText: 'SECRET' }).waitFor();
    assert.equal(await shell(old), false);
    assert.equal(await shell((await line.innerText()).replace('21.5', '23.25')), true);
    await seesText(waiting.locator('.arrived li'), '23.25');
    s.quiet();
  });

  await s.step('a further device of the organization, by plain http on a phone', async () => {
    const phone = await s.login(box, { path: '/welcome', viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
    await phone.goto(box.base.replace('127.0.0.1', plainHost) + '/welcome');
    await phone.fill('#email', admin.email);
    await phone.fill('#password', admin.password);
    await phone.keyboard.press('Enter');
    await phone.getByRole('textbox', { name: 'Id', exact: true }).waitFor();
    assert.equal(await phone.evaluate(() => isSecureContext), false);
    assert.equal(await phone.getByRole('textbox', { name: 'Id', exact: true }).inputValue(), 'd2');
    await fits(phone);
    await phone.getByRole('button', { name: 'Make the device' }).tap();
    await seesText(phone.locator('.credentials'), `mosquitto_pub -h ${plainHost} `);
    await phone.getByRole('button', { name: 'Copy the line' }).first().tap();
    await phone.getByRole('button', { name: 'Copied' }).waitFor();
    await phone.locator('.qr path').waitFor();
    await fits(phone);
    await s.sound(phone, 'welcome-phone');
    await phone.goto(box.base.replace('127.0.0.1', plainHost) + '/welcome');
    await seesText(phone.locator('.found'), 'd2');
    await phone.context().close();
    s.quiet('Cross-Origin-Opener-Policy header has been ignored');
  });

  await s.step('in German', async () => {
    const german = await s.login(box, { path: '/welcome?device=d2', locale: 'de-DE' });
    await seesText(german.locator('.waiting'), 'Warten auf die erste Nachricht…');
    await s.shot(german, 'welcome-german');
    await german.goto(box.base + '/welcome');
    await german.getByRole('button', { name: 'Gerät anlegen' }).waitFor();
    await german.context().close();
    s.quiet();
  });

  await s.step('who may not make devices is told so', async () => {
    await box.cli(['user', 'add', '--email', 'vera@example.org', '--role', 'viewer', '--org', 'muller-sohne', '--password-stdin'], 'veras password\n');
    const viewer = await s.login(box, { path: '/welcome', email: 'vera@example.org', password: 'veras password' });
    await seesText(viewer.locator('main'), 'Devices are made by an administrator');
    assert.equal(await viewer.locator('form').count(), 0);
    await viewer.context().close();
    s.quiet();
  });

  await s.step('a box that speaks TLS alone: the lines fetch its authority, and send', async () => {
    const listen = { TIDEGATE_TLS_SELF_SIGNED: 'true', TIDEGATE_MQTT_TLS_LISTEN: '127.0.0.1:0', TIDEGATE_HTTP_TLS_LISTEN: '127.0.0.1:0' };
    const sealed = await s.newServer({ bare: true, env: listen });
    await sealed.stop();
    sealed.listen.mqtt = ''; // as the file has it
    await writeFile(join(sealed.dir, 'config.yaml'), 'tls:\n  self_signed: true\nmqtt:\n  listen: ""\n');
    await sealed.cli(['init', '--admin-email', admin.email, '--admin-password-stdin'], admin.password + '\n');
    await sealed.start();
    await sealed.cli(['org', 'add', '--id', 'acme', '--name', 'Acme']);
    const tls = await s.login(sealed, { path: '/welcome' });
    await tls.getByRole('button', { name: 'Make the device' }).click();
    const lines = tls.locator('.credentials .panel-body > .command code');
    await lines.nth(1).waitFor();
    const [copy, send] = await lines.allInnerTexts();
    assert.match(copy, /^sudo cp .*tls-ca\.crt \.$/);
    assert.equal(await shell(`cd ${sealed.dir} && ${copy.replace('sudo ', '')} && ${send}`), true);
    await seesText(tls.locator('.waiting'), 'It arrived.');
    await tls.context().close();
    s.quiet();
  });
});
