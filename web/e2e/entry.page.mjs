// The ways in: a password, the setup link, an invitation; and a login that
// lasts, in every tab, and ends when it is to end.
import { lowContrast } from './contrast.mjs';
import { admin, assert, plainHost, secret, seesText, story } from './harness.mjs';

await story(async (s) => {
  await passwords(s);
  await links(s);
});

/** passwords tries the login of a person, and its end. */
async function passwords(s) {
  const server = await s.newServer();
  const page = await s.open(server.base, { colorScheme: 'dark' });

  await s.step('a wrong password is told in words', async () => {
    await page.fill('#email', admin.email);
    await page.fill('#password', 'wrong');
    await page.keyboard.press('Enter');
    await seesText(page.getByRole('alert'), 'Email or password is wrong.');
    s.quiet('401');
    await s.sound(page, 'login');
  });

  await s.step('the right one lets in', async () => {
    await page.fill('#password', admin.password);
    await page.keyboard.press('Enter');
    await page.locator('nav.nav').waitFor();
    s.quiet();
  });

  await s.step('another tab is logged in too, and so is one that was restored without its token', async () => {
    const tab = s.watched(await page.context().newPage());
    await tab.goto(server.base + '/');
    await tab.locator('nav.nav').waitFor();
    await tab.evaluate(() => sessionStorage.clear());
    await tab.reload();
    await tab.locator('nav.nav').waitFor();
    assert.ok(!await tab.evaluate(() => document.cookie + JSON.stringify(localStorage)).then((s) => s.includes('tgr_')), 'a script sees the refresh token');
    await tab.close();
    s.quiet();
  });

  await s.step('logging out ends it, in every tab', async () => {
    const tab = s.watched(await page.context().newPage());
    await tab.goto(server.base + '/');
    await tab.locator('nav.nav').waitFor();
    const gone = page.waitForResponse((r) => r.url().endsWith('/auth/logout'));
    await page.getByRole('button', { name: 'Log out' }).click();
    assert.equal((await gone).status(), 204);
    for (const p of [page, tab]) {
      await p.locator('#email').waitFor();
      assert.equal(await p.evaluate(() => sessionStorage.length), 0);
      await p.reload();
      await p.locator('#email').waitFor();
    }
    assert.deepEqual((await page.context().cookies()).filter((c) => c.name === 'tidegate_refresh'), []);
    assert.equal((await server.cli(['user', 'sessions', admin.email])).items.length, 0);
    s.quiet('WebSocket connection', '401'); // the server may be the first to close, and what a tab still asks for is refused
  });
  await page.context().close();
}

