// The administration: what was rejected and what became of the rest, who may
// what, who did what, and the box itself. Each tab is there for who may use it.
import { useEffect } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Page, Tabs } from '../parts/page.js';
import { may, me } from '../core/me.js';
import { go, path, to } from '../core/route.js';
import { t } from '../core/words.js';
import { AuditTrail } from './audit.js';
import { Data } from './data.js';
import { Keys } from './keys.js';
import { LedgerTab } from './ledger.js';
import { Letter } from './letter.js';
import { Letters } from './letters.js';
import { Organizations } from './organizations.js';
import { System } from './system.js';
import { Users } from './users.js';

/** @type {{at: string, needs: 'read' | 'admin' | 'company', show: any}[]} */
const tabs = [
  { at: 'deadletters', needs: 'read', show: Letters },
  { at: 'ledger', needs: 'read', show: LedgerTab },
  { at: 'organizations', needs: 'admin', show: Organizations },
  { at: 'users', needs: 'admin', show: Users },
  { at: 'keys', needs: 'admin', show: Keys },
  { at: 'audit', needs: 'admin', show: AuditTrail },
  { at: 'data', needs: 'company', show: Data },
  { at: 'system', needs: 'company', show: System },
];

export default function Administration() {
  const [, at, id] = path.value;
  const allowed = tabs.filter((o) => may(o.needs));
  const first = allowed[0]?.at;
  useEffect(() => { if (!at && first) go(to('admin', first), { replace: true }); }, [at, first]);
  const tab = tabs.find((o) => o.at === at);
  const mine = allowed.includes(/** @type {any} */ (tab));
  const name = mine ? t('admin.tabs.' + at) : t('nav.admin');
  useEffect(() => { document.title = name + ' · tidegate'; }, [name]); // after that of the page, which says less
  return html`
    <${Page} title=${t('nav.admin')} wide=${at === 'ledger'}>
      <${Tabs} label=${t('nav.admin')} tabs=${allowed.map((o) => ({ href: to('admin', o.at), name: t('admin.tabs.' + o.at) }))} />
      ${!me.value || !at ? html`<p class="hint pad" aria-busy="true">${t('loading')}</p>`
        : !mine ? html`<p class="pad">${t(tab ? 'admin.notYours' : 'notFound.text')}</p>`
        : at === 'deadletters' && id ? html`<${Letter} key=${id} id=${id} />`
        : html`<${/** @type {any} */ (tab).show} key=${at} />`}
    <//>`;
}
