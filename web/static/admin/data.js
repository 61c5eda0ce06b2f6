// The data of the box: its backup, how long readings are kept, and how much
// room there is.
import { useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Command } from '../parts/command.js';
import { ask } from '../parts/dialog.js';
import { download } from '../parts/download.js';
import { Field } from '../parts/field.js';
import { Icon } from '../parts/icon.js';
import { say } from '../parts/notice.js';
import { Panel } from '../parts/page.js';
import { Asking, useQuery } from '../parts/query.js';
import { now } from '../core/clock.js';
import { bytes, count, day } from '../core/format.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { status } from '../shell/pulse.js';

/** @typedef {{keepMonths: number, months: {month: string, bytes: number}[]}} Report */

const PATIENCE_MS = 600_000;
const SHOWN = 24;

export function Data() {
  return html`
    <div class="columns">
      <${Backup} />
      <${Disk} />
      <${Retention} />
      <${Panel} title=${t('admin.data.export')}>
        <div class="stack"><p>${t('admin.data.exportText')}</p><p><a class="button" href="/explore">${t('admin.data.exportLink')}</a></p></div>
      <//>
    </div>`;
}

function Backup() {
  const [busy, setBusy] = useState(false);
  const file = `tidegate-${day(now.value)}.tar.zst`;
  const run = async () => {
    setBusy(true);
    await download('/backup', {}, file);
    setBusy(false);
  };
  return html`
    <${Panel} title=${t('admin.data.backup')}>
      <div class="stack">
        <p>${t(/** @type {any} */ (status.value)?.database ? 'admin.data.backupMongo' : 'admin.data.backupText')}</p>
        <p><button class="primary" disabled=${busy} onClick=${run}><${Icon} name="down" /> ${t(busy ? 'admin.data.running' : 'admin.data.download')}</button></p>
        <p class="hint">${t('admin.data.restore')}</p>
        <${Command} text=${`tidegate restore ${file} --data /var/lib/tidegate-restored`} />
        <p class="hint">${t('admin.data.restoreThen')}</p>
      </div>
    <//>`;
}

function Disk() {
  const s = /** @type {any} */ (status.value);
  if (!s) return null;
  const fact = (/** @type {string} */ name, /** @type {string} */ v) => html`<dt>${t('admin.disk.' + name)}</dt><dd class="num">${v}</dd>`;
  return html`
    <${Panel} title=${t('admin.disk.title')} hint=${s.dataDir}>
      <dl class="facts-list">
        ${fact('free', bytes(s.diskFreeBytes))}
        ${fact('used', bytes(s.diskUsedBytes))}
        ${fact('perDay', s.diskBytesPerDay ? bytes(s.diskBytesPerDay) : t('admin.disk.unknown'))}
        ${fact('left', s.diskDaysLeft === undefined ? t('admin.disk.unknown') : t('admin.disk.days', { n: s.diskDaysLeft, count: count(s.diskDaysLeft) }))}
        ${fact('log', t('admin.disk.logOf', { used: bytes(s.log.bytes), most: bytes(s.log.maxBytes) }))}
      </dl>
    <//>`;
}

function Retention() {
  const configured = useQuery(async () => /** @type {Report} */ (await api.call('/retention')), []);
  const [typed, setTyped] = useState('');
  const months = typed === '' ? configured.value?.keepMonths || 0 : Math.trunc(Number(typed));
  const wrong = typed !== '' && !(months >= 1 && months <= 1200);
  const preview = useQuery(async () => (months && !wrong ? /** @type {Report} */ (await api.call('/retention', { query: { keepMonths: months } })) : { keepMonths: 0, months: [] }),
    [months, wrong], { keep: true });
  const list = preview.value?.months || [];
  const size = list.reduce((n, m) => n + m.bytes, 0);
  const newest = list.map((m) => m.month).sort().at(-1) || '';
  const apply = () => ask({
    title: t('admin.retention.apply'), danger: true, type: newest, button: t('admin.retention.drop', { n: list.length }),
    text: t('admin.retention.applyText', { n: list.length, size: bytes(size), month: newest }),
    act: async () => {
      const r = await api.call('/retention/apply', { method: 'POST', body: { keepMonths: months }, signal: AbortSignal.timeout(PATIENCE_MS) });
      say(t('admin.retention.done', { n: r.months.length }));
      preview.reload();
    },
  });
  const own = configured.value?.keepMonths;
  return html`
    <${Panel} title=${t('admin.retention.title')} hint=${own === undefined ? '' : own ? t('admin.retention.configured', { n: own }) : t('admin.retention.forever')}>
      <div class="stack">
        <${Asking} of=${configured} />
        <${Field} label=${t('admin.retention.keep')} name="keepMonths" type="number" min=${1} max=${1200} value=${typed} onInput=${setTyped} hint=${t('admin.retention.keepHint')}
          placeholder=${own ? String(own) : ''} unit=${t('admin.retention.months')} fault=${wrong ? t('admin.retention.between') : ''} />
        ${preview.problem ? html`<${Asking} of=${preview} />` : months > 0 && !wrong && html`
          <p role="status">${list.length ? t('admin.retention.would', { n: list.length, size: bytes(size) }) : t('admin.retention.nothing')}</p>
          ${list.length > 0 && html`
            <ul class="months num">${list.slice(0, SHOWN).map((m) => html`<li key=${m.month}>${m.month} <small>${m.bytes ? bytes(m.bytes) : t('admin.retention.waiting')}</small></li>`)}${
              list.length > SHOWN && html`<li>… ${list.length - SHOWN}</li>`}</ul>
            <p><button class="danger" onClick=${apply}>${t('admin.retention.drop', { n: list.length })}</button></p>`}`}
      </div>
    <//>`;
}
