// People: who is invited, and who sees what.
import { assert, secret, seesText, story } from './harness.mjs';

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
  for (const id of ['acme', 'apex']) await server.cli(['org', 'add', '--id', id, '--name', id]);
  await server.cli(['device', 'add', '--org', 'acme', '--id', 'd1', '--secret', secret, '--ports', '1']);
  await server.cli(['device', 'add', '--org', 'apex', '--id', 'x1', '--secret', secret, '--ports', '1']);
  for (const [id, port] of [['d1', 8], ['x1', 9]]) await server.publish(id, secret, { readings: [{ port: 1, value: 1 }, { port, value: 1 }] });
  const page = await s.login(server, { path: '/admin/users' });
  const table = (name) => page.getByRole('table', { name });

  let viewer;
  await s.step('a user is invited; the link is shown once, with its end, and is good in another browser', async () => {
    const invitation = await invites(page, bob.email, 'viewer', 'acme');
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
    for (const at of ['users', 'audit', 'system']) {
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
    const orgAdmin = await accepts(s, link, oda.password);
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
});

/** tokenOf is the access token of whoever is logged in on a page. */
async function tokenOf(page) { return page.evaluate(() => JSON.parse(sessionStorage.getItem('tidegate.session')).token); }