/** links tries the first user, an invitation, and a login that lasts. */
async function links(s) {
  const insecure = 'Cross-Origin-Opener-Policy header has been ignored'; // Chromium says so of any page by plain http
  const box = await s.newServer({ bare: true, env: { TIDEGATE_AUTH_ACCESS_TOKEN_TTL: '10s' } });
  const elsewhere = (url) => url.replace('127.0.0.1', plainHost);
  const printed = /http:\S+#setup=[0-9a-z]+/.exec(box.log)?.[0];
  assert.ok(printed, 'the server prints no link: ' + box.log);
  const link = elsewhere(printed);
  const base = elsewhere(box.base);
  const context = await s.browser.newContext({ viewport: { width: 1000, height: 800 }, colorScheme: 'dark', locale: 'en-GB' });
  const page = s.watched(await context.newPage());
  const refreshes = [];
  context.on('response', (r) => { if (r.url().endsWith('/auth/refresh')) refreshes.push(r.status()); });

  await s.step('the setup link makes the first user, once', async () => {
    await page.goto(link);
    await seesText(page.locator('h1'), 'Welcome');
    assert.equal(new URL(page.url()).hash, '', 'the secret stays in the address');
    assert.deepEqual(await page.evaluate(lowContrast), []);
    await s.shot(page, 'setup');
    await page.fill('#email', admin.email);
    await page.fill('#password', admin.password);
    await page.fill('#again', admin.password + '!');
    await page.keyboard.press('Enter');
    await seesText(page.getByRole('alert'), 'The passwords differ.');
    await page.fill('#again', admin.password);
    await page.keyboard.press('Enter');
    await page.waitForURL(base + '/welcome');
    const late = s.watched(await s.browser.newPage());
    await late.goto(link);
    await late.fill('#email', 'eve@example.org');
    await late.fill('#password', admin.password);
    await late.fill('#again', admin.password);
    await late.keyboard.press('Enter');
    await seesText(late.getByRole('alert'), 'There is a user already');
    await late.close();
    s.quiet('409', insecure);
  });

  await s.step('a reload keeps the login, and the page renews it by itself, in two tabs', async () => {
    await page.reload();
    await page.locator('nav.nav').waitFor();
    await box.cli(['org', 'add', '--id', 'acme', '--name', 'Acme']);
    await box.cli(['device', 'add', '--org', 'acme', '--id', 'd1', '--secret', secret, '--ports', '1']);
    const tab = s.watched(await context.newPage());
    await tab.goto(base + '/devices/d1');
    await page.goto(base + '/devices/d1');
    assert.equal(await page.evaluate(() => isSecureContext), false);
    const sockets = [page, tab].map((p) => { const all = []; p.on('websocket', (w) => all.push(w)); return all; });
    const deadline = Date.now() + 60_000;
    while (refreshes.length < 4) { // by then the first token has been over for long
      assert.ok(Date.now() < deadline, `${refreshes.length} refreshes`);
      await page.waitForTimeout(100);
    }
    await box.publish('d1', secret, { readings: [{ port: 1, value: 7.25 }] });
    for (const p of [page, tab]) {
      await seesText(p.locator('.tile'), '7.25');
      await seesText(p.locator('.top .state'), 'live');
    }
    assert.deepEqual(refreshes.filter((s) => s !== 200), []);
    assert.ok(sockets.every((all) => all.length <= 2), 'a new token breaks the live connection');
    assert.equal((await box.cli(['user', 'sessions', admin.email])).items.length, 1, 'tabs share a session');
    await tab.close();
    s.quiet(insecure);
  });

  await s.step('reloads in the middle of a refresh do not end the session', async () => {
    const before = refreshes.length;
    for (let i = 0; i < 6; i++) {
      await page.evaluate(() => sessionStorage.clear()).catch(() => {}); // the page may be on its way
      const asked = page.waitForRequest((r) => r.url().endsWith('/auth/refresh'));
      await page.reload({ waitUntil: 'commit' });
      if (i % 2) await asked.catch(() => {}); else asked.catch(() => {}); // before the request, and while it is out
    }
    await seesText(page.locator('.tile'), '7.25');
    await seesText(page.locator('.top .state'), 'live');
    assert.deepEqual(refreshes.slice(before).filter((s) => s !== 200), []);
    assert.equal((await box.cli(['user', 'sessions', admin.email])).items.length, 1);
    s.quiet(insecure);
  });

  await s.step('an invitation lets a viewer choose a password', async () => {
    const { link } = await box.cli(['user', 'add', '--email', 'bob@example.org', '--role', 'viewer', '--org', 'acme']);
    const guest = s.watched(await s.browser.newPage({ viewport: { width: 360, height: 740 }, colorScheme: 'light' }));
    await guest.goto(elsewhere(link));
    await seesText(guest.locator('h1'), 'Choose a password');
    assert.deepEqual(await guest.evaluate(lowContrast), []);
    await s.shot(guest, 'accept');
    await guest.fill('#password', 'bobs own password');
    await guest.fill('#again', 'bobs own password');
    await guest.keyboard.press('Enter');
    await guest.locator('nav.nav').waitFor();
    await guest.goto(elsewhere(link)); // the same document: only the hash changes
    await guest.fill('#password', 'another password');
    await guest.fill('#again', 'another password');
    await guest.keyboard.press('Enter');
    await seesText(guest.getByRole('alert'), 'This link is not good, or not any more');
    await guest.getByRole('button', { name: 'Log in with a password instead' }).click();
    await guest.locator('nav.nav').waitFor();
    await guest.close();
    s.quiet('401', insecure);
  });

  await s.step('an administrator who logs somebody out is noticed', async () => {
    await box.cli(['user', 'logout', admin.email]);
    await page.locator('#email').waitFor();
    await seesText(page.getByRole('alert'), 'Your session has ended. Log in again.');
    await page.fill('#email', admin.email);
    await page.fill('#password', admin.password);
    await page.keyboard.press('Enter');
    await seesText(page.locator('.tile'), '7.25');
    s.quiet('401', 'WebSocket connection', insecure);
  });
  await context.close();
}
