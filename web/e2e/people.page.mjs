// Organizations and the people in them: who is invited, and who sees what.
import { admin, assert, secret, seesText, story } from './harness.mjs';

const main = (page) => page.locator('main');
const bob = { email: 'bob@example.org', password: 'bobs own password' };
const oda = { email: 'oda@example.org', password: 'odas own password' };

/** invites fills in the dialog, and answers the link that is shown. */
async function invites(page, email, role, org) {
  await page.getByRole('button', { name: 'Invite' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Email').fill(email);
  await dialog.getByLabel('Role').selectOption(role);
  if (org) await dialog.getByLabel('Organization').selectOption(org);
  await dialog.getByRole('button', { name: 'Make the invitation' }).click();
  const link = page.getByRole('dialog').locator('.command code');
  await seesText(link, '#accept=');
  return link.innerText();
}

/** accepts chooses a password by a link, in a browser of their own. */
async function accepts(s, link, password) {
  const guest = await s.open(link);
  await guest.fill('#password', password);
  await guest.fill('#again', password);
  await guest.keyboard.press('Enter');
  await guest.locator('nav.nav').waitFor();
  return guest;
}

await story(async (s) => {
  const server = await s.newServer();
  const page = await s.login(server, { path: '/admin/organizations' });
  const table = (name) => page.getByRole('table', { name });

  await s.step('organizations are made, renamed, and not deleted while something stands in the way', async () => {
    await seesText(main(page), 'No organization yet');
    const dialog = page.getByRole('dialog');
    const focused = () => page.evaluate(() => document.activeElement?.getAttribute('name') || document.activeElement?.textContent?.trim());
    for (const [id, name] of [['acme', 'Acme'], ['apex', 'Apex']]) {
      await page.getByRole('button', { name: 'Add an organization' }).click();
      await dialog.getByLabel('Id').waitFor();
      assert.equal(await focused(), 'id', 'what is typed first has the focus');
      await dialog.getByLabel('Id').fill(id);
      await dialog.getByLabel('Name').fill(name);
      await dialog.getByRole('button', { name: 'Save' }).click();
      await table('Organizations').getByText(name, { exact: true }).waitFor();
      assert.equal(await focused(), 'Add an organization', 'the focus is back');
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
    await server.cli(['device', 'add', '--org', 'apex', '--id', 'x1', '--secret', secret, '--ports', '1']);
    for (const [id, port] of [['d1', 8], ['x1', 9]]) await server.publish(id, secret, { readings: [{ port: 1, value: 1 }, { port, value: 1 }] });
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

  let viewer, orgAdmin, invitation;
  await s.step('a user is invited; the link is shown once, with its end, and is good in another browser', async () => {
    invitation = await invites(page, bob.email, 'viewer', 'acme');
    await seesText(page.getByRole('dialog'), /Good once, until.*\(in 3\sd\)/);
    await s.sound(page, 'user-link');
    await page.getByRole('button', { name: 'I have kept it' }).click();
    await seesText(table('Users').locator('tr', { hasText: bob.email }), 'invited');
    viewer = await accepts(s, invitation, bob.password);
    await page.reload();
    await table('Users').locator('tr', { hasText: bob.email }).getByRole('button', { name: 'Sessions' }).waitFor();
    await s.sound(page, 'users');
    s.quiet();
  });

  await s.step('a viewer sees only their own, and nothing that they must not do', async () => {
    await viewer.goto(server.base + '/admin');
    await viewer.waitForURL('**/admin/deadletters');
    await seesText(viewer.locator('tbody tr'), 'd1');
    assert.equal(await viewer.locator('tbody tr').count(), 1, 'what is of another organization is not there');
    assert.deepEqual(await viewer.locator('main .tabs a').allInnerTexts(), ['Dead letters', 'Ledger']);
    assert.equal(await viewer.getByRole('button', { name: /Replay|Delete/ }).count(), 0);
    await s.shot(viewer, 'deadletters-viewer');
    for (const at of ['users', 'keys', 'audit', 'data', 'system', 'organizations']) {
      await viewer.goto(server.base + '/admin/' + at);
      await seesText(main(viewer), 'Your role does not allow this part.');
    }
    const { items } = await (await fetch(server.base + '/api/v1/dead-letters', { headers: { Authorization: 'Bearer ' + await tokenOf(page) } })).json();
    const foreign = items.find((l) => l.deviceId === 'x1').id;
    await viewer.goto(server.base + '/admin/deadletters/' + foreign);
    await seesText(main(viewer), `There is no dead letter ${foreign}`);
    await viewer.goto(server.base + '/admin/ledger?device=x1');
    await seesText(viewer.locator('main .problem'), 'x1');
    await viewer.goto(server.base + '/admin/ledger');
    await seesText(viewer.getByRole('table', { name: 'Devices' }), 'd1');
    assert.equal(await viewer.getByText('x1', { exact: true }).count(), 0);
    s.quiet('404');
  });

  await s.step('an administrator of one organization has the users of that one', async () => {
    const link = await invites(page, oda.email, 'org-admin', 'apex');
    await page.keyboard.press('Escape');
    orgAdmin = await accepts(s, link, oda.password);
    await orgAdmin.goto(server.base + '/admin/users');
    const users = orgAdmin.getByRole('table', { name: 'Users' });
    await seesText(users, oda.email);
    assert.equal(await users.locator('tbody tr').count(), 1);
    assert.equal(await orgAdmin.getByLabel('Role').locator('option', { hasText: 'company-admin' }).count(), 0);
    await orgAdmin.goto(server.base + '/admin/users?org=acme');
    await seesText(orgAdmin.locator('main .problem'), 'acme');
    await orgAdmin.goto(server.base + '/admin/organizations');
    await seesText(orgAdmin.getByRole('table', { name: 'Organizations' }), 'apex');
    assert.equal(await orgAdmin.locator('tbody tr').count(), 1);
    assert.equal(await orgAdmin.getByRole('button', { name: /Delete|Add/ }).count(), 0);
    await orgAdmin.goto(server.base + '/admin/users');
    await invites(orgAdmin, 'eve@example.org', 'viewer');
    await orgAdmin.keyboard.press('Escape');
    await seesText(users.locator('tr', { hasText: 'eve@example.org' }), 'apex');
    await orgAdmin.goto(server.base + '/admin/audit');
    await seesText(orgAdmin.getByRole('table', { name: 'Audit trail' }), 'eve@example.org');
    assert.equal(await orgAdmin.getByText('bob@example.org').count(), 0, 'what was done in another organization is not there');
    assert.equal(await orgAdmin.getByRole('button', { name: /Export|Verify/ }).count(), 0);
    s.quiet('404');
  });

  await s.step('sessions are seen and ended; roles are changed', async () => {
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
    assert.notEqual(await page.getByRole('dialog').locator('.command code').innerText(), invitation);
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Delete: ' + bob.email }).click();
    await dialog.getByRole('button', { name: 'Delete', exact: true }).click();
    await table('Users').locator('tr', { hasText: bob.email }).waitFor({ state: 'detached' });
    s.quiet('401', '/api/v1/live'); // the page of the one whose session ended
  });
});

/** tokenOf is the access token of whoever is logged in on a page. */
async function tokenOf(page) { return page.evaluate(() => JSON.parse(sessionStorage.getItem('tidegate.session')).token); }
