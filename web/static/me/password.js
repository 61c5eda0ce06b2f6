// One's own password: a new one ends all other sessions.
import { useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Field, Form } from '../parts/field.js';
import { say } from '../parts/notice.js';
import { Panel } from '../parts/page.js';
import { changePassword, session } from '../core/session.js';
import { t } from '../core/words.js';
import { changed } from './sessions.js';

const none = { current: '', next: '', again: '' };

export function Password() {
  const [p, setP] = useState(none);
  const [faults, setFaults] = useState(/** @type {Record<string, string>} */ ({}));
  const set = (/** @type {Partial<typeof none>} */ what) => setP((before) => ({ ...before, ...what }));
  const submit = async () => {
    if (p.next !== p.again) return setFaults({ again: t('entry.differ') });
    await changePassword(p.current, p.next);
    setP(none);
    changed.value++;
    say(t('me.passwordChanged'));
  };
  return html`
    <${Panel} title=${t('me.password')}>
      <div class="panel-body">
        <${Form} onSubmit=${submit} button=${t('me.passwordChange')} onFaults=${setFaults} disabled=${!p.current || !p.next}>
          <input class="unseen" type="email" autocomplete="username" value=${session.value?.email} readonly tabIndex=${-1} aria-hidden="true" />
          <${Field} label=${t('me.current')} name="currentPassword" type="password" value=${p.current} onInput=${(/** @type {string} */ v) => set({ current: v })}
            fault=${faults.currentPassword} autocomplete="current-password" />
          <${Field} label=${t('me.next')} name="newPassword" type="password" value=${p.next} onInput=${(/** @type {string} */ v) => set({ next: v })}
            fault=${faults.newPassword} autocomplete="new-password" hint=${t('me.nextHint')} />
          <${Field} label=${t('entry.again')} name="again" type="password" value=${p.again} onInput=${(/** @type {string} */ v) => set({ again: v })}
            fault=${faults.again} autocomplete="new-password" />
        <//>
      </div>
    <//>`;
}
