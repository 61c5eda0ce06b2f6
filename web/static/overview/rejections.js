// What was refused lately, with its cause and the way out.
import { signal } from '@preact/signals';
import { html } from '../parts/html.js';
import { Age } from '../parts/age.js';
import { Command } from '../parts/command.js';
import { now } from '../core/clock.js';
import { to } from '../core/route.js';
import { t } from '../core/words.js';

const MOST = 40;
const SHOWN = 4;

/**
 * @typedef {{key: string, at: number, deviceId: string, port: string, reason: string, cause: string, fix: string,
 *   mild: boolean, times: number}} Rejection mild: a warning, of what was taken all the same
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
  const [cause, fix = ''] = line.replace(/^(rejected|refused|accepted): /, '').split(/\s*\bFix: /, 2);
  return { cause: cause.replace(/[.;]$/, ''), fix: fix.replace(/\.$/, '') };
}

/**
 * commands answers the shell line of a fix; empty: it is a sentence.
 * @param {string} fix
 */
export function commands(fix) {
  if (/; | shows? | replaces /.test(fix)) return ''; // a sentence that begins with a command
  const steps = fix.split(/,? then (?=tidegate )/);
  return steps.every((s) => s.startsWith('tidegate ')) ? steps.join(' && ') : '';
}

/**
 * addLive takes one of the live stream, which names port and reason in its line alone.
 * @param {import('../core/live.js').Message} m
 */
export function addLive(m) {
  const { deviceId = '', line = '' } = m;
  const named = /^rejected: device \S+ port (\S+) ([a-z_]+)\b/.exec(line) || /^rejected: device \S+()? ([a-z]+_[a-z_]+)\b/.exec(line);
  add([{
    key: '', at: Date.parse(m.at || '') || now.peek(), deviceId, port: m.port || named?.[1] || '', reason: m.reason || named?.[2] || '',
    mild: line.startsWith('accepted:'), ...split(line), times: 1,
  }], true);
}

/** @param {import('../core/api.js').DeadLetter[]} letters newest first */
export function addLetters(letters) {
  const fresh = letters.map((l) => ({
    key: '', at: Date.parse(l.receivedAt), deviceId: l.deviceId, port: l.port || '', reason: l.reason, mild: false,
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
    // Who was not let in is named by the line alone; his address there has another port each time.
    r.key = [r.deviceId || r.cause.replace(/:\d+\b/g, ''), r.port, r.reason].join(' ');
    const i = list.findIndex((o) => o.key === r.key);
    if (i < 0) {
      list.push(r);
    } else if (r.at > list[i].at || again) {
      list[i] = { ...r, fix: r.fix || list[i].fix, times: list[i].times + 1 };
    }
  }
  rejections.value = list.sort((a, b) => b.at - a.at).slice(0, MOST);
}

/** Rejections is the panel of the overview. */
export function Rejections() {
  const all = rejections.value;
  const shown = open.value ? all : all.slice(0, SHOWN);
  return html`
    <section class="panel rejections" aria-labelledby="rejections-title">
      <header class="panel-head">
        <h2 id="rejections-title">${t('rejections.title')}</h2>
        ${all.length > SHOWN && html`
          <button class="quiet" aria-expanded=${open.value} onClick=${() => { open.value = !open.value; }}>
            ${open.value ? t('rejections.fewer') : t('rejections.all', { n: all.length })}
          </button>`}
      </header>
      ${all.length === 0 && html`<p class="hint">${t('rejections.none')}</p>`}
      <${RejectionList} list=${shown} />
    </section>`;
}

/** @param {{list: Rejection[]}} p */
export function RejectionList({ list }) {
  return html`<ol class="rejection-list" aria-live="polite">${list.map((r) => html`<${Line} key=${r.key} r=${r} />`)}</ol>`;
}

/** @param {{r: Rejection}} p */
function Line({ r }) {
  const command = commands(r.fix);
  return html`
    <li>
      <span class="when"><${Age} at=${r.at} /></span>
      <span class="badge ${r.mild ? 'warn' : 'bad'}">${r.reason || t('rejections.refused')}</span>
      <div class="why">
        <p>
          ${r.deviceId && !r.cause.includes(r.deviceId) && html`<a href=${to('devices', r.deviceId)}>${r.deviceId}</a>${r.port && ' ' + t('rejections.port', { port: r.port })}: `}
          ${r.cause}${r.times > 1 && html` <span class="times" title=${t('rejections.times')}>×${r.times}</span>`}
        </p>
        ${command ? html`<${Command} text=${command} />` : r.fix && html`<p class="hint">${r.fix}</p>`}
      </div>
    </li>`;
}
