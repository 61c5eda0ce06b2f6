// What an engineer looks at first: how the box is, and what happens.
import { html } from '../parts/html.js';
import { Empty, Page, Panel } from '../parts/page.js';
import { may } from '../core/me.js';
import { t } from '../core/words.js';
import { devices, status } from '../shell/pulse.js';
import { Database } from './database.js';
import { Events } from './events.js';
import { LedgerPanel } from './ledger.js';
import { Rejections } from './rejections.js';
import { Tiles } from './tiles.js';

export default function Overview() {
  const all = devices.value;
  return html`
    <${Page} title=${t('nav.overview')} wide>
      ${all?.length === 0 && html`<${FirstSteps} />`}
      ${all?.length === 1 && !all[0].lastSeen && !all[0].online && may('write') && html`<${Next} id=${all[0].id} />`}
      ${status.value && html`<${Tiles} /><${LedgerPanel} />`}
      <${Database} />
      <div class="overview-below">
        <${Events} />
        <${Rejections} />
      </div>
    <//>`;
}

function FirstSteps() {
  return html`
    <${Panel} className="first-steps">
      <${Empty} title=${t('overview.emptyTitle')}>
        ${may('write') ? html`<p>${t('overview.emptyText')}</p><a class="button strong" href="/welcome">${t('overview.start')}</a>` : html`<p>${t('overview.emptyAsk')}</p>`}
      <//>
    <//>`;
}

/** @param {{id: string}} p the only device, which has sent nothing yet */
function Next({ id }) {
  return html`
    <${Panel}><p class="pad next-step">${t('overview.silentYet', { id })} <a href=${'/welcome?device=' + encodeURIComponent(id)}>${t('overview.goOn')}</a></p><//>`;
}
