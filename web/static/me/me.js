// One's own account: name, password, how the page looks, and where one is logged in.
import { html } from '../parts/html.js';
import { Page } from '../parts/page.js';
import { me } from '../core/me.js';
import { logout, session } from '../core/session.js';
import { t } from '../core/words.js';
import { Looks } from './looks.js';
import { Name } from './name.js';
import { Password } from './password.js';
import { Sessions } from './sessions.js';

export default function Me() {
  const who = me.value;
  if (!who) return null;
  const org = who.orgId ? ' · ' + who.orgId : '';
  return html`
    <${Page} title=${t('nav.me')} lead=${`${session.value?.email || ''} · ${t('me.role.' + who.role)}${org}`}
      actions=${html`<button class="secondary" onClick=${() => logout()}>${t('logout')}</button>`}>
      <div class="columns">
        <div class="page"><${Looks} /><${Name} /></div>
        <${Password} />
      </div>
      <${Sessions} />
    <//>`;
}
