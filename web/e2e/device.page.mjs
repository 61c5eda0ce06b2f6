// One device: how soon a reading is drawn, its ports and calibrations, what it
// sends, what became of that, and its settings; and what a viewer is not shown.
import { once } from 'node:events';
import { connect } from 'node:net';
import { assert, secret, seesText, story } from './harness.mjs';

const READINGS = Number(process.env.READINGS || 40); // of which the latency is told

/** online connects as a device by MQTT 3.1.1, and answers the way to go. */
async function online(server, id) {
  const [host, port] = server.listen.mqtt.split(':');
  const word = (s) => Buffer.concat([Buffer.from([0, Buffer.byteLength(s)]), Buffer.from(s)]);
  const body = Buffer.concat([word('MQTT'), Buffer.from([4, 0b1100_0010, 0, 60]), word('story'), word(id), word(secret)]);
  const socket = connect(Number(port), host);
  socket.write(Buffer.concat([Buffer.from([0x10, body.length]), body]));
  const [answer] = await once(socket, 'data');
  assert.equal(answer[3], 0, 'the CONNACK');
  return () => socket.end(Buffer.from([0xe0, 0]));
}

await story(async (s) => {
  const server = await s.newServer();
  await server.cli(['org', 'add', '--id', 'acme', '--name', 'Acme']);
  await server.cli(['device', 'add', '--org', 'acme', '--id', 'd1', '--secret', secret, '--ports', '3']);
  await server.cli(['port', 'set', '--device', 'd1', '--number', '1', '--name', 'Voltage', '--unit', 'V']);
  const page = await s.login(server, { path: '/devices/d1?ports=1' });
  const tab = (name) => page.locator('.tabs').getByRole('link', { name }).click();

  await s.step('a reading that is published appears on the open chart', async () => {
    await page.locator('.tile', { hasText: 'Voltage' }).waitFor();
    await seesText(page.locator('.top .state'), 'live');
    const begin = Date.now();
    const send = (i) => server.publish('d1', secret, { ts: begin + i, readings: [{ port: 1, value: 100 + i }] });
    await send(0);
    await page.locator('.chart canvas').waitFor();
    await seesText(page.locator('.chart .when'), '1 reading');
    const ms = [];
    for (let i = 1; i <= READINGS; i++) {
      const drawn = page.evaluate((n) => new Promise((done) => {
        const look = () => {
          if (!document.querySelector('.chart .when')?.textContent.startsWith(n + ' ')) return false;
          // The second frame: the first one with the change is on the screen.
          requestAnimationFrame(() => requestAnimationFrame(() => done(performance.timeOrigin + performance.now())));
          return true;
        };
        if (look()) return;
        new MutationObserver((_, o) => { if (look()) o.disconnect(); }).observe(document.body, { subtree: true, childList: true, characterData: true });
      }), i + 1);
      const sent = performance.timeOrigin + performance.now();
      await send(i);
      ms.push(await drawn - sent);
    }
    ms.sort((a, b) => a - b);
    console.log(`# published → drawn, ${READINGS} readings one at a time: p50 ${ms[READINGS >> 1].toFixed(0)} ms, p99 ${ms[Math.ceil(READINGS * 0.99) - 1].toFixed(0)} ms, most ${ms.at(-1).toFixed(0)} ms`);
    await seesText(page.locator('.tile', { hasText: 'Voltage' }), `${100 + READINGS} V`);
    s.quiet();
  });

  await s.step('a port is added, changed and taken away', async () => {
    await tab('Ports');
    await page.getByRole('button', { name: 'Add a port' }).click();
    const dialog = page.locator('dialog');
    assert.equal(await dialog.getByLabel('Number').inputValue(), '4');
    await dialog.getByLabel('Name').fill('Pressure');
    await dialog.getByLabel('Unit').fill('bar');
    await dialog.getByLabel('Least').fill('5');
    await dialog.getByLabel('Greatest').fill('x');
    await dialog.getByRole('button', { name: 'Make the port' }).click();
    await seesText(dialog.locator('.fault'), 'This is not a number.');
    await dialog.getByLabel('Greatest').fill('1,5');
    await dialog.getByRole('button', { name: 'Make the port' }).click();
    await seesText(dialog.getByRole('alert'), /validMin|above/);
    assert.equal(await dialog.getByLabel('Name').inputValue(), 'Pressure', 'what was typed is there after a fault');
    await dialog.getByLabel('Least').fill('0');
    await s.sound(page, 'port');
    await dialog.getByRole('button', { name: 'Make the port' }).click();
    await dialog.waitFor({ state: 'detached' });
    await seesText(page.locator('tr', { hasText: 'Pressure' }), '0 … 1.5');
    await page.getByRole('button', { name: 'Delete Pressure' }).click();
    await page.locator('dialog').getByRole('button', { name: 'Delete' }).click();
    await page.locator('tr', { hasText: 'Pressure' }).waitFor({ state: 'detached' });
    await s.sound(page, 'ports');
    s.quiet('422');
  });

  await s.step('a two-point calibration shows its effect, refuses equal points, and changes what is shown', async () => {
    await server.publish('d1', secret, { readings: [{ port: 1, value: 300 }] });
    await seesText(page.locator('tr', { hasText: 'Voltage' }), '300 V');
    await page.getByRole('button', { name: 'Calibrate Voltage' }).click();
    const dialog = page.locator('dialog');
    const fill = async (values) => { for (const [label, v] of Object.entries(values)) await dialog.getByLabel(label).fill(v); };
    await dialog.getByRole('button', { name: /as raw value 1/ }).click();
    await fill({ 'True value 1': '30', 'Raw value 2': '300', 'True value 2': '20' });
    await seesText(dialog.getByRole('alert'), 'Both raw values are the same');
    await fill({ 'Raw value 2': '200', 'True value 2': '30' });
    await seesText(dialog.getByRole('alert'), 'Both true values are the same');
    await fill({ 'True value 2': '20' });
    assert.equal(await dialog.getByLabel('Scaling').inputValue(), '0.1');
    assert.equal(await dialog.getByLabel('Offset').inputValue(), '0');
    await seesText(dialog.locator('.effect'), '300 V → 30 V');
    await fill({ 'In force from': '2020-01-01T00:00' });
    await s.sound(page, 'calibration');
    await dialog.getByRole('button', { name: 'Save the calibration' }).click();
    await seesText(dialog.locator('tr', { hasText: 'in force' }), '0.1');
    await seesText(dialog.locator('.effect'), '30 V → 30 V');
    await page.keyboard.press('Escape');
    await seesText(page.locator('tr', { hasText: 'Voltage' }), 'raw × 0.1');
    await tab('Live');
    await seesText(page.locator('.tile', { hasText: 'Voltage' }), '30 V');
    s.quiet();
  });

  await s.step('the inspector shows what comes, also what is rejected and why', async () => {
    await tab('Messages');
    await seesText(page.locator('.inspector'), 'Waiting for a message');
    await seesText(page.locator('.top .state'), 'live');
    await server.publish('d1', secret, { readings: [{ port: 1, value: 250 }, { port: 9, value: 7 }] });
    const line = page.locator('.messages li').first();
    await seesText(line, '1 accepted');
    await seesText(line, '1 rejected');
    await line.locator('summary').click();
    await seesText(line.locator('tr', { hasText: 'unknown_port' }), 'port 9 is not registered');
    await seesText(line.locator('tr', { hasText: 'accepted' }), /250.*25/);
    await seesText(line.locator('pre'), '"port":9');
    await page.getByRole('button', { name: 'Look again' }).click();
    await seesText(page.locator('tr', { hasText: 'unknown_port' }).last(), 'not registered');
    await s.sound(page, 'messages');
    await page.getByRole('button', { name: 'Pause' }).click();
    await seesText(page.locator('.inspector'), 'paused');
    await page.getByRole('button', { name: 'Clear' }).click();
    await page.locator('.messages li').waitFor({ state: 'detached' });
    s.quiet();
  });

  await s.step('the timeline tells when it came and went, and of its alarms', async () => {
    await server.cli(['port', 'set', '--device', 'd1', '--number', '2', '--high', '50']);
    await tab('Timeline');
    await seesText(page.locator('.empty'), 'Nothing yet');
    const leave = await online(server, 'd1');
    await seesText(page.locator('.page-head'), 'online');
    await seesText(page.locator('.timeline li'), 'online');
    leave();
    await seesText(page.locator('.timeline li').first(), 'offline');
    await server.publish('d1', secret, { readings: [{ port: 2, value: 60 }] });
    await seesText(page.locator('.timeline .alarm-line'), 'open');
    await s.sound(page, 'timeline');
    await tab('Live');
    await seesText(page.locator('.device-alarms'), '60');
    await seesText(page.locator('.tile', { hasText: 'Port 2' }), 'alarm');
    await s.sound(page, 'device-alarm');
    s.quiet();
  });

  await s.step('the ledger adds up', async () => {
    await tab('Ledger');
    await seesText(page.locator('.ledger-sum'), new RegExp(`${READINGS + 5}\\s*received`));
    await seesText(page.locator('.ledger-sum'), /1\s*rejected/);
    await page.getByRole('button', { name: '7 days' }).click();
    await page.waitForURL(/span=7d/);
    await seesText(page.locator('.ledger-sum'), new RegExp(`${READINGS + 4}\\s*stored`));
    await s.sound(page, 'ledger');
    s.quiet();
  });

  await s.step('what was rejected is counted, then replayed', async () => {
    await tab('Messages');
    await page.getByRole('button', { name: 'Replay all' }).click();
    const dialog = page.locator('dialog');
    await seesText(dialog, /device d1\.\s+There is 1 just now\./);
    await dialog.getByRole('button', { name: 'Replay' }).click();
    await seesText(page.locator('.notices'), '0 stored, 0 duplicate, 1 rejected again.');
    await page.locator('tr', { hasText: 'unknown_port' }).waitFor();
    await page.locator('.panel', { hasText: 'Rejected and kept' }).getByRole('button', { name: 'Delete' }).click();
    await seesText(dialog, 'There is 1 just now.');
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    s.quiet();
  });

  await s.step('settings are changed; a new secret is shown once, and is the one that counts', async () => {
    await tab('Settings');
    const part = (name) => page.locator('.panel', { has: page.getByRole('heading', { name, exact: true }) });
    await part('Name and tags').getByLabel('Name').fill('Boiler');
    await part('Name and tags').getByLabel('Tags').fill('hall-2, boiler');
    await part('Name and tags').getByRole('button', { name: 'Save' }).click();
    await seesText(page.locator('.page-head'), 'hall-2');
    await part('Accepted times').getByLabel('Back to').fill('soon');
    await part('Accepted times').getByRole('button', { name: 'Save' }).click();
    await seesText(part('Accepted times').getByRole('alert'), /acceptPast|soon/);
    await part('Accepted times').getByLabel('Back to').fill('90d');
    await part('Accepted times').getByRole('button', { name: 'Save' }).click();
    await seesText(page.locator('.notices'), 'Saved.');
    await s.sound(page, 'settings');
    await page.getByRole('button', { name: 'Make a new secret' }).click();
    await page.locator('dialog').getByRole('button', { name: 'Make a new secret' }).click();
    const shown = page.locator('dialog .secret code');
    const fresh = await shown.first().innerText();
    await seesText(shown, `-P ${fresh} `);
    await s.sound(page, 'secret');
    await page.locator('dialog').getByRole('button', { name: 'Close' }).last().click();
    assert.ok(!(await page.content()).includes(fresh), 'the secret is still in the page');
    await assert.rejects(server.publish('d1', secret, { readings: [] }), /401/);
    await server.publish('d1', fresh, { readings: [{ port: 1, value: 251 }] });
    s.quiet('422');
  });

  await s.step('a viewer sees no button that writes', async () => {
    const link = await server.cli(['user', 'add', '--email', 'vic@example.org', '--role', 'viewer', '--org', 'acme', '--password-stdin'], 'a long password of vic\n');
    assert.ok(link);
    const viewer = await s.login(server, { path: '/devices', email: 'vic@example.org', password: 'a long password of vic' });
    await viewer.locator('#device-d1').waitFor();
    assert.equal(await viewer.getByRole('button', { name: /New device|Import/ }).count(), 0);
    await viewer.getByRole('link', { name: 'd1', exact: true }).click();
    await viewer.locator('.tile').first().waitFor();
    assert.equal(await viewer.getByRole('link', { name: 'Settings' }).count(), 0);
    await viewer.locator('.tabs').getByRole('link', { name: 'Ports' }).click();
    await viewer.getByRole('button', { name: 'Calibrate Voltage' }).click();
    await seesText(viewer.locator('dialog'), 'in force');
    assert.equal(await viewer.locator('dialog').getByRole('button', { name: 'Save the calibration' }).count(), 0);
    await viewer.keyboard.press('Escape');
    assert.equal(await viewer.getByRole('button', { name: /Add a port|Edit|Delete/ }).count(), 0);
    await viewer.locator('.tabs').getByRole('link', { name: 'Messages' }).click();
    await viewer.locator('tr', { hasText: 'unknown_port' }).waitFor();
    assert.equal(await viewer.getByRole('button', { name: /Replay|Delete/ }).count(), 0);
    await viewer.goto(server.base + '/devices/d1/settings');
    await seesText(viewer.locator('main'), 'There is no page at this address.');
    await viewer.context().close();
    s.quiet();
  });

  await s.step('a device is deleted once its id was typed', async () => {
    await page.getByRole('button', { name: 'Delete the device' }).click();
    const sure = page.locator('dialog').getByRole('button', { name: 'Delete' });
    assert.ok(await sure.isDisabled());
    await page.locator('dialog').getByLabel('Type d1 to confirm').fill('d1');
    await sure.click();
    await page.waitForURL(/\/devices$/);
    await seesText(page.locator('.welcome'), 'No device yet');
    s.quiet('404'); // what was asked of it in that moment
  });
});
