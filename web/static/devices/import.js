// Many devices from a CSV file: what would happen first, then it is done, and
// what did not become a device can be taken out again.
import { useEffect, useRef, useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Dialog } from '../parts/dialog.js';
import { Table } from '../parts/table.js';
import { bytes, count } from '../core/format.js';
import { to } from '../core/route.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { askDevices } from '../shell/pulse.js';
import { cell, records, save } from './records.js';

const SHOWN = 200; // rows of a table
const MOST_BYTES = 8 << 20; // as the server takes it
const EXAMPLE = 'id,org,serial,secret,ports,tags\nd3,acme,SN3,,4,hall-2;boiler\nd4,acme,,,Voltage;Current,\n';

/**
 * @typedef {{line: number, id?: string, created: boolean, error?: string, secret?: string}} ImportRow
 * @typedef {{created: number, failed: number, items: ImportRow[]}} Result
 * @typedef {{name: string, text: string}} Source
 */

/** @param {{onClose: () => void}} p */
export function ImportDialog({ onClose }) {
  const [source, setSource] = useState(/** @type {Source | null} */ (null));
  const [preview, setPreview] = useState(/** @type {Result | null} */ (null));
  const [result, setResult] = useState(/** @type {Result | null} */ (null));
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState('');
  const stop = useRef(new AbortController());
  useEffect(() => () => stop.current.abort(), []);

  /** @param {Source} s @param {boolean} dryRun @returns {Promise<Result | null>} */
  const send = async (s, dryRun) => {
    setProblem('');
    setBusy(dryRun ? t('devices.import.checking') : t('devices.import.making'));
    try {
      return await api.call('/devices/import', { method: 'POST', query: dryRun ? { dryRun } : {}, text: s.text, type: 'text/csv', signal: stop.current.signal });
    } catch (e) {
      if (!stop.current.signal.aborted) setProblem(/** @type {Error} */ (e).message);
      return null;
    } finally {
      setBusy('');
    }
  };
  const take = async (/** @type {File | undefined} */ file) => {
    if (!file) return;
    setPreview(null);
    setResult(null);
    if (file.size > MOST_BYTES) {
      setProblem(t('devices.import.tooLarge', { name: file.name, size: bytes(file.size), most: bytes(MOST_BYTES) }));
      return;
    }
    const s = { name: file.name, text: await file.text() };
    setSource(s);
    setPreview(await send(s, true));
  };
  const make = async () => {
    if (!source) return;
    const r = await send(source, false);
    if (!r) return;
    setResult(r);
    askDevices();
  };
  return html`
    <${Dialog} title=${t('devices.import.title')} onClose=${onClose} wide>
      ${!result && html`<${Drop} onFile=${take} name=${source?.name} />`}
      ${busy && html`<p role="status">${busy} <progress aria-label=${busy} /></p>`}
      ${problem && html`<p class="problem" role="alert">${problem}</p>`}
      ${result ? html`<${Done} r=${result} source=${source} />` : preview && html`<${Preview} r=${preview} />`}
      <p class="form-foot">
        <button class="quiet" onClick=${onClose}>${result ? t('close') : t('cancel')}</button>
        ${preview && !result && html`
          <button class="primary" disabled=${!!busy || !preview.created} onClick=${make}>${t('devices.import.do', { n: preview.created })}</button>`}
      </p>
    <//>`;
}

/** @param {{onFile: (f: File | undefined) => void, name?: string}} p */
function Drop({ onFile, name }) {
  const [over, setOver] = useState(false);
  const drag = (/** @type {DragEvent} */ e, /** @type {boolean} */ on) => {
    e.preventDefault();
    setOver(on);
  };
  return html`
    <div class="drop ${over ? 'over' : ''}" onDragOver=${(/** @type {DragEvent} */ e) => drag(e, true)} onDragLeave=${(/** @type {DragEvent} */ e) => drag(e, false)}
      onDrop=${(/** @type {DragEvent} */ e) => { drag(e, false); onFile(e.dataTransfer?.files[0]); }}>
      <label>${t('devices.import.file')}
        <input type="file" accept=".csv,text/csv,text/plain" onChange=${(/** @type {Event} */ e) => onFile(/** @type {HTMLInputElement} */ (e.target).files?.[0])} /></label>
      <p class="hint">${name ? t('devices.import.chosen', { name }) : t('devices.import.drop')}</p>
    </div>
    ${!name && html`
      <details><summary>${t('devices.import.format')}</summary>
        <p class="hint">${t('devices.import.formatHint')}</p>
        <pre tabIndex=${0}>${EXAMPLE}</pre>
        <button class="secondary" onClick=${() => save('devices.csv', EXAMPLE)}>${t('devices.import.example')}</button>
      </details>`}`;
}

/** @param {{r: Result}} p */
function Preview({ r }) {
  return html`
    <p role="status"><b>${t('devices.import.would', { n: r.created })}</b>${r.failed > 0 && html` · <span class="problem">${t('devices.import.wouldFail', { n: r.failed })}</span>`}</p>
    <${Rows} rows=${[...r.items.filter((i) => i.error), ...r.items.filter((i) => !i.error)]} words=${t('devices.import.willMake')} />`;
}

/** @param {{r: Result, source: Source | null}} p */
function Done({ r, source }) {
  const failed = r.items.filter((i) => !i.created);
  const secrets = r.items.filter((i) => i.secret);
  const saveFailed = () => {
    const [head, ...rest] = records(source?.text || '');
    const lines = new Set(failed.map((i) => i.line));
    save('failed-' + (source?.name || 'devices.csv'), [head, ...rest.filter((x) => lines.has(x.line))].map((x) => x.text).join('\n') + '\n');
  };
  const saveSecrets = () => save('secrets.csv', 'id,secret\n' + secrets.map((i) => `${cell(i.id || '')},${cell(i.secret || '')}`).join('\n') + '\n');
  return html`
    <p role="status"><b>${t('devices.import.made', { n: r.created })}</b>${r.failed > 0 && html` · <span class="problem">${t('devices.import.failed', { n: r.failed })}</span>`}</p>
    ${secrets.length > 0 && html`
      <p class="banner">${t('devices.import.secrets', { n: secrets.length })} <button class="secondary" onClick=${saveSecrets}>${t('devices.import.saveSecrets')}</button></p>`}
    ${failed.length > 0 && html`<p><button class="secondary" onClick=${saveFailed}>${t('devices.import.saveFailed')}</button></p>`}
    <${Rows} rows=${[...failed, ...r.items.filter((i) => i.created)]} words=${t('devices.import.isMade')} linked />`;
}

/** @param {{rows: ImportRow[], words: string, linked?: boolean}} p */
function Rows({ rows, words, linked }) {
  return html`
    <${Table} label=${t('devices.import.rows')} rows=${rows.slice(0, SHOWN)} rowKey=${(/** @type {ImportRow} */ r) => String(r.line)}
      columns=${[
        { name: t('devices.import.line'), className: 'num', cell: (/** @type {ImportRow} */ r) => r.line },
        { name: t('devices.sort.id'), cell: (/** @type {ImportRow} */ r) => (linked && r.created && r.id ? html`<a href=${to('devices', r.id)}>${r.id}</a>` : r.id || '') },
        { name: t('devices.import.outcome'), className: 'wide', cell: (/** @type {ImportRow} */ r) => (r.error ? html`<span class="problem">${r.error}</span>` : words) },
      ]} />
    ${rows.length > SHOWN && html`<p class="hint">${t('devices.import.moreRows', { n: count(rows.length - SHOWN) })}</p>`}`;
}
