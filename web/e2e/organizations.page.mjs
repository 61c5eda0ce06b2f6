// Organizations, and what becomes of the people in them.
import { admin, assert, secret, seesText, story } from './harness.mjs';

const main = (page) => page.locator('main');
const bob = { email: 'bob@example.org', password: 'bobs own password' };

await story(async (s) => {
  const server = await s.newServer();
  const page = await s.login(server, { path: '/admin/organizations' });
  const table = (name) => page.getByRole('table', { name });

  await s.step('organizations are made, renamed, and not deleted while something stands in the way', async () => {
    await seesText(main(page), 'No organization yet');
    const dialog = page.getByRole('dialog');
    const focused = (what) => page.waitForFunction((w) => [document.activeElement?.getAttribute('name'), document.activeElement?.textContent?.trim()].includes(w), what);
    for (const [id, name] of [['acme', 'Acme'], ['apex', 'Apex']]) {
      await page.getByRole('button', { name: 'Add an organization' }).click();
      await dialog.getByLabel('Id').waitFor();
      await focused('id'); // which is typed first
      await dialog.getByLabel('Id').fill(id);
      await dialog.getByLabel('Name').fill(name);
      await dialog.getByRole('button', { name: 'Save' }).click();
      await table('Organizations').getByText(name, { exact: true }).waitFor();
      await focused('Add an organization'); // it is back
    }
    await page.getByRole('button', { name: 'Add an organization' }).click();
    await dialog.getByLabel('Id').fill('no good');
    await dialog.getByLabel('Name').fill('Kept');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await seesText(dialog.locator('.fault'), '1 to 64 characters');
    assert.equal(await dialog.getByLabel('Name').inputValue(), 'Kept');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Edit acme' }).click();
    await dialog.getByLabel('Name').fill('Acme Works');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await seesText(table('Organizations'), 'Acme Works');
    await server.cli(['device', 'add', '--org', 'acme', '--id', 'd1', '--secret', secret, '--ports', '1']);
    await s.sound(page, 'organizations');
    await page.getByRole('button', { name: 'Delete acme' }).click();
    await dialog.getByLabel('Type acme to confirm').fill('acme');
    await dialog.getByRole('button', { name: 'Delete' }).click();
    await seesText(dialog.locator('.problem'), /device/);
    await page.keyboard.press('Escape');
    s.quiet('422', '409');
  });

  await s.step('the last administrator is kept', async () => {
    await page.goto(server.base + '/admin/users');
    await seesText(table('Users'), admin.email);
    await page.getByRole('button', { name: 'Delete: ' + admin.email }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Delete', exact: true }).click();
    await seesText(dialog.locator('.problem'), 'is the last company-admin who can log in; make another one first');
    await page.keyboard.press('Escape');
    s.quiet('409');
  });

  await s.step('sessions are seen and ended; roles are changed', async () => {
    await server.cli(['user', 'add', '--email', bob.email, '--role', 'viewer', '--org', 'acme', '--password-stdin'], bob.password + '\n');
    await s.login(server, bob);
    await page.reload();
    const dialog = page.getByRole('dialog');
    await page.getByRole('button', { name: 'Sessions: ' + bob.email }).click();
    await seesText(dialog.locator('tbody tr'), 'Chrome');
    await s.sound(page, 'sessions');
    await dialog.getByRole('button', { name: 'End', exact: true }).click();
    await seesText(dialog, 'Not logged in anywhere.');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Edit: ' + bob.email }).click();
    await dialog.getByLabel('Role').selectOption('org-admin');
    await s.shot(page, 'user-edit');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await seesText(table('Users').locator('tr', { hasText: bob.email }), 'org-admin');
    await page.getByRole('button', { name: 'Reset link: ' + bob.email }).click();
    await dialog.getByRole('button', { name: 'Make the link' }).click();
    await seesText(page.getByRole('dialog').locator('.command code'), '#accept=');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Delete: ' + bob.email }).click();
    await dialog.getByRole('button', { name: 'Delete', exact: true }).click();
    await table('Users').locator('tr', { hasText: bob.email }).waitFor({ state: 'detached' });
    s.quiet('401'); // the page of the one whose session ended
  });
});
