// One's own account: how the page looks, the password, where one is logged in.
import { admin, assert, seesText, story } from './harness.mjs';

const next = 'another horse battery';

await story(async (s) => {
  const box = await s.newServer();
  const page = await s.login(box, { path: '/me', timezoneId: 'Europe/Berlin' });

  await s.step('the name is kept', async () => {
    await page.getByRole('textbox', { name: 'Your name' }).fill('Ann Example');
    await page.getByRole('button', { name: 'Save' }).click();
    await seesText(page.locator('.notices'), 'Saved.');
    await page.reload();
    await page.waitForFunction(() => document.querySelector('input[name=name]')?.value === 'Ann Example');
    s.quiet();
  });

  await s.step('colours, language and zone are those of this browser', async () => {
    await page.getByRole('button', { name: 'dark', exact: true }).click();
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
    await seesText(page.getByRole('group', { name: 'Times' }), /\+0[12]:00/);
    await page.getByRole('button', { name: 'UTC' }).click();
    await seesText(page.getByRole('group', { name: 'Times' }), / UTC/);
    await page.getByRole('combobox', { name: 'Language' }).selectOption('de');
    await seesText(page.locator('h1'), 'Ihr Konto');
    await s.shot(page, 'me-german');
    await page.reload();
    await seesText(page.locator('h1'), 'Ihr Konto');
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
    await page.getByRole('combobox', { name: 'Sprache' }).selectOption('en');
    await page.getByRole('button', { name: 'as the system' }).click();
    s.quiet();
  });

  await s.step('a session elsewhere is listed, and ended', async () => {
    const other = await s.login(box);
    await page.reload();
    const rows = page.getByRole('table').locator('tbody tr');
    await rows.nth(1).waitFor();
    assert.equal(await rows.filter({ hasText: 'this one' }).count(), 1);
    assert.equal(await rows.filter({ hasText: 'this one' }).getByRole('button').count(), 0);
    await s.sound(page, 'me');
    await rows.getByRole('button', { name: 'End session' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'End session' }).click();
    await rows.nth(1).waitFor({ state: 'detached' });
    await other.locator('#email').waitFor();
    await other.context().close();
    s.quiet('401', 'WebSocket connection');
  });

  await s.step('all others are ended at once', async () => {
    const others = [await s.login(box), await s.login(box)];
    await page.reload();
    await page.getByRole('button', { name: 'End all others' }).click();
    await seesText(page.getByRole('dialog'), '2 other browsers');
    await page.getByRole('dialog').getByRole('button', { name: 'End all others' }).click();
    await page.getByRole('table').locator('tbody tr').nth(1).waitFor({ state: 'detached' });
    for (const o of others) {
      await o.locator('#email').waitFor();
      await o.context().close();
    }
    s.quiet('401', 'WebSocket connection');
  });

  await s.step('a new password: the old one must be right, and this session goes on', async () => {
    const other = await s.login(box);
    const change = page.getByRole('button', { name: 'Change the password' });
    const fill = async (current, first, again) => {
      await page.getByLabel('Current password').fill(current);
      await page.getByLabel('New password').fill(first);
      await page.getByLabel('The password again').fill(again);
      await change.click();
    };
    await fill(admin.password, next, next + '!');
    await seesText(page.locator('.fault'), 'The passwords differ.');
    await fill('wrong', next, next);
    await seesText(page.getByRole('alert'), /\w/);
    await fill(admin.password, next, next);
    await seesText(page.locator('.notices'), 'The password is changed.');
    await other.locator('#email').waitFor();
    await other.context().close();
    await page.goto(box.base + '/');
    await page.locator('.stat').first().waitFor();
    await (await s.login(box, { password: next })).context().close();
    s.quiet('401', '403', '422', 'WebSocket connection');
  });

  await s.step('on a phone nothing is cut off', async () => {
    await page.goto(box.base + '/me');
    await page.setViewportSize({ width: 360, height: 740 });
    await page.getByRole('table').waitFor();
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    const out = wide > 0 && await page.evaluate(() => [...document.querySelectorAll('main *')].filter((e) => e.getBoundingClientRect().right > innerWidth).map((e) => e.tagName + '.' + e.className).join(' '));
    assert.ok(wide <= 0, out +  `the page is ${wide} px wider than the phone`);
    await s.shot(page, 'me-phone');
    s.quiet();
  });
});
