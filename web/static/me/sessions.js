// Where one is logged in, and the end of it.
import { signal } from '@preact/signals';
import { html } from '../parts/html.js';
import { Age } from '../parts/age.js';
import { ask } from '../parts/dialog.js';
import { say } from '../parts/notice.js';
import { Badge, Panel } from '../parts/page.js';
import { Asking, useQuery } from '../parts/query.js';
import { Table } from '../parts/table.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';

/** @typedef {{id: string, createdAt: string, lastUsedAt: string, expiresAt: string, remote?: string, userAgent?: string, current: boolean}} Session */

/** changed counts what ended sessions elsewhere on the page. */
export const changed = signal(0);

/**
 * browser names what a session is of, short.
 * @param {string} agent
 */
export function browser(agent) {
  const name = [['Edg/', 'Edge'], ['OPR/', 'Opera'], ['Firefox/', 'Firefox'], ['Chrome/', 'Chrome'], ['Safari/', 'Safari']].find(([mark]) => agent.includes(mark));
  const system = [['Android', 'Android'], ['iPhone', 'iPhone'], ['iPad', 'iPad'], ['Windows', 'Windows'], ['Mac OS', 'macOS'], ['Linux', 'Linux']].find(([mark]) => agent.includes(mark));
  if (!name) return agent.split(' ')[0].slice(0, 40) || '–';
  return name[1] + (system ? ' · ' + system[1] : '');
}

export function Sessions() {
  const list = useQuery(async () => /** @type {Session[]} */ ((await api.call('/me/sessions')).items), [changed.value], { keep: true });
  const others = (list.value || []).filter((s) => !s.current).length;
  const end = (/** @type {string} */ path, /** @type {string} */ done) => async () => {
    await api.call(path, { method: 'DELETE' });
    say(done);
    await list.reload();
  };
  const endOne = (/** @type {Session} */ s) => ask({
    title: t('me.end'), text: t('me.endAsk', { what: browser(s.userAgent || ''), from: s.remote || '–' }), button: t('me.end'), danger: true,
    act: end('/me/sessions/' + encodeURIComponent(s.id), t('me.ended', { n: 1 })),
  });
  const endOthers = () => ask({
    title: t('me.endOthers'), text: t('me.endOthersAsk', { n: others }), button: t('me.endOthers'), danger: true, act: end('/me/sessions', t('me.ended', { n: others })),
  });
  /** @type {import('../parts/table.js').Column<Session>[]} */
  const columns = [
    { name: t('me.where'), className: 'wide', cell: (s) => html`<span title=${s.userAgent}>${browser(s.userAgent || '')}</span> ${s.current && html`<${Badge} tone="good">${t('me.here')}<//>`}` },
    { name: t('me.from'), className: 'num', cell: (s) => s.remote || t('me.socket') },
    { name: t('me.begun'), className: 'num', cell: (s) => html`<${Age} at=${s.createdAt} suffix />` },
    { name: t('me.used'), className: 'num', cell: (s) => html`<${Age} at=${s.lastUsedAt} suffix />` },
    { name: t('me.ends'), className: 'num', cell: (s) => html`<${Age} at=${s.expiresAt} />` },
    { name: t('me.action'), className: 'num', cell: (s) => (s.current ? '' : html`<button class="quiet" onClick=${() => endOne(s)}>${t('me.end')}</button>`) },
  ];
  return html`
    <${Panel} title=${t('me.sessions')} hint=${t('me.sessionsHint')}
      actions=${others > 0 && html`<button class="secondary" onClick=${endOthers}>${t('me.endOthers')}</button>`}>
      <${Asking} of=${list} />
      ${list.value && html`<${Table} label=${t('me.sessions')} columns=${columns} rows=${list.value} rowKey=${(/** @type {Session} */ s) => s.id} />`}
    <//>`;
}
