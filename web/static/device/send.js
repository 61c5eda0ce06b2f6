// The form that tells a device to do something.
import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { ask as question } from '../parts/dialog.js';
import { Field, Form } from '../parts/field.js';
import { Panel } from '../parts/page.js';
import { Problem } from '../core/api.js';
import { t } from '../core/words.js';
import { ask } from './follow.js';
import { laidOut } from './json.js';
import { jsonFault } from './jsonfault.js';
import { shortly } from './settings.js';

/** @typedef {import('./follow.js').DeviceCommand} DeviceCommand */

const offers = ['1m', '5m', '1h', '1d'];
const OWN = 'own';

/** @typedef {{device: string, name: string, params: string, within: string, own: string, filled: number}} Draft filled counts how often a command was taken up again */

const empty = { name: '', params: '', within: '1h', own: '', filled: 0 };

/** draft is what is typed; it stays while one looks at another part of the device. */
const draft = signal(/** @type {Draft} */ ({ device: '', ...empty }));

/** typedFor answers what is typed for a device. @param {string} device */
const typedFor = (device) => (draft.value.device === device ? draft.value : { device, ...empty });

/**
 * fill has the form show a command once more; what was typed is not thrown
 * away without a question.
 * @param {string} device
 * @param {DeviceCommand} c
 */
export function fill(device, c) {
  const s = Math.max(1, Math.round((Date.parse(c.expiresAt) - Date.parse(c.createdAt)) / 1000));
  const own = shortly(`${Math.floor(s / 3600)}h${Math.floor((s % 3600) / 60)}m${s % 60}s`);
  const { name, params, filled } = typedFor(device);
  const next = {
    device, name: c.name, params: c.params === undefined ? '' : laidOut(c.params), ...(offers.includes(own) ? { within: own, own: '' } : { within: OWN, own }), filled: filled + 1,
  };
  if (!(name + params).trim() || (name === next.name && params === next.params)) {
    draft.value = next;
    return;
  }
  question({
    title: t('device.commands.replaceTitle'), text: t('device.commands.replaceText'), button: t('device.commands.replace'),
    act: async () => { draft.value = next; },
  });
}

/** @param {{d: {id: string}, online: boolean, names: string[], onSent: (c: DeviceCommand) => void}} p */
export function SendCommand({ d, online, names, onSent }) {
  const typed = typedFor(d.id);
  const set = (/** @type {Partial<Draft>} */ changes) => { draft.value = { ...typedFor(d.id), ...changes }; };
  const [faults, setFaults] = useState(/** @type {Record<string, string>} */ ({}));
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const field = (/** @type {'name' | 'params' | 'own' | 'within'} */ name) => ({
    name, value: typed[name], fault: faults[name], autocomplete: 'off', onInput: (/** @type {string} */ v) => set({ [name]: v }),
  });
  const filled = useRef(typed.filled);
  useEffect(() => {
    if (typed.filled > filled.current) /** @type {HTMLElement} */ (box.current?.querySelector('[name=name]')).focus();
    filled.current = typed.filled;
  }, [typed.filled]);

  const wrong = typed.params.trim() ? jsonFault(typed.params) : null;
  const words = wrong ? t('device.commands.faultAt', { line: wrong.line, column: wrong.column, what: t('device.commands.fault.' + wrong.kind) }) : '';
  const submit = async () => {
    if (wrong) {
      const area = /** @type {HTMLTextAreaElement} */ (box.current?.querySelector('textarea'));
      area.focus();
      area.setSelectionRange(wrong.at, wrong.at);
      throw new Problem(0, t('device.commands.notSent'));
    }
    const expiresIn = typed.within === OWN ? typed.own.trim() : typed.within;
    if (!expiresIn) throw new Problem(0, t('device.commands.notSent'), { errors: [{ location: 'body.own', message: t('device.commands.ownHint') }] });
    // The params go as they were typed: a number keeps its digits.
    const fields = [['name', JSON.stringify(typed.name.trim())], ['params', typed.params.trim()], ['expiresIn', JSON.stringify(expiresIn)]].filter(([, v]) => v);
    const text = '{' + fields.map(([k, v]) => `"${k}":${v}`).join(',') + '}';
    const made = /** @type {DeviceCommand} */ (await ask(d.id, '', { method: 'POST', text, type: 'application/json' }));
    const { name, params } = typedFor(d.id);
    if (name === typed.name && params === typed.params) set({ name: '', params: '' }); // or somebody types the next one already
    onSent(made);
  };
  const take = (/** @type {Record<string, string>} */ f) => setFaults({ ...f, [typed.within === OWN ? 'own' : 'within']: f.own || f.expiresIn || f.expiresAt || '' });
  const key = (/** @type {KeyboardEvent} */ e) => {
    if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) /** @type {HTMLElement} */ (e.currentTarget).querySelector('form')?.requestSubmit();
  };
  return html`
    <div class="send" ref=${box} onKeyDown=${key}>
      <${Panel} title=${t('device.commands.send')} className="padded">
        <${Form} onSubmit=${submit} button=${t('device.commands.sendIt')} onFaults=${take}>
          <${Field} label=${t('device.commands.name')} ...${field('name')} list=${names} placeholder="reboot" spellcheck=${false} />
          <${Field} label=${t('device.commands.params')} ...${field('params')} type="textarea" rows=${Math.min(14, Math.max(4, typed.params.split('\n').length))} spellcheck=${false}
            className="code" placeholder='{"delay": 5}' hint=${t('device.commands.paramsHint')} fault=${words || faults.params} />
          <div class="form-row">
            <${Field} label=${t('device.commands.within')} ...${field('within')} type="select"
              options=${[...offers, OWN].map((o) => ({ value: o, name: t('device.commands.offer.' + o) }))} />
            ${typed.within === OWN && html`<${Field} label=${t('device.commands.own')} ...${field('own')} hint=${t('device.commands.ownHint')} placeholder="90m" />`}
          </div>
          ${!online && html`<p class="waits">${t('device.commands.waits')}</p>`}
        <//>
      <//>
    </div>`;
}
