// Dead letters are brought back, or deleted; what became of them is told in
// exact numbers.
import { useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { ask, Dialog } from '../parts/dialog.js';
import { Field, Form } from '../parts/field.js';
import { useQuery } from '../parts/query.js';
import { count } from '../core/format.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { useDraft } from './draft.js';

const PATIENCE_MS = 600_000; // all letters of a box take their time

/** @typedef {{ids?: string[], all?: boolean, reason?: string, deviceId?: string, from?: string, to?: string}} Choice as the API has it */
/** @typedef {{stored: number, duplicate: number, rejected: number} | {deleted: number}} Result */

/**
 * replay brings letters back.
 * @param {Choice & {useReceivedAt?: boolean, zone?: string}} what
 * @returns {Promise<Result>}
 */
export function replay(what) {
  return api.call('/dead-letters/replay', { method: 'POST', body: what, signal: AbortSignal.timeout(PATIENCE_MS) });
}

/** @param {Choice} what it in words */
function said(what) {
  if (what.ids) return t('admin.replay.some', { n: what.ids.length });
  if (what.all) return t('admin.replay.every');
  const parts = [what.reason, what.deviceId && t('admin.replay.ofDevice', { device: what.deviceId }), (what.from || what.to) && t('admin.replay.inRange')];
  return t('admin.replay.matching', { what: parts.filter(Boolean).join(', ') });
}

/**
 * Counted says how many letters a filter chooses just now; of what is picked
 * nothing.
 * @param {{what: Choice}} p
 */
export function Counted({ what }) {
  const { ids, all, ...filter } = what;
  const { value, problem } = useQuery(async () => /** @type {{count: number, more: boolean} | null} */ (
    ids ? null : await api.call('/dead-letters/count', { query: filter })), [JSON.stringify(filter)]);
  const text = ids ? '' : problem ? t('admin.replay.uncounted', { why: problem.message }) : !value ? t('admin.replay.counting')
    : t('admin.replay.counted', { n: value.count, count: count(value.count) + (value.more ? '+' : '') });
  return html`<span role="status" class="counted">${text}</span>`;
}

/**
 * @param {{what: Choice, times?: boolean, onClose: () => void, onDone: (r: Result) => void}} p
 *   times: whether the letters' times may be their fault; absent: they may
 */
export function ReplayDialog({ what, times = true, onClose, onDone }) {
  const form = useDraft({ useReceivedAt: false, zone: '' });
  const zones = useState(() => Intl.supportedValuesOf('timeZone'))[0];
  const submit = async () => {
    const { useReceivedAt, zone } = form.draft;
    const result = await replay({ ...what, useReceivedAt: useReceivedAt || undefined, zone: zone.trim() || undefined });
    onClose();
    onDone(result);
  };
  return html`
    <${Dialog} title=${t('admin.replay.title')} onClose=${onClose}>
      <${Form} onSubmit=${submit} onCancel=${onClose} button=${t('admin.letters.replay')} onFaults=${form.onFaults}>
        <p>${said(what)} <${Counted} what=${what} /></p>
        <p>${t('admin.replay.lead')}</p>
        ${times && html`
          <fieldset>
            <legend>${t('admin.replay.times')}</legend>
            <${Field} label=${t('admin.replay.useReceivedAt')} type="checkbox" hint=${t('admin.replay.useReceivedAtHint')} ...${form.of('useReceivedAt')} />
            <${Field} label=${t('admin.replay.zone')} hint=${t('admin.replay.zoneHint')} placeholder="Europe/Berlin" autocomplete="off" list=${zones} ...${form.of('zone')} />
          </fieldset>`}
      <//>
    <//>`;
}

/**
 * askDelete deletes letters once it is confirmed.
 * @param {Choice} what
 * @param {(r: Result) => void} done
 */
export function askDelete(what, done) {
  ask({
    title: t('admin.replay.deleteTitle'), text: html`${said(what)} <${Counted} what=${what} /> ${t('admin.replay.deleteLead')}`, button: t('remove'), danger: true,
    type: what.ids ? undefined : 'delete',
    act: async () => done(await api.call('/dead-letters/delete', { method: 'POST', body: what, signal: AbortSignal.timeout(PATIENCE_MS) })),
  });
}

/** @param {{of: any, onClose?: () => void}} p what became of letters: a Result, or nothing yet */
export function Outcome({ of, onClose }) {
  const text = !of ? '' : 'deleted' in of ? t('admin.replay.deleted', { n: of.deleted, count: count(of.deleted) })
    : t('admin.replay.result', { stored: count(of.stored), duplicate: count(of.duplicate), rejected: count(of.rejected) });
  return html`
    <div role="status" class=${of ? `outcome ${of.rejected ? 'warn' : ''}` : ''}>
      ${text}${of && onClose && html` <button class="quiet" onClick=${onClose}>${t('close')}</button>`}
    </div>`;
}
