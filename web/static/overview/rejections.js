// What was refused lately, with its cause and the way out.
import { signal } from '@preact/signals';
import { html } from '../parts/html.js';
import { Age } from '../parts/age.js';
import { Command } from '../parts/command.js';
import { now } from '../core/clock.js';
import { to } from '../core/route.js';

const MOST = 40;
const SHOWN = 4;

/**
 * @typedef {{key: string, at: number, deviceId: string, port: string, reason: string, cause: string, fix: string,
 *   times: number}} Rejection
 */

/** rejections, the newest first; equal ones are one line, counted. */
export const rejections = signal(/** @type {Rejection[]} */ ([]));

const open = signal(false);

/**
 * split tells the cause from the fix in a line such as
 * "rejected: device d1 port 9 unknown_port; registered 1-4. Fix: tidegate …".
 * @param {string} line
 */
export function split(line) {
  const [cause, fix = ''] = line.replace(/^(rejected|refused): /, '').split(/\s*\bFix: /, 2);
  return { cause: cause.replace(/[.;]$/, ''), fix: fix.replace(/\.$/, '') };
}

/**
 * commands answers the shell line of a fix; empty: it is a sentence.
 * @param {string} fix
 */
export function commands(fix) {
  const steps = fix.split(/,? then (?=tidegate )/);
  return steps.every((s) => s.startsWith('tidegate ')) ? steps.join(' && ') : '';
}

/** @param {import('../core/live.js').Message} m */
export function addLive(m) {
  const { deviceId = '', port = '', reason = '', line = '' } = m;
  add([{ key: '', at: Date.parse(m.at || '') || now.peek(), deviceId, port, reason, ...split(line), times: 1 }], true);
}

/** @param {import('../core/api.js').DeadLetter[]} letters newest first */
export function addLetters(letters) {
  const fresh = letters.map((l) => ({
    key: '', at: Date.parse(l.receivedAt), deviceId: l.deviceId, port: l.port || '', reason: l.reason,
    ...split(l.detail), times: 1,
  }));
  add(fresh.reverse(), false);
}

/**
 * @param {Rejection[]} fresh oldest first
 * @param {boolean} again whether an equal line is a further one
 */
function add(fresh, again) {
  const list = [...rejections.value];
  for (const r of fresh) {
    r.key = [r.deviceId, r.port, r.reason].join(' ');
    const i = list.findIndex((o) => o.key === r.key);
    if (i < 0) {
      list.push(r);
    } else if (r.at > list[i].at || again) {
      list[i] = { ...r, fix: r.fix || list[i].fix, times: list[i].times + 1 };
    }
  }
  rejections.value = list.sort((a, b) => b.at - a.at).slice(0, MOST);
}

export function Rejections() {
  const all = rejections.value;
  const shown = open.value ? all : all.slice(0, SHOWN);
  return html`
    <section class="panel rejections" aria-labelledby="rejections-title">
      <header class="panel-head">
        <h2 id="rejections-title">Rejected</h2>
        ${all.length > SHOWN && html`
          <button class="quiet" aria-expanded=${open.value} onClick=${() => { open.value = !open.value; }}>
            ${open.value ? 'Fewer' : `All ${all.length}`}
          </button>`}
      </header>
      ${all.length === 0 && html`<p class="hint">Nothing was rejected lately. What is refused shows here, with its cause and the way out.</p>`}
      <ol class="rejection-list" aria-live="polite">
        ${shown.map((r) => html`<${Line} key=${r.key} r=${r} />`)}
      </ol>
    </section>`;
}

/** @param {{r: Rejection}} p */
function Line({ r }) {
  const command = commands(r.fix);
  return html`
    <li>
      <span class="when"><${Age} at=${r.at} /></span>
      <span class="badge bad">${r.reason}</span>
      <div class="why">
        <p>
          ${r.deviceId && !r.cause.includes(r.deviceId) && html`<a href=${to('devices', r.deviceId)}>${r.deviceId}</a>${r.port && ` port ${r.port}`}: `}
          ${r.cause}${r.times > 1 && html` <span class="times" title="told so often since this page was opened; the ledger has the exact number">×${r.times}</span>`}
        </p>
        ${command ? html`<${Command} text=${command} />` : r.fix && html`<p class="hint">${r.fix}</p>`}
      </div>
    </li>`;
}
