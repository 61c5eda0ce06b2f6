// To take alarms on, with a word about it, or to give them back.
import { useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Dialog } from '../parts/dialog.js';
import { Field, Form } from '../parts/field.js';
import { say } from '../parts/notice.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { takeAlert } from '../shell/pulse.js';

/** @typedef {import('../core/api.js').AlertEvent} AlertEvent */

/**
 * each changes alarms one after the other, all that can be; the first fault is
 * thrown behind the last.
 * @param {AlertEvent[]} events
 * @param {(e: AlertEvent) => Promise<AlertEvent>} change
 */
async function each(events, change) {
  let fault;
  for (const e of events) {
    try {
      takeAlert(await change(e));
    } catch (why) {
      fault ??= why;
    }
  }
  if (fault) throw fault;
}

/** @param {AlertEvent} e @param {string} verb @param {object} [body] */
const post = (e, verb, body) => api.call(`/alert-events/${encodeURIComponent(e.id)}/${verb}`, { method: 'POST', body });

/** giveBack says that nobody is at these alarms. @param {AlertEvent[]} events */
export const giveBack = (events) => each(events, (e) => post(e, 'unacknowledge'));

/** comment says something of an alarm. @param {AlertEvent} e @param {string} text */
export const comment = (e, text) => each([e], () => post(e, 'comments', { text }));

/** @param {{events: AlertEvent[], onClose: () => void, onDone?: () => void}} p */
export function Acknowledge({ events, onClose, onDone }) {
  const [text, setText] = useState('');
  const [faults, setFaults] = useState(/** @type {Record<string, string>} */ ({}));
  const submit = async () => {
    await each(events, (e) => post(e, 'acknowledge', text.trim() ? { comment: text.trim() } : {}));
    say(t('alarms.acknowledged', { n: events.length }));
    onDone?.();
    onClose();
  };
  return html`
    <${Dialog} title=${t('alarms.acknowledge')} onClose=${onClose}>
      <${Form} onSubmit=${submit} onCancel=${onClose} onFaults=${setFaults} button=${t('alarms.acknowledge')}>
        ${events.length === 1 ? html`<p>${events[0].message}</p>` : html`<p>${t('alarms.chosen', { n: events.length })}</p>`}
        <p class="hint">${t('alarms.acknowledgeHint')}</p>
        <${Field} label=${t('alarms.comment')} name="comment" type="textarea" rows=${3} value=${text} onInput=${setText} fault=${faults.comment} autofocus />
      <//>
    <//>`;
}
