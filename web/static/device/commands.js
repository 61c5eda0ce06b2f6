// What a device is told to do, and what became of it.
import { useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { ask as question } from '../parts/dialog.js';
import { say } from '../parts/notice.js';
import { Empty, Panel } from '../parts/page.js';
import { Asking } from '../parts/query.js';
import { Table } from '../parts/table.js';
import { may } from '../core/me.js';
import { query, setQuery } from '../core/route.js';
import { t } from '../core/words.js';
import { devices } from '../shell/pulse.js';
import { columns, under } from './commandrow.js';
import { ask, isOpen, states, useCommands } from './follow.js';
import { fill, SendCommand } from './send.js';
import { HowTaken } from './taking.js';

/** @typedef {import('./follow.js').DeviceCommand} DeviceCommand */

/** @param {{d: import('./watch.js').Device}} p */
export function CommandsTab({ d }) {
  const wanted = query.value.get('state') || '';
  const state = states.some((s) => s === wanted) ? wanted : '';
  const list = useCommands(d.id, state);
  const [used] = useState(() => /** @type {Set<string>} */ (new Set()));
  const rows = list.items || [];
  for (const c of rows) used.add(c.name);
  const online = (devices.value?.find((o) => o.id === d.id) || d).online;
  const writes = may('write') && d.state === 'active';
  const sent = (/** @type {DeviceCommand} */ c) => {
    list.put(c);
    say(t(online ? 'device.commands.made' : 'device.commands.kept', { name: c.name }));
    if (state && state !== c.state) setQuery({ state: null });
  };
  const withdraw = (/** @type {DeviceCommand} */ c) => question({
    title: t('device.commands.withdrawTitle', { name: c.name }), text: t(c.state === 'queued' && !c.sent ? 'device.commands.withdrawText' : 'device.commands.withdrawSent'),
    button: t('device.commands.withdraw'), danger: true,
    act: async () => {
      try {
        list.put(await ask(d.id, c.id, { method: 'DELETE' }));
      } catch (e) {
        list.reload(); // it has ended meanwhile
        throw e;
      }
    },
  });
  return html`
    <div class=${writes ? 'commands with-form' : 'commands'}>
      ${writes && html`<${SendCommand} key=${d.id} d=${d} online=${online} names=${[...used].sort()} onSent=${sent} />`}
      <${Panel} title=${t('device.tab.commands')} hint=${d.state === 'active' ? t('device.commands.hint') : t('device.commands.retired')} actions=${html`
          <${Filter} state=${state} />
          <button class="quiet" onClick=${list.reload}>${t('device.letters.reload')}</button>`}>
        <${Asking} of=${list} />
        <p class="unseen" aria-live="polite">${list.said}</p>
        ${rows.length > 0 && html`
          <${Table} label=${t('device.tab.commands')} rows=${rows} rowKey=${(/** @type {DeviceCommand} */ c) => c.id} more=${list.more} loading=${list.loading}
            columns=${columns({ online, withdraw: writes ? withdraw : null, again: writes ? (/** @type {DeviceCommand} */ c) => fill(d.id, c) : null })} below=${under} />`}
        ${list.items && !rows.length && (state ? html`
          <${Empty} title=${t('device.commands.noMatch')}><button class="secondary" onClick=${() => setQuery({ state: null })}>${t('device.commands.all')}</button><//>`
          : html`<${Empty} title=${t('device.commands.none')}>${d.state === 'active' && html`<${HowTaken} d=${d} />`}<//>`)}
        ${rows.length > 0 && d.state === 'active' && html`<${How} d=${d} rows=${rows} />`}
      <//>
    </div>`;
}

/** @param {{d: import('./watch.js').Device, rows: DeviceCommand[]}} p the lines, at hand for who tries it: until a command has ended they are open */
function How({ d, rows }) {
  const [open] = useState(rows.every(isOpen));
  return html`
    <details class="how-taken" open=${open}>
      <summary>${t('device.commands.how')}</summary>
      <${HowTaken} d=${d} id=${rows.find(isOpen)?.id} />
    </details>`;
}

/** @param {{state: string}} p */
function Filter({ state }) {
  return html`
    <select aria-label=${t('device.commands.filter')} value=${state} onChange=${(/** @type {any} */ e) => setQuery({ state: e.target.value })}>
      <option value="">${t('device.commands.any')}</option>
      ${states.map((s) => html`<option key=${s} value=${s} selected=${s === state}>${t('device.commands.state.' + s)}</option>`)}
    </select>`;
}
