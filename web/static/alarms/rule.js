// One rule: what it is, what it would have done, what it was.
import { useEffect, useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { ask } from '../parts/dialog.js';
import { Form } from '../parts/field.js';
import { say } from '../parts/notice.js';
import { Badge, Page, Panel } from '../parts/page.js';
import { Asking, useQuery } from '../parts/query.js';
import { may, me, whole } from '../core/me.js';
import { go, query, to } from '../core/route.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { Backtest } from './backtest.js';
import { draftOf, newRule, ruleChange } from './draft.js';
import { person, tabs } from './frame.js';
import { useOrganizations } from './nouns.js';
import { Revisions } from './revisions.js';
import { RuleFields } from './rulefields.js';

/**
 * @typedef {import('./draft.js').Rule} RuleInfo
 * @typedef {import('./draft.js').Draft} Draft
 */

/** @param {{id: string}} p new: one that is to be made */
export function Rule({ id }) {
  if (id === 'new') return html`<${Editor} rule=${null} onSaved=${() => {}} />`;
  return html`<${Existing} id=${id} />`;
}

/** @param {{id: string}} p */
function Existing({ id }) {
  const asked = useQuery(() => /** @type {Promise<RuleInfo>} */ (api.call('/alert-rules/' + encodeURIComponent(id))), [id]);
  if (asked.value) return html`<${Editor} rule=${asked.value} onSaved=${asked.set} />`;
  return html`<${Page} title=${t('rules.one')} tabs=${tabs()}><${Asking} of=${asked} /><//>`;
}

/**
 * begun answers the draft of a new rule: what the address says of it, such as
 * the device and port that one comes from.
 */
function begun() {
  const q = query.peek();
  const [deviceId, port] = [q.get('device') || '', q.get('port') || ''];
  return { ...draftOf({ orgId: q.get('org') || me.peek()?.orgId || '' }), deviceIds: deviceId ? [deviceId] : [], ports: port ? [port] : [] };
}

/** @param {{rule: RuleInfo | null, onSaved: (r: RuleInfo) => void}} p */
function Editor({ rule, onSaved }) {
  const [draft, setDraft] = useState(() => /** @type {Draft} */ (rule ? draftOf(rule) : begun()));
  const [faults, setFaults] = useState(/** @type {Record<string, string>} */ ({}));
  const [port, setPort] = useState(/** @type {import('../core/api.js').Port | null} */ (null));
  const [theirs, setTheirs] = useState(/** @type {RuleInfo | null} */ (null));
  const [base, setBase] = useState(rule?.revision ?? 0);
  const orgs = useOrganizations();
  const write = may('write');
  const path = rule && '/alert-rules/' + encodeURIComponent(rule.id);
  useEffect(() => {
    if (!draft.orgId && orgs.length) setDraft((d) => ({ ...d, orgId: orgs[0].id }));
  }, [orgs.length]);
  const change = (/** @type {Partial<Draft>} */ some) => setDraft((d) => ({ ...d, ...some }));
  const level = (/** @type {string} */ field, /** @type {string} */ v) => setDraft((d) => ({ ...d, level: { ...d.level, [field]: v } }));
  const take = (/** @type {RuleInfo} */ r) => {
    setTheirs(null);
    setBase(r.revision);
    setDraft(draftOf(r));
    onSaved(r);
  };
  const submit = async () => {
    if (!path) {
      const made = await api.call('/alert-rules', { method: 'POST', body: newRule(draft) });
      say(t('rules.made', { name: made.name }));
      go(to('alarms', 'rules', made.id), { replace: true });
      return;
    }
    try {
      take(await api.call(path, { method: 'PATCH', body: { ...ruleChange(draft), revision: base } }));
      say(t('saved'));
    } catch (e) {
      if (/** @type {import('../core/api.js').Problem} */ (e).status === 409) api.call(path).then((r) => { if (r.revision !== base) setTheirs(r); }, () => {});
      throw e;
    }
  };
  const remove = () => ask({
    title: t('rules.removeTitle', { name: rule?.name || '' }), text: t('rules.removeText'), button: t('remove'), danger: true,
    act: async () => {
      await api.call(/** @type {string} */ (path), { method: 'DELETE' });
      say(t('rules.removed', { name: rule?.name || '' }));
      go('/alarms/rules', { replace: true });
    },
  });
  const fields = html`<${RuleFields} draft=${draft} fresh=${!rule} faults=${faults} onChange=${change} onLevel=${level} unit=${port?.unit || ''} port=${port} />`;
  const dirty = !!rule && JSON.stringify(ruleChange(draft)) !== JSON.stringify(ruleChange(draftOf(rule)));
  return html`
    <${Page} title=${rule ? rule.name : t('rules.new')} tabs=${tabs()} wide
      lead=${rule && html`
        <span class="hint">${t('rules.revision', { n: rule.revision })}, ${person(rule.updatedBy)}</span> ${!rule.enabled && html`<${Badge} tone="warn">${t('rules.off')}<//>`}
        ${whole.value && html`<span class="hint">${rule.orgId}</span>`} ${dirty && html`<${Badge} tone="warn">${t('rules.unsaved')}<//>`}`}
      actions=${rule && write && html`<button class="quiet" onClick=${remove}>${t('remove')}</button>`}>
      <div class="rule-editor">
        <${Panel} className="rule-form">
          ${theirs && html`
            <div class="theirs" role="alert">
              <p>${t('rules.theirs', { who: person(theirs.updatedBy), n: theirs.revision })}</p>
              <button class="secondary" onClick=${() => take(theirs)}>${t('rules.takeTheirs')}</button>
              <button class="secondary" onClick=${() => { setBase(theirs.revision); setTheirs(null); }}>${t('rules.keepMine')}</button>
            </div>`}
          ${write ? html`<${Form} onSubmit=${submit} onFaults=${setFaults} button=${rule ? t('save') : t('rules.make')}>${fields}<//>`
            : html`<fieldset class="read-only" disabled><legend class="unseen">${t('rules.one')}</legend><div class="form">${fields}</div></fieldset>`}
        <//>
        <div class="rule-side">
          <${Backtest} rule=${rule} draft=${draft} onLevel=${write ? level : undefined} onPort=${setPort} />
          ${rule && html`<${Revisions} rule=${rule} onRestore=${write ? (/** @type {RuleInfo} */ r) => { setDraft(draftOf({ ...r, orgId: rule.orgId })); scrollTo(0, 0); } : undefined} />`}
        </div>
      </div>
    <//>`;
}
