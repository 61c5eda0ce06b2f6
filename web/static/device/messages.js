// What a device sends, as it comes in: each message with what became of its
// readings. Only while somebody looks, and the last ones.
import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Panel } from '../parts/page.js';
import { bytes, clock, exact, value } from '../core/format.js';
import { live } from '../core/line.js';
import { t } from '../core/words.js';
import { box } from '../overview/box.js';
import { Letters } from './letters.js';

const MOST = 200;
const SHOW_MS = 200; // so often the list is made anew at most

/**
 * @typedef {{port: string, portNumber?: number, ts?: string, rawValue?: number, calibratedValue?: number, outcome: 'accepted' | 'rejected',
 *   reason?: string, detail?: string, flags?: string[]}} Decoded
 * @typedef {{id: number, at: string, topic: string, bytes: number, payload: string, truncated: boolean, binary: boolean, readings?: Decoded[]}} Message
 */

/** @param {{d: import('./watch.js').Device}} p */
export function MessagesTab({ d }) {
  return html`<${Inspector} key=${d.id} id=${d.id} /><${Letters} id=${d.id} />`;
}

/** @param {{id: string}} p */
function Inspector({ id }) {
  const [list] = useState(() => signal(/** @type {Message[]} */ ([])));
  const [running, setRunning] = useState(true);
  const [missed, setMissed] = useState(false);
  useEffect(() => {
    if (!running) return undefined;
    /** @type {Message[]} */
    let fresh = [];
    let timer = 0;
    let next = (list.peek()[0]?.id || 0) + 1;
    const show = () => {
      timer = 0;
      list.value = [...fresh.reverse(), ...list.peek()].slice(0, MOST);
      fresh = [];
    };
    const end = live.subscribe({ kinds: ['messages'], devices: [id] }, (m) => {
      if (m.type !== 'message') return;
      fresh.push({ .../** @type {any} */ (m), id: next++ });
      if (fresh.length > MOST) fresh.shift();
      timer ||= setTimeout(show, SHOW_MS);
    }, () => setMissed(true));
    return () => {
      end();
      clearTimeout(timer);
      if (fresh.length) show();
    };
  }, [id, running]);
  const clear = () => {
    list.value = [];
    setMissed(false);
  };
  const all = list.value;
  return html`
    <${Panel} title=${t('device.messages.title')} hint=${running ? t('device.messages.running') : t('device.messages.paused')} className="inspector"
      actions=${html`
        <button class="secondary" aria-pressed=${!running} onClick=${() => setRunning(!running)}>${running ? t('device.messages.pause') : t('device.messages.start')}</button>
        <button class="secondary" disabled=${!all.length} onClick=${clear}>${t('device.messages.clear')}</button>`}>
      ${missed && html`<p class="hint pad">${t('device.messages.missed')}</p>`}
      ${box.value?.database?.reachable === false && html`<p class="hint pad" role="status">${t('device.messages.away')}</p>`}
      ${!all.length && html`<p class="hint pad">${t('device.messages.none')}</p>`}
      <ol class="messages" aria-label=${t('device.messages.title')}>${all.map((m) => html`<${Line} key=${m.id} m=${m} />`)}</ol>
      ${all.length === MOST && html`<p class="hint pad">${t('device.messages.bounded', { n: MOST })}</p>`}
    <//>`;
}

/** @param {{m: Message}} p */
function Line({ m }) {
  const [open, setOpen] = useState(false);
  const readings = m.readings || [];
  const rejected = readings.filter((r) => r.outcome === 'rejected');
  return html`
    <li>
      <details open=${open} onToggle=${(/** @type {Event} */ e) => setOpen(/** @type {HTMLDetailsElement} */ (e.currentTarget).open)}>
        <summary>
          <time class="when num" dateTime=${m.at} title=${exact(Date.parse(m.at))}>${clock(Date.parse(m.at))}</time>
          <span class="num hint">${bytes(m.bytes)}</span>
          ${readings.length > rejected.length && html`<span class="badge good">${t('device.messages.accepted', { n: readings.length - rejected.length })}</span>`}
          ${rejected.length > 0 && html`<span class="badge bad">${t('device.messages.rejected', { n: rejected.length })}</span>`}
          ${[...new Set(rejected.map((r) => r.reason))].map((r) => html`<code key=${r} class="reason">${r}</code>`)}
          <span class="gist">${m.binary ? t('device.messages.binary') : m.payload.slice(0, 160)}</span>
        </summary>
        ${open && html`<${Whole} m=${m} />`}
      </details>
    </li>`;
}

/** @param {{m: Message}} p */
function Whole({ m }) {
  return html`
    <div class="message">
      ${m.topic && html`<p class="hint"><code>${m.topic}</code></p>`}
      <pre tabIndex=${0} aria-label=${t('device.messages.payload')}>${m.binary ? t('device.messages.binary') : m.payload}${m.truncated ? '…' : ''}</pre>
      ${m.truncated && html`<p class="hint">${t('device.messages.truncated', { of: bytes(m.bytes) })}</p>`}
      ${(m.readings || []).length > 0 && html`
        <div class="table-box"><table class="table" aria-label=${t('device.messages.decoded')}>
          <thead><tr>${['port', 'ts', 'raw', 'calibrated', 'outcome'].map((c) => html`<th key=${c} scope="col">${t('device.messages.column.' + c)}</th>`)}</tr></thead>
          <tbody>
            ${(m.readings || []).map((r, i) => html`
              <tr key=${i}>
                <td data-name=${t('device.messages.column.port')}>${r.port}${r.portNumber !== undefined && String(r.portNumber) !== r.port && html` <small>${r.portNumber}</small>`}</td>
                <td data-name=${t('device.messages.column.ts')} class="num">${r.ts ? exact(Date.parse(r.ts)) : ''}</td>
                <td data-name=${t('device.messages.column.raw')} class="num">${r.rawValue === undefined ? '' : String(r.rawValue)}</td>
                <td data-name=${t('device.messages.column.calibrated')} class="num">${r.calibratedValue === undefined || r.outcome === 'rejected' ? '' : value(r.calibratedValue)}</td>
                <td data-name=${t('device.messages.column.outcome')} class="wide">${r.outcome === 'rejected'
                  ? html`<span><span class="badge bad">${r.reason}</span> ${r.detail}</span>` : html`<span><span class="badge good">${t('device.messages.ok')}</span> ${(r.flags || []).join(', ')}</span>`}</td>
              </tr>`)}
          </tbody>
        </table></div>`}
    </div>`;
}
