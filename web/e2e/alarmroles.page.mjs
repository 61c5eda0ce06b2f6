// Who sees what of the alarms, and what they may do.
import { assert, secret, seesText, story } from './harness.mjs';

const high = (page) => page.getByRole('spinbutton', { name: 'High' });
const rows = (page) => page.locator('.alarm-list > li');

await story(async (s) => {
  const server = await s.newServer();
  await server.cli(['org', 'add', '--id', 'acme', '--name', 'Acme']);
  await server.cli(['org', 'add', '--id', 'other', '--name', 'Other']);
  await server.cli(['device', 'add', '--org', 'acme', '--id', 'boiler-1', '--secret', secret, '--ports', '2']);
  await server.cli(['rule', 'add', '--org', 'acme', '--name', 'hot', '--device', 'boiler-1', '--above', '80', '--severity', 'critical']);
  const page = await s.login(server, { path: '/alarms' });
  await seesText(page.locator('.top .state'), 'live');
  await server.publish('boiler-1', secret, { readings: [{ port: 1, value: 93.5 }, { port: 2, value: 97 }] });
  await rows(page).nth(1).waitFor();
  const id = await rows(page).filter({ hasText: '93.5' }).getAttribute('data-id');
  await server.cli(['events', 'comment', id, '--text', 'the valve was stuck']);
  await server.publish('boiler-1', secret, { readings: [{ port: 1, value: 61 }] });
  await rows(page).nth(1).waitFor({ state: 'detached' });

  await s.step('a viewer reads, and sees no button that is refused', async () => {
    const { link } = await server.cli(['user', 'add', '--email', 'vic@example.org', '--role', 'viewer', '--org', 'acme']);
    const viewer = await s.open(link, { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, colorScheme: 'light' });
    await viewer.fill('#password', 'a password of vic');
    await viewer.fill('#again', 'a password of vic');
    await viewer.keyboard.press('Enter');
    await viewer.locator('nav.nav').waitFor();
    await viewer.goto(server.base + '/alarms?state=all');
    await rows(viewer).nth(1).waitFor();
    assert.equal(await viewer.getByRole('button', { name: /Acknowledge:|Silence|Resend/ }).count(), 0);
    assert.equal(await viewer.getByRole('link', { name: 'Channels' }).count(), 0);
    assert.equal(await viewer.locator('.alarm-list [type=checkbox]').count(), 0);
    await fits(viewer);
    await s.sound(viewer, 'phone-inbox');
    await viewer.goto(`${server.base}/alarms/${id}`);
    await seesText(viewer.locator('.talk'), 'the valve was stuck');
    assert.equal(await viewer.locator('.talk form, .page-head .actions button').count(), 0);
    await fits(viewer);
    await s.sound(viewer, 'phone-alarm');
    await viewer.goto(server.base + '/alarms/rules');
    await viewer.getByRole('link', { name: 'hot', exact: true }).click();
    await seesText(viewer.locator('.summary'), 'alarms');
    assert.ok(await high(viewer).isDisabled());
    assert.equal(await viewer.getByRole('button', { name: /Save|Delete|Take revision/ }).count(), 0);
    await fits(viewer);
    await s.sound(viewer, 'phone-rule');
    await viewer.goto(server.base + '/alarms/silences');
    await seesText(viewer.locator('.empty'), 'Nothing is silenced.');
    await viewer.goto(server.base + '/alarms/sent');
    await seesText(viewer.locator('.empty'), 'Nothing was sent yet.');
    await fits(viewer);
    await viewer.context().close();
    s.quiet();
  });

  await s.step('an administrator of another organization sees nothing of it', async () => {
    const { link } = await server.cli(['user', 'add', '--email', 'oto@example.org', '--role', 'org-admin', '--org', 'other']);
    const other = await s.open(link, { colorScheme: 'dark' });
    await other.fill('#password', 'a password of oto');
    await other.fill('#again', 'a password of oto');
    await other.keyboard.press('Enter');
    await other.locator('nav.nav').waitFor();
    await other.goto(server.base + '/alarms?state=all');
    await seesText(other.locator('.empty'), 'There was no alarm yet.');
    await other.goto(server.base + '/alarms/rules');
    await seesText(other.locator('.table'), 'limits');
    assert.equal(await other.getByText('hot', { exact: true }).count(), 0);
    await other.goto(`${server.base}/alarms/${id}`);
    await other.locator('.problem').waitFor();
    await other.getByRole('link', { name: 'Rules', exact: true }).click();
    await other.getByRole('link', { name: 'New rule' }).click();
    await other.getByLabel('Name', { exact: true }).fill('mine');
    await high(other).fill('1');
    await other.getByRole('button', { name: 'Make the rule' }).click();
    await seesText(other.locator('h1'), 'mine');
    await other.context().close();
    s.quiet('404');
  });

  await s.step('a rule is switched off in the list, and deleted', async () => {
    await page.goto(server.base + '/alarms/rules');
    await page.getByRole('switch', { name: /^hot/ }).click();
    await seesText(page.locator('tr', { hasText: 'hot' }).getByRole('switch'), 'off');
    await s.sound(page, 'rules');
    await page.evaluate(() => localStorage.setItem('tidegate.language', 'de'));
    await page.reload();
    await seesText(page.locator('h1'), 'Regeln');
    await s.sound(page, 'rules-de');
    await page.evaluate(() => localStorage.removeItem('tidegate.language'));
    await page.reload();
    await page.getByRole('link', { name: 'hot', exact: true }).click();
    await page.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await page.waitForURL(/\/alarms\/rules$/);
    assert.equal(await page.getByText('hot', { exact: true }).count(), 0);
    s.quiet();
  });
});

/** fits asserts that nothing is wider than the phone. */
async function fits(page) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `the page is ${wide} px wider than the phone`);
}
