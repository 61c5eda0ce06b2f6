// A dead letter: why it was rejected, what it was, and the way out, right here.
import { useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Age } from '../parts/age.js';
import { Icon } from '../parts/icon.js';
import { Badge, Panel } from '../parts/page.js';
import { Asking, useQuery } from '../parts/query.js';
import { exact } from '../core/format.js';
import { may } from '../core/me.js';
import { query, to } from '../core/route.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { cause, Fix, hasFix } from './fix.js';
import { part } from './nouns.js';
import { Payload } from './payload.js';
import { RegisterDevice, RegisterPort } from './register.js';
import { askDelete, Outcome, ReplayDialog } from './replay.js';

/** @typedef {import('./nouns.js').Letter} Letter */

/** @param {{id: string}} p */
export function Letter({ id }) {
  const q = useQuery(async () => /** @type {Letter} */ (await api.call('/dead-letters/' + part(id))), [id]);
  const [outcome, setOutcome] = useState(/** @type {any} */ (null));
  const back = to('admin', 'deadletters') + (query.value.size ? '?' + query.value : '');
  const done = (/** @type {any} */ result) => {
    setOutcome(result);
    q.reload();
  };
  const gone = q.problem?.status === 404;
  return html`
    <p><a class="back-link" href=${back}><${Icon} name="back" /> ${t('admin.letter.back')}</a></p>
    <${Outcome} of=${outcome} />
    ${gone ? html`<${Panel}><p class="pad">${t(outcome ? 'admin.letter.settled' : 'admin.letter.gone', { id })}</p><//>` : html`<${Asking} of=${q} />`}
    ${q.value && !gone && html`<${Found} key=${q.value.reason + q.value.detail} l=${q.value} done=${done} />`}`;
}

/** @param {{l: Letter, done: (r: any) => void}} p */
function Found({ l, done }) {
  const [replay, setReplay] = useState(false);
  const others = to('admin', 'deadletters') + `?reason=${l.reason}` + (l.deviceId ? `&device=${part(l.deviceId)}` : '');
  const write = may('write');
  /** here is what can be mended right here. */
  const here = !write ? '' : l.reason === 'unknown_port' && l.port ? 'port' : l.reason === 'unknown_device' && l.deviceId ? 'device' : l.reason.startsWith('ts_') ? 'time' : '';
  return html`
    <${Panel} title=${html`<${Badge} tone="bad">${l.reason}<//> ${l.id}`} actions=${write && html`
      <button class="secondary" onClick=${() => setReplay(true)}>${t('admin.letters.replay')}</button>
      <button class="secondary" onClick=${() => askDelete({ ids: [l.id] }, done)}>${t('remove')}</button>`}>
      <div class="why-it">
        <h3>${t('admin.letters.cause')}</h3>
        <p>${cause(l.detail)}.</p>
        <p class="hint">${t('admin.reasons.' + l.reason)}</p>
        ${(here || hasFix(l.detail)) && html`<h3>${t('admin.letter.fix')}</h3>`}
        ${here === 'port' && html`<${RegisterPort} l=${l} done=${done} />`}
        ${here === 'device' && html`<${RegisterDevice} l=${l} done=${done} />`}
        ${here === 'time' && html`<p><button class="primary" onClick=${() => setReplay(true)}>${t('admin.letter.otherTime')}</button></p>`}
        ${here && hasFix(l.detail) && html`<p class="hint">${t('admin.letter.orBox')}</p>`}
        <${Fix} detail=${l.detail} />
      </div>
    <//>
    <div class="columns">
      <${Panel} title=${t('admin.letter.about')}>
        <dl class="facts-list">
          <dt>${t('admin.letters.received')}</dt><dd><span class="num">${exact(Date.parse(l.receivedAt))}</span> · <${Age} at=${l.receivedAt} suffix /></dd>
          <dt>${t('admin.device')}</dt><dd>${l.deviceId ? l.reason === 'unknown_device' ? l.deviceId : html`<a href=${to('devices', l.deviceId)}>${l.deviceId}</a>` : '–'}</dd>
          <dt>${t('admin.port')}</dt><dd>${l.port || '–'}</dd>
          <dt>${t('admin.org')}</dt><dd>${l.orgId || '–'}</dd>
          <dt>${t('admin.letter.topic')}</dt><dd>${l.topic ? html`<code>${l.topic}</code>` : '–'}</dd>
          <dt>${t('admin.letter.source')}</dt><dd>${l.source}</dd>
          <dt>${t('admin.letter.principal')}</dt><dd>${l.principal}</dd>
          <dt>${t('admin.letter.others')}</dt><dd><a href=${others}>${t('admin.letter.othersLink')}</a></dd>
        </dl>
      <//>
      <${Payload} l=${l} />
    </div>
    ${replay && html`<${ReplayDialog} what=${{ ids: [l.id] }} onClose=${() => setReplay(false)} onDone=${done} />`}`;
}
