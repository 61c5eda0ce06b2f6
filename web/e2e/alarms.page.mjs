// Alarms, from the rule to the end: made in the editor, raised by a reading,
// seen by itself, taken on, told, and over.
import { assert, secret, seesText, story } from './harness.mjs';

const high = (page) => page.getByRole('spinbutton', { name: 'High' });
const rows = (page) => page.locator('.alarm-list > li');

await story(async (s) => {
  const server = await s.newServer();
  await server.cli(['org', 'add', '--id', 'acme', '--name', 'Acme']);
  await server.cli(['org', 'add', '--id', 'other', '--name', 'Other']);
  await server.cli(['device', 'add', '--org', 'acme', '--id', 'boiler-1', '--secret', secret, '--ports', '2', '--tag', 'hall-2']);
  await server.cli(['port', 'set', '--device', 'boiler-1', '--number', '1', '--name', 'Temperature', '--unit', '°C']);
  // An hour of a boiler that gets hot twice.
  const begin = Date.now() - 3_600_000;
  const heat = (i) => 60 + 5 * Math.sin(i / 9) + (i > 60 && i < 75 ? 30 : 0) + (i > 180 && i < 200 ? 25 : 0);
  await server.publish('boiler-1', secret, { readings: Array.from({ length: 240 }, (_, i) => ({ ts: begin + i * 14_000, port: 1, value: Number(heat(i).toFixed(2)) })) });
  const page = await s.login(server, { path: '/alarms' });
  let id = '';

  await s.step('an empty inbox says so', async () => {
    await seesText(page.locator('.empty'), 'Nothing is wrong.');
    await s.sound(page, 'alarms-empty');
    s.quiet();
  });

  await s.step('a rule is made in the editor, with what it would have done', async () => {
    await page.getByRole('link', { name: 'Rules', exact: true }).first().click();
    await seesText(page.locator('.table'), 'limits');
    await page.getByRole('link', { name: 'New rule' }).click();
    await page.getByLabel('Name', { exact: true }).fill('hot');
    const org = page.getByLabel('Organization', { exact: true });
    await org.selectOption('acme');
    await page.getByLabel('Severity', { exact: true }).selectOption('critical');
    await page.getByLabel('Devices', { exact: true }).fill('boiler-1');
    await page.keyboard.press('Enter');
    await high(page).fill('80');
    await seesText(page.locator('.summary'), '2 alarms');
    assert.equal(await page.locator('.backtest tbody tr').count(), 2);
    await page.locator('.backtest canvas').waitFor();
    await page.getByLabel('For at least', { exact: true }).fill('1h');
    await seesText(page.locator('.summary'), '0 alarms');
    await page.getByLabel('For at least', { exact: true }).fill('');
    await seesText(page.locator('.summary'), '2 alarms');
    await s.sound(page, 'rule-new');
    s.quiet();
  });

  await s.step('a level is moved by the keys, and its field follows', async () => {
    const level = page.getByRole('slider', { name: 'High' });
    await level.press('ArrowUp');
    assert.ok(Number(await high(page).inputValue()) > 80);
    for (let i = 0; i < 30; i++) await level.press('PageUp');
    await seesText(page.locator('.summary'), '0 alarms');
    await high(page).fill('80');
    await seesText(page.locator('.summary'), '2 alarms'); // the curve is drawn anew, perhaps on another scale
    await level.hover(); // once it stands still
    const box = await level.boundingBox();
    await page.mouse.down();
    await page.mouse.move(box.x, box.y + box.height / 2 + 60, { steps: 4 });
    await page.mouse.up();
    assert.ok(Number(await high(page).inputValue()) < 79, 'it is dragged');
    await high(page).fill('80');
    await page.getByRole('spinbutton', { name: 'Clear at' }).fill('70');
    s.quiet();
  });

  await s.step('what the server does not take is told at the field, and nothing is lost', async () => {
    await page.getByLabel('For at least', { exact: true }).fill('soon');
    await page.getByRole('button', { name: 'Make the rule' }).click();
    await seesText(page.locator('.field', { hasText: 'For at least' }).locator('.fault'), 'duration');
    await page.getByRole('spinbutton', { name: 'Clear at' }).fill('90');
    await page.getByLabel('For at least', { exact: true }).fill('');
    await page.getByRole('button', { name: 'Make the rule' }).click();
    await seesText(page.locator('.field', { hasText: 'Clear at' }).locator('.fault'), 'at most high');
    assert.equal(await page.getByLabel('Name', { exact: true }).inputValue(), 'hot');
    await page.getByRole('spinbutton', { name: 'Clear at' }).fill('70');
    await page.getByRole('button', { name: 'Make the rule' }).click();
    await page.waitForURL(/\/alarms\/rules\/rule-/);
    await seesText(page.locator('h1'), 'hot');
    s.quiet('422');
  });

  await s.step('a reading raises an alarm, and it appears by itself', async () => {
    await page.getByRole('link', { name: 'Inbox' }).click();
    await seesText(page.locator('.empty'), 'Nothing is wrong.');
    await seesText(page.locator('.top .state'), 'live');
    await server.publish('boiler-1', secret, { readings: [{ port: 1, value: 93.5 }] });
    await seesText(rows(page), 'boiler-1 Temperature: 93.5 °C is above 80 °C');
    await server.publish('boiler-1', secret, { readings: [{ port: 1, value: 97.25 }] });
    await seesText(page.locator('.nav .pill'), '1');
    await s.sound(page, 'inbox');
    s.quiet();
  });

  await s.step('it is taken on with a comment', async () => {
    await page.getByRole('button', { name: /^Acknowledge: / }).click();
    await page.getByLabel('Comment', { exact: true }).fill('on my way');
    await page.getByRole('dialog').getByRole('button', { name: 'Acknowledge' }).click();
    await seesText(page.locator('.empty'), 'Nothing is wrong.');
    await page.getByRole('button', { name: /^Acknowledged/ }).click();
    await page.waitForURL(/state=acknowledged/);
    await seesText(rows(page).locator('.badge'), 'taken on by ann');
    s.quiet();
  });

  await s.step('its page has the whole story, and follows it', async () => {
    await rows(page).getByRole('link').click();
    await page.waitForURL(/\/alarms\/ev-/);
    id = new URL(page.url()).pathname.split('/')[2];
    await seesText(page.locator('.talk'), 'on my way');
    await page.getByLabel('Comment', { exact: true }).fill('the valve was stuck');
    await page.getByRole('button', { name: 'Comment', exact: true }).click();
    await seesText(page.locator('.talk li'), 'the valve was stuck');
    await page.locator('.event-curve canvas').waitFor();
    await server.publish('boiler-1', secret, { readings: [{ port: 1, value: 61 }] });
    await seesText(page.locator('.page-head .badge'), 'Resolved');
    await seesText(page.locator('.facts-list'), 'The readings are good again.');
    assert.match(await page.locator('.facts-list').first().innerText(), /Worst value\s*97\.25/);
    await s.sound(page, 'alarm');
    await page.getByRole('link', { name: 'hot', exact: true }).click();
    await page.waitForURL(/\/alarms\/rules\/rule-.*revision=1/);
    s.quiet();
  });

  await s.step('a rule is changed, beside what it was, and taken back', async () => {
    await seesText(page.locator('.summary'), '3 alarms');
    await high(page).fill('88');
    await page.getByRole('spinbutton', { name: 'Clear at' }).fill('');
    await seesText(page.locator('.summary .before'), '3 alarms');
    await seesText(page.locator('.page-head'), 'not saved');
    await page.getByRole('button', { name: 'Save' }).click();
    await seesText(page.locator('.page-head'), 'Revision 2');
    const first = page.locator('.revisions li', { hasText: 'Revision 1' });
    await seesText(first, 'made');
    await first.getByRole('button', { name: /^Take revision 1/ }).click();
    assert.equal(await high(page).inputValue(), '80');
    await s.sound(page, 'rule');
    // Somebody else was faster.
    await server.cli(['rule', 'set', new URL(page.url()).pathname.split('/').pop(), '--severity', 'warning']);
    await page.getByRole('button', { name: 'Save' }).click();
    await seesText(page.locator('.theirs'), 'Revision 3'.toLowerCase());
    await page.getByRole('button', { name: 'Keep mine' }).click();
    await page.getByRole('button', { name: 'Save' }).click();
    await seesText(page.locator('.page-head'), 'Revision 4');
    s.quiet('409');
  });

  await s.step('several are taken on at once, by keyboard, and given back', async () => {
    for (const n of ['2', '3']) {
      await server.cli(['port', 'set', '--device', 'boiler-1', '--number', n, '--name', 'Steam ' + n, '--unit', '°C']);
      await server.publish('boiler-1', secret, { readings: [{ port: Number(n), value: 90 + Number(n) }] });
    }
    await page.getByRole('link', { name: 'Inbox' }).click();
    await rows(page).nth(1).waitFor();
    for (const i of [0, 1]) {
      await rows(page).nth(i).getByRole('checkbox').focus();
      await page.keyboard.press('Space');
    }
    await seesText(page.locator('.chosen'), '2 alarms chosen');
    await page.locator('.chosen').getByRole('button', { name: 'Acknowledge' }).press('Enter');
    await page.getByRole('dialog').getByRole('button', { name: 'Acknowledge' }).click();
    await seesText(page.locator('.empty'), 'Nothing is wrong.');
    await page.getByRole('button', { name: /^Acknowledged/ }).click();
    await rows(page).nth(1).waitFor();
    for (const i of [0, 1]) await rows(page).nth(i).getByRole('checkbox').check();
    await page.locator('.chosen').getByRole('button', { name: 'Give back' }).click();
    await page.getByRole('button', { name: /^Open/ }).click();
    await page.getByRole('button', { name: /^Open/, pressed: true }).waitFor();
    await rows(page).nth(1).waitFor();
    s.quiet();
  });

  await s.step('when the alarm that has the focus ends, the focus stays in the list', async () => {
    await rows(page).nth(0).getByRole('link').focus();
    const over = await rows(page).nth(0).getAttribute('data-id');
    const number = /Steam (\d)/.exec(await rows(page).nth(0).innerText())[1];
    await server.publish('boiler-1', secret, { readings: [{ port: Number(number), value: 20 }] });
    await page.locator(`.alarm-list > li[data-id="${over}"]`).waitFor({ state: 'detached' });
    await page.waitForFunction(() => document.activeElement?.closest('.alarm-list'));
    s.quiet();
  });

  await s.step('what comes in leaves the place where one reads', async () => {
    await server.cli(['device', 'add', '--org', 'acme', '--id', 'many', '--secret', secret, '--ports', '60']);
    const flood = await server.cli(['rule', 'add', '--org', 'acme', '--name', 'flood', '--device', 'many', '--above', '5']);
    const readings = (from, to) => ({ readings: Array.from({ length: to - from }, (_, i) => ({ port: from + i, value: 9 })) });
    await server.publish('many', secret, readings(1, 51));
    await page.goto(server.base + '/alarms?device=many');
    const mine = rows(page).nth(45);
    await mine.getByRole('link').focus();
    const [own, before] = [await mine.getAttribute('data-id'), await mine.evaluate((e) => e.getBoundingClientRect().top)];
    assert.ok(await page.evaluate(() => scrollY) > 500);
    await server.publish('many', secret, readings(51, 59));
    await rows(page).nth(57).waitFor();
    const now = await page.evaluate(() => {
      const row = document.activeElement.closest('li');
      return { id: row.dataset.id, top: row.getBoundingClientRect().top };
    });
    assert.equal(now.id, own);
    assert.ok(Math.abs(now.top - before) < 2, `the row went from ${before} to ${now.top}`);
    await s.shot(page, 'inbox-many');
    await server.cli(['rule', 'rm', flood.id]);
    await seesText(page.locator('.empty'), 'Nothing matches.');
    await page.getByRole('button', { name: 'Without filters' }).click();
    await rows(page).first().waitFor();
    s.quiet();
  });

  await s.step('an alarm is silenced, and the silence is ended', async () => {
    await rows(page).getByRole('link').click();
    await page.getByRole('button', { name: 'Silence', exact: true }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Why', { exact: true }).fill('cleaning');
    await s.sound(page, 'silence-form');
    await dialog.getByRole('button', { name: 'Silence', exact: true }).click();
    await page.getByRole('link', { name: 'Silences' }).click();
    await seesText(page.locator('.table'), 'cleaning');
    await s.sound(page, 'silences');
    await page.getByRole('button', { name: 'End now: cleaning' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'End now' }).click();
    await seesText(page.locator('.empty'), 'Nothing is silenced.');
    s.quiet();
  });
});
