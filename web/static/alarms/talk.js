// What people said of an alarm.
import { useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Age } from '../parts/age.js';
import { Field, Form } from '../parts/field.js';
import { Panel } from '../parts/page.js';
import { may } from '../core/me.js';
import { t } from '../core/words.js';
import { comment } from './acknowledge.js';
import { person } from './frame.js';

/** @param {{e: import('../core/api.js').AlertEvent}} p */
export function Talk({ e }) {
  const [text, setText] = useState('');
  const [faults, setFaults] = useState(/** @type {Record<string, string>} */ ({}));
  const said = [
    ...(e.acknowledged ? [{ by: e.acknowledged.by, at: e.acknowledged.at, text: e.acknowledged.comment || '', taken: true }] : []),
    ...(e.comments || []).map((c) => ({ ...c, taken: false })),
  ].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
  const submit = async () => {
    await comment(e, text.trim());
    setText('');
  };
  return html`
    <${Panel} title=${t('alarms.said')}>
      <div class="talk">
        ${said.length === 0 && html`<p class="hint">${t('alarms.saidNothing')}</p>`}
        <ol aria-live="polite">
          ${said.map((c) => html`
            <li key=${c.at + c.text}>
              <p class="hint"><b>${person(c.by)}</b> ${c.taken && t('alarms.tookOn')} <${Age} at=${c.at} suffix /></p>
              ${c.text && html`<p class="saying">${c.text}</p>`}
            </li>`)}
        </ol>
        ${may('write') && html`
          <${Form} onSubmit=${submit} onFaults=${setFaults} button=${t('alarms.say')} disabled=${!text.trim()}>
            <${Field} label=${t('alarms.comment')} name="text" type="textarea" rows=${2} value=${text} onInput=${setText} fault=${faults.text} />
          <//>`}
      </div>
    <//>`;
}
