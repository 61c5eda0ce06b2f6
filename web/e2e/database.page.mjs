// MongoDB behind the box, and away under open pages: they say so, live values go
// on, and what came meanwhile is there when it is back.
import { assert, secret, seesText, story } from './harness.mjs';
import { Mongod } from './mongod.mjs';

const away = ['503 (Service Unavailable)'];
const mongod = Mongod.find();

if (mongod) await story(async (s) => {
  await mongod.start();
  const server = await s.newServer({ env: { MONGO_URI: mongod.uri } });
  await server.cli(['org', 'add', '--id', 'acme', '--name', 'Acme']);
  await server.cli(['device', 'add', '--org', 'acme', '--id', 'd1', '--secret', secret, '--ports', '1']);
  await server.cli(['port', 'set', '--device', 'd1', '--number', '1', '--name', 'Voltage', '--unit', 'V']);
  const measure = (value) => server.publish('d1', secret, { readings: [{ port: 1, value }] });
  await measure(230);

  const overview = await s.login(server);
  const open = async (path) => {
    const page = s.watched(await overview.context().newPage());
    await page.goto(server.base + path);
    return page;
  };
  const panel = overview.locator('.panel', { hasText: 'MongoDB' });
  const device = await open('/devices/d1');
  const messages = await open('/devices/d1/messages');
  const tile = device.locator('.tile', { hasText: 'Voltage' });

  await s.step('the overview and the system say where readings are kept', async () => {
    await seesText(panel, 'reachable for');
    await seesText(panel, 'standalone');
    await seesText(panel, `127.0.0.1:${mongod.port}`);
    await seesText(tile, '230');
    await s.sound(overview, 'overview-mongo');
    const data = await open('/admin/data');
    await seesText(data.locator('main'), 'save those with mongodump');
    await data.goto(server.base + '/admin/system');
    await seesText(data.locator('main'), `standalone`);
    await data.close();
    s.quiet();
  });

  await s.step('while it is away pages say so, and live values go on', async () => {
    await mongod.kill();
    await measure(231);
    await seesText(panel, 'not reachable for');
    await seesText(panel, 'refused');
    await s.sound(overview, 'overview-mongo-away');
    await seesText(tile, '231');
    await seesText(messages.locator('main'), 'The database is away: messages wait on the box');
    await measure(232);
    await seesText(tile, '232');
    await seesText(device.locator('.top .state'), 'live');
    s.quiet(...away);
  });

  await s.step('what needs it says so, and keeps what was typed', async () => {
    const page = await open('/admin/organizations');
    const dialog = page.getByRole('dialog');
    await page.getByRole('button', { name: 'Add an organization' }).click();
    await dialog.getByLabel('Id').fill('apex');
    await dialog.getByLabel('Name').fill('Apex');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await seesText(dialog.locator('.problem'), 'MongoDB');
    assert.equal(await dialog.getByLabel('Name').inputValue(), 'Apex');
    await page.close();
    s.quiet(...away);
  });

  await s.step('once it is back all of it is there', async () => {
    await mongod.start();
    await seesText(panel, 'reachable for');
    await seesText(messages.locator('main ol.messages'), '232');
    await messages.getByText('The database is away').waitFor({ state: 'detached' });
    await seesText(overview.locator('.stat', { hasText: 'Log' }), 'Nothing waits.');
    const { items } = await server.cli(['readings', 'query', '--device', 'd1', '--port', '1']);
    assert.deepEqual(items.map((r) => r.rawValue).sort(), [230, 231, 232]);
    await seesText(tile, '232');
    s.quiet(...away);
  });
});
else console.log('skipped: no mongod; make deps fetches one where there is one for the machine');
await mongod?.remove();
