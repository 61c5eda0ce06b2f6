// The box itself: how it is, what it is configured to, and where to read more.
import { html } from '../parts/html.js';
import { Age } from '../parts/age.js';
import { Badge, Panel } from '../parts/page.js';
import { Asking, useQuery } from '../parts/query.js';
import { bytes, count, exact } from '../core/format.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { status } from '../shell/pulse.js';
import { Settings } from './settings.js';

/** @typedef {{name: string, state: 'ok' | 'warning' | 'failed', detail: string}} Check */

const SOON_DAYS = 30; // a certificate that ends within is told in colour
const tones = /** @type {const} */ ({ ok: 'good', warning: 'warn', failed: 'bad' });
const links = ['/metrics', '/docs', '/openapi.json'];

export function System() {
  return html`
    <div class="columns"><${Health} /><${Facts} /></div>
    <${Settings} />`;
}

/** What doctor says. */
function Health() {
  const q = useQuery(async () => /** @type {{at: string, items: Check[]}} */ (await api.call('/doctor', { signal: AbortSignal.timeout(30_000) })), []);
  const list = q.value?.items || [];
  const bad = list.filter((c) => c.state !== 'ok').length;
  return html`
    <${Panel} title=${t('admin.health.title')} busy=${q.loading} hint=${q.value && html`<${Badge} tone=${bad ? 'warn' : 'good'}>${bad ? t('admin.health.trouble', { n: bad }) : t('admin.health.well')}<//>`}
      actions=${html`<button class="secondary" disabled=${q.loading} onClick=${q.reload}>${t(q.loading ? 'busy' : 'admin.health.again')}</button>`}>
      <${Asking} of=${q} />
      <ul class="checks">
        ${list.map((c) => html`
          <li key=${c.name}><${Badge} tone=${tones[c.state]}>${t('admin.health.' + c.state)}<//> <b>${c.name}</b> <span>${c.detail}</span></li>`)}
      </ul>
      <p class="hint pad">${t('admin.health.more')} <code>tidegate doctor</code></p>
    <//>`;
}

function Facts() {
  const s = /** @type {any} */ (status.value);
  if (!s) return html`<${Panel} title=${t('admin.facts.title')}><p class="hint pad" aria-busy="true">${t('loading')}</p><//>`;
  const fact = (/** @type {string} */ name, /** @type {any} */ v) => html`<dt>${t('admin.facts.' + name)}</dt><dd>${v}</dd>`;
  const { tls, database: db, log } = s;
  return html`
    <${Panel} title=${t('admin.facts.title')}>
      <dl class="facts-list">
        ${fact('version', s.version)}
        ${fact('started', html`<span class="num">${exact(Date.parse(s.startedAt))}</span> · <${Age} at=${s.startedAt} suffix />`)}
        ${fact('process', t('admin.facts.pid', { pid: s.pid, dir: s.dataDir }))}
        ${fact('http', s.http || t('admin.facts.tlsOnly'))}
        ${fact('mqtt', s.mqtt || t('admin.facts.tlsOnly'))}
        ${fact('connections', count(s.connections))}
        ${fact('devices', count(s.devices))}
        ${fact('store', s.store)}
        ${db && fact('database', html`<${Badge} tone=${db.reachable ? 'good' : 'bad'}>${t(db.reachable ? 'admin.facts.reachable' : 'admin.facts.away')}<//>
          ${[db.kind, db.version, db.hosts.join(', '), db.name].filter(Boolean).join(' · ')}${db.error && html`<p class="bad">${db.error}</p>`}
          <p class="hint">${t('admin.facts.mirror', { n: count(db.mirrorBehind), refused: count(db.refused) })}${db.writer && ` · ${t('admin.facts.writer', { writer: db.writer })}`}</p>`)}
        ${fact('log', t('admin.facts.logIs', { n: log.depth, count: count(log.depth), used: bytes(log.bytes), most: bytes(log.maxBytes) }))}
        ${fact('tls', tls ? html`<${Badge} tone=${tls.daysLeft < 0 ? 'bad' : tls.daysLeft < SOON_DAYS ? 'warn' : 'good'}>${tls.daysLeft < 0 ? t('admin.facts.over') : t('admin.facts.days', { n: tls.daysLeft })}<//>
          ${' ' + t('admin.facts.until')} <span class="num">${exact(Date.parse(tls.notAfter))}</span><br />${tls.subject}${tls.selfSigned && ` · ${t('admin.facts.selfSigned')}`}
          <br /><code>${tls.fingerprint}</code><p class="hint">${[tls.http && 'HTTPS ' + tls.http, tls.mqtt && 'MQTTS ' + tls.mqtt].filter(Boolean).join(' · ')}</p>` : t('admin.facts.noTls'))}
        ${fact('links', links.map((l, i) => html`${i > 0 && ' · '}<a href=${l} target="_blank" rel="noopener">${l}</a>`))}
      </dl>
    <//>`;
}
