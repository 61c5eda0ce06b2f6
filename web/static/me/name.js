// One's own name.
import { useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Field, Form } from '../parts/field.js';
import { say } from '../parts/notice.js';
import { Panel } from '../parts/page.js';
import { me } from '../core/me.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';

export function Name() {
  const [name, setName] = useState(me.peek()?.user?.name || '');
  const [faults, setFaults] = useState(/** @type {Record<string, string>} */ ({}));
  const submit = async () => {
    const user = await api.call('/me', { method: 'PATCH', body: { name: name.trim() } });
    if (me.value) me.value = { ...me.value, user };
    say(t('saved'));
  };
  return html`
    <${Panel} title=${t('me.name')}>
      <div class="panel-body">
        <${Form} onSubmit=${submit} button=${t('save')} onFaults=${setFaults}>
          <${Field} label=${t('me.nameLabel')} name="name" value=${name} onInput=${setName} fault=${faults.name} autocomplete="name" hint=${t('me.nameHint')} />
        <//>
      </div>
    <//>`;
}
