// Where readings are kept, when that is a database.
import { html } from '../parts/html.js';
import { Age } from '../parts/age.js';
import { Badge, Panel } from '../parts/page.js';
import { count } from '../core/format.js';
import { t } from '../core/words.js';
import { box } from './box.js';

/** Database shows nothing with the store that is built in. */
export function Database() {
  const d = box.value?.database;
  if (!d) return null;
  return html`
    <${Panel} title=${html`MongoDB <span class="hint">${d.name}</span>`} className=${d.reachable ? '' : 'lost'}
      actions=${html`<${Badge} tone=${d.reachable ? 'good' : 'bad'}>${d.reachable ? t('overview.reachable') : t('overview.unreachable')} <${Age} at=${d.since} /><//>`}>
      ${d.error && html`<p class="problem database-error">${d.error}</p>`}
      <dl class="inline-facts">
        <div><dt>${t('overview.kind')}</dt><dd>${d.kind || '–'} ${d.version}</dd></div>
        <div><dt>${t('overview.hosts')}</dt><dd>${d.hosts.join(', ')}</dd></div>
        <div class=${d.refused ? 'warn' : ''}><dt>${t('overview.refusedReadings')}</dt><dd class="num">${count(d.refused)}</dd></div>
        <div><dt>${t('overview.behind')}</dt><dd class="num">${count(d.mirrorBehind)}</dd></div>
        ${d.writer && html`<div><dt>${t('overview.writer')}</dt><dd>${d.writer}</dd></div>`}
      </dl>
    <//>`;
}
