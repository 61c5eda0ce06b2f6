// The wait for the first message: it lights up when one comes, and says why
// one was refused.
import { useEffect, useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Age } from '../parts/age.js';
import { Panel } from '../parts/page.js';
import { now } from '../core/clock.js';
import { value } from '../core/format.js';
import { live } from '../core/line.js';
import { whole } from '../core/me.js';
import { to } from '../core/route.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { RejectionList, rejections } from '../overview/rejections.js';
import { devices } from '../shell/pulse.js';

const ASK_MS = 5_000; // beside the live connection, which some proxy may not let through
const SHOWN = 4;

/**
 * @typedef {import('../core/api.js').Device} Device
 * @typedef {import('../core/api.js').Reading} Reading
 * @typedef {import('../overview/rejections.js').Rejection} Rejection
 * @typedef {{newest: Reading | null, byPort: Map<number, Reading>, since: number}} Wait since: Unix ms
 */

/**
 * useWait follows what a device sends.
 * @param {Device | null} d null: not known yet
 * @returns {Wait}
 */
export function useWait(d) {
  const [byPort, setByPort] = useState(/** @type {Map<number, Reading>} */ (new Map()));
  const [since] = useState(() => now.peek());
  useEffect(() => {
    if (!d) return undefined;
    let ended = false;
    const take = (/** @type {Reading[]} */ list) => {
      if (ended || !list.length) return;
      setByPort((before) => {
        const next = new Map(before);
        for (const r of list) {
          const had = next.get(r.portNumber);
          if (!had || had.ts <= r.ts) next.set(r.portNumber, r);
        }
        return next;
      });
    };
    const fetch = () => { api.latest(d.id).then(take, () => {}); }; // asked again soon
    fetch();
    const timer = setInterval(() => { if (!document.hidden) fetch(); }, ASK_MS);
    const end = live.subscribe({ kinds: ['readings'], devices: [d.id] }, (m) => take((m.items || []).filter((r) => r.deviceId === d.id)), fetch);
    return () => {
      ended = true;
      clearInterval(timer);
      end();
    };
  }, [d?.id]);
  let newest = null;
  for (const r of byPort.values()) if (!newest || r.ingestTs > newest.ingestTs) newest = r;
  return { newest, byPort, since };
}

/**
 * refusals sorts what was refused since: of this device or naming it; and of
 * somebody who was not let in, which may be it under another name.
 * @param {Rejection[]} all newest first
 * @param {Device} d
 * @param {number} since Unix ms
 */
export function refusals(all, d, since) {
  const names = [d.id, d.serialNumber].filter(Boolean).map((n) => `"${n}"`);
  /** @type {Rejection[]} */
  const own = [];
  /** @type {Rejection[]} */
  const strange = [];
  for (const r of all) {
    if (r.deviceId ? r.deviceId === d.id : names.some((n) => r.cause.includes(n))) {
      if (r.at >= since) own.push(r);
    } else if (!r.deviceId && r.at >= since) {
      strange.push(r);
    }
  }
  return { own, strange };
}

/** @param {{d: Device, wait: Wait, onRotate: () => void}} p */
export function Waiting({ d, wait, onRotate }) {
  const { newest, byPort } = wait;
  const after = newest ? Date.parse(newest.ingestTs) : wait.since - 2_000; // what came just before is of this try, too
  const { own, strange } = refusals(rejections.value, d, after);
  const online = devices.value?.find((o) => o.id === d.id)?.online;
  return html`
    <${Panel} className=${'waiting ' + (newest ? 'lit' : '')}>
      <div class="panel-body">
        <div role="status">
          <p class="waiting-title"><i class=${'dot ' + (newest ? 'online' : 'wait')} />${newest ? t('welcome.arrived') : online ? t('welcome.connected', { id: d.id }) : t('welcome.waiting')}</p>
          ${newest && html`
            <ul class="arrived">
              ${[...byPort.values()].sort((a, b) => a.portNumber - b.portNumber).slice(0, SHOWN).map((r) => {
                const port = d.ports?.find((p) => p.number === r.portNumber);
                return html`
                  <li key=${r.portNumber}>
                    <span class="hint">${port?.name || t('welcome.portN', { n: r.portNumber })}</span>
                    <b class="num">${value(r.calibratedValue)}${port?.unit && html` <small>${port.unit}</small>`}</b>
                    <span class="hint"><${Age} at=${r.ts} suffix /></span>
                  </li>`;
              })}
            </ul>`}
        </div>
        ${newest ? html`<p class="hint">${t('welcome.works')}</p><${Onward} d=${d} />` : html`<p class="hint">${whole.value ? t('welcome.waitHint') : t('welcome.waitHintPart')}</p>`}
      </div>
      ${own.length > 0 && html`
        <div class="refused">
          <h2>${t('welcome.refused')}</h2>
          <${RejectionList} list=${own.slice(0, SHOWN)} />
          ${own.some((r) => r.reason === 'login') && html`<p class="pad"><button class="secondary" onClick=${onRotate}>${t('welcome.rotate')}</button></p>`}
        </div>`}
      ${!newest && strange.length > 0 && html`
        <div class="refused">
          <h2>${t('welcome.strange')}</h2>
          <${RejectionList} list=${strange.slice(0, SHOWN)} />
        </div>`}
      ${!newest && html`<div class="panel-body"><${Onward} d=${d} /></div>`}
    <//>`;
}

/** @param {{d: Device}} p where to go from here */
export function Onward({ d }) {
  return html`
    <p class="onward">
      <a class="button" href=${to('devices', d.id)}>${t('welcome.see', { id: d.id })}</a>
      <a class="button" href=${'/welcome?org=' + encodeURIComponent(d.orgId)}>${t('welcome.another')}</a>
      <a class="button" href="/">${t('nav.overview')}</a>
    </p>`;
}
