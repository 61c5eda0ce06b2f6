// What of a device was rejected and is kept, until it is replayed or deleted.
import { useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Age } from '../parts/age.js';
import { Command } from '../parts/command.js';
import { say } from '../parts/notice.js';
import { Panel } from '../parts/page.js';
import { Asking, usePages } from '../parts/query.js';
import { Table } from '../parts/table.js';
import { count } from '../core/format.js';
import { may } from '../core/me.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { askDelete, ReplayDialog } from '../admin/replay.js';
import { commands, split } from '../overview/rejections.js';

const PAGE = 50;

/** @typedef {import('../core/api.js').DeadLetter & {payload: string, topic: string, source: string}} Letter */

/** @param {{id: string}} p */
export function Letters({ id }) {
  const letters = usePages((cursor) => api.call('/dead-letters', { query: { deviceId: id, limit: PAGE, cursor } }), [id]);
  const [open, setOpen] = useState('');
  const [replay, setReplay] = useState(false);
  const replayed = (/** @type {any} */ r) => {
    say(t('device.letters.replayed', { stored: count(r.stored), duplicate: count(r.duplicate), rejected: count(r.rejected) }), r.rejected ? 'bad' : 'good');
    letters.reload();
  };
  const rows = /** @type {Letter[]} */ (letters.items || []);
  return html`
    <${Panel} title=${t('device.letters.title')} hint=${t('device.letters.hint')} actions=${html`
        <button class="quiet" onClick=${letters.reload}>${t('device.letters.reload')}</button>
        ${may('write') && rows.length > 0 && html`
          <button class="secondary" onClick=${() => setReplay(true)}>${t('device.letters.replay')}</button>
          <button class="secondary" onClick=${() => askDelete({ deviceId: id }, letters.reload)}>${t('remove')}</button>`}`}>
      ${replay && html`<${ReplayDialog} what=${{ deviceId: id }} onClose=${() => setReplay(false)} onDone=${replayed} />`}
      <${Asking} of=${letters} />
      ${letters.items && !rows.length && html`<p class="hint pad">${t('device.letters.none')}</p>`}
      ${rows.length > 0 && html`<${Table} label=${t('device.letters.title')} rows=${rows} rowKey=${(/** @type {Letter} */ l) => l.id} more=${letters.more} loading=${letters.loading}
        below=${(/** @type {Letter} */ l) => open === l.id && html`<${Whole} l=${l} />`}
        columns=${[
          { name: t('device.letters.received'), cell: (/** @type {Letter} */ l) => html`<${Age} at=${l.receivedAt} suffix />` },
          { name: t('device.letters.reason'), cell: (/** @type {Letter} */ l) => html`<span class="badge bad">${l.reason}</span>` },
          { name: t('device.letters.port'), cell: (/** @type {Letter} */ l) => l.port || '' },
          { name: t('device.letters.cause'), className: 'wide', cell: (/** @type {Letter} */ l) => split(l.detail).cause },
          { name: t('device.letters.message'), cell: (/** @type {Letter} */ l) => html`
            <button class="quiet" aria-expanded=${open === l.id} onClick=${() => setOpen(open === l.id ? '' : l.id)}>${t('device.letters.show')}</button>` },
        ]} />`}
    <//>`;
}

/** @param {{l: Letter}} p */
function Whole({ l }) {
  const { fix } = split(l.detail);
  const command = commands(fix);
  return html`
    <div class="message">
      ${command ? html`<${Command} text=${command} />` : fix && html`<p class="hint">${fix}</p>`}
      <p class="hint"><code>${l.topic || l.source}</code></p>
      <pre tabIndex=${0} aria-label=${t('device.messages.payload')}>${l.payload}</pre>
    </div>`;
}
