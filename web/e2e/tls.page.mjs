// The page over TLS, with a certificate of the box's own making, and devices
// that are let in by TLS alone.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { admin, assert, seesText, story } from './harness.mjs';

const run = promisify(execFile);

await story(async (s) => {
  const server = await s.newServer({ config: `
http: {listen: "127.0.0.1:0", tls_listen: "127.0.0.1:0"}
mqtt: {listen: "", tls_listen: "127.0.0.1:0"}
tls: {self_signed: true}
` });
  await server.cli(['org', 'add', '--id', 'acme', '--name', 'Acme']);
  const { tls } = await server.cli(['status']);
  const secure = 'https://' + tls.http;
  const page = await s.open(secure, { ignoreHTTPSErrors: true }); // nobody has told the browser whom to trust

  await s.step('a login is live, and keeps its cookie to TLS', async () => {
    await page.fill('#email', admin.email);
    await page.fill('#password', admin.password);
    await page.keyboard.press('Enter');
    await page.locator('nav.nav').waitFor();
    await seesText(page.locator('.top .state'), 'live');
    const [cookie] = (await page.context().cookies()).filter((c) => c.name.endsWith('tidegate_refresh'));
    assert.ok(cookie.secure && cookie.httpOnly, JSON.stringify(cookie));
    s.quiet();
  });

  await s.step("the first device's line is what mosquitto_pub takes, and its reading lights up", async () => {
    await page.goto(secure + '/welcome?org=acme');
    await page.getByRole('spinbutton', { name: 'Ports' }).fill('1');
    await page.getByRole('button', { name: 'Make the device' }).click();
    await page.waitForURL(/\/welcome\?device=d1$/);
    await seesText(page.locator('.credentials'), 'tls-ca.crt');
    const line = await page.locator('.credentials .command code').filter({ hasText: 'mosquitto_pub' }).innerText();
    assert.match(line, /^mosquitto_pub -h 127\.0\.0\.1 -p \d+ --cafile tls-ca\.crt -u d1 -P /);
    await seesText(page.locator('.qr-hint code'), 'mqtts://d1:');
    await s.sound(page, 'welcome-tls');
    await run('sh', ['-c', line], { cwd: join(server.dir, 'secrets') });
    await seesText(page.locator('main'), 'It arrived.');
    s.quiet();
  });

  await s.step('the system says which certificate there is, and until when', async () => {
    await page.goto(secure + '/admin/system');
    const main = page.locator('main');
    for (const text of [tls.subject, 'signed by itself', tls.fingerprint, 'HTTPS ' + tls.http, 'MQTTS ' + tls.mqtt]) await seesText(main, text);
    await s.sound(page, 'system-tls');
    s.quiet();
  });
});
