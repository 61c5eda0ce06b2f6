// One channel: where it leads, what it says, whether it works.
import { useEffect, useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { ask } from '../parts/dialog.js';
import { Form } from '../parts/field.js';
import { say } from '../parts/notice.js';
import { Badge, Page, Panel } from '../parts/page.js';
import { Asking, useQuery } from '../parts/query.js';
import { may, me, whole } from '../core/me.js';
import { go, to } from '../core/route.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { channelChange, channelDraft, newChannel } from './channeldraft.js';
import { ChannelFields } from './channelfields.js';
import { tabs } from './frame.js';
import { useOrganizations } from './nouns.js';
import { Trial } from './trial.js';

/**
 * @typedef {import('./channeldraft.js').ChannelInfo} ChannelInfo
 * @typedef {import('./channeldraft.js').ChannelDraft} ChannelDraft
 */

/** @param {{id: string}} p new: one that is to be made */
export function Channel({ id }) {
  if (id === 'new') return html`<${Editor} is=${null} onSaved=${() => {}} />`;
  return html`<${Existing} id=${id} />`;
}

/** @param {{id: string}} p */
function Existing({ id }) {
  const asked = useQuery(() => /** @type {Promise<ChannelInfo>} */ (api.call('/channels/' + encodeURIComponent(id))), [id]);
  if (asked.value) return html`<${Editor} is=${asked.value} onSaved=${asked.set} />`;
  return html`<${Page} title=${t('channels.one')} tabs=${tabs()}><${Asking} of=${asked} /><//>`;
}

/** @param {{is: ChannelInfo | null, onSaved: (c: ChannelInfo) => void}} p */
function Editor({ is, onSaved }) {
  const [draft, setDraft] = useState(() => channelDraft(is || { orgId: me.peek()?.orgId || '' }));
  const [faults, setFaults] = useState(/** @type {Record<string, string>} */ ({}));
  const orgs = useOrganizations();
  const admin = may('admin');
  const path = is && '/channels/' + encodeURIComponent(is.id);
  useEffect(() => {
    if (!draft.orgId && orgs.length) setDraft((d) => ({ ...d, orgId: orgs[0].id }));
  }, [orgs.length]);
  const change = (/** @type {Partial<ChannelDraft>} */ some) => setDraft((d) => ({ ...d, ...some }));
  const differs = is ? channelChange(draft, is) : {};
  const submit = async () => {
    if (!is || !path) {
      const made = await api.call('/channels', { method: 'POST', body: newChannel(draft) });
      say(t('channels.made', { name: made.name }));
      go(to('alarms', 'channels', made.id), { replace: true });
      return;
    }
    const now = await api.call(path, { method: 'PATCH', body: differs });
    setDraft(channelDraft(now));
    onSaved(now);
    say(t('saved'));
  };
  const remove = () => ask({
    title: t('channels.removeTitle', { name: is?.name || '' }), text: t('channels.removeText'), button: t('remove'), danger: true,
    act: async () => {
      await api.call(/** @type {string} */ (path), { method: 'DELETE' });
      say(t('rules.removed', { name: is?.name || '' }));
      go('/alarms/channels', { replace: true });
    },
  });
  const fields = html`<${ChannelFields} draft=${draft} is=${is} faults=${faults} onChange=${change} orgs=${orgs} />`;
  return html`
    <${Page} title=${is ? is.name : t('channels.new')} tabs=${tabs()} wide
      lead=${is && html`<span class="hint">${t('channels.type.' + is.type)}</span> ${whole.value && html`<span class="hint">${is.orgId}</span>`} ${!is.enabled && html`<${Badge} tone="warn">${t('rules.off')}<//>`}`}
      actions=${is && html`<a class="button" href=${'/alarms/sent?channel=' + encodeURIComponent(is.id)}>${t('alarms.sent')}</a>${admin && html`<button class="quiet" onClick=${remove}>${t('remove')}</button>`}`}>
      <div class="rule-editor">
        <${Panel} className="rule-form">
          ${admin ? html`<${Form} onSubmit=${submit} onFaults=${setFaults} button=${is ? t('save') : t('channels.make')}>${fields}<//>`
            : html`<fieldset class="read-only" disabled><legend class="unseen">${t('channels.one')}</legend><div class="form">${fields}</div></fieldset>`}
        <//>
        <div class="rule-side">
          ${is && path && admin ? html`<${Trial} path=${path} name=${is.name} change=${differs} />` : !is && html`<${Panel} title=${t('channels.test')}><p class="hint pad">${t('channels.testAfter')}</p><//>`}
        </div>
      </div>
    <//>`;
}
