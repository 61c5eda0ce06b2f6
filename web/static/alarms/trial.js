// Whether a channel works: what would be sent, and what the receiver says.
import { useEffect, useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Panel } from '../parts/page.js';
import { useQuery } from '../parts/query.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';

const PAUSE_MS = 400;
const TEST_MS = 40_000; // a receiver has ten seconds, its name has to be found, and others wait for it too

/** @typedef {{delivered: boolean, status?: string, words?: string}} Answer */

/** @param {{path: string, name: string, change: Record<string, unknown>}} p change: what is edited, and not saved yet */
export function Trial({ path, name, change }) {
  const [answer, setAnswer] = useState(/** @type {Answer | null} */ (null));
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(false);
  const dirty = Object.keys(change).length > 0;
  const test = async () => {
    setBusy(true);
    setProblem('');
    setAnswer(null);
    try {
      setAnswer(await api.call(path + '/test', { method: 'POST', signal: AbortSignal.timeout(TEST_MS) }));
    } catch (e) {
      setProblem(/** @type {Error} */ (e).message);
    }
    setBusy(false);
  };
  return html`
    <${Panel} title=${t('channels.test')}>
      <div class="trial">
        <p class="hint">${dirty ? t('channels.testSaved') : t('channels.testHint')}</p>
        <p><button class="primary" disabled=${busy} onClick=${test}>${busy ? t('busy') : t('channels.send')}</button></p>
        <div role="status" aria-live="polite">
          ${answer && html`
            <p class=${answer.delivered ? 'took' : 'problem'}>${answer.delivered ? t('channels.took', { name }) : t('channels.refused', { name })}</p>
            ${(answer.status || answer.words) && html`<pre>${[answer.status, answer.words].filter(Boolean).join('\n')}</pre>`}`}
          ${problem && html`<p class="problem">${problem}</p>`}
        </div>
      </div>
    <//>
    <${Preview} path=${path} change=${change} />`;
}

/** @param {{path: string, change: Record<string, unknown>}} p */
function Preview({ path, change }) {
  const [settled, setSettled] = useState(change);
  const key = JSON.stringify(change);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(change), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [key]);
  const asked = useQuery(() => api.call(path + '/preview', { method: 'POST', body: { change: settled } }), [path, JSON.stringify(settled)], { keep: true });
  const v = asked.value;
  return html`
    <${Panel} title=${t('channels.preview')} hint=${t('channels.previewHint')} busy=${asked.loading}>
      ${asked.problem && html`<p class="problem pad" role="status">${asked.problem.message}</p>`}
      ${v && html`
        <dl class="facts-list preview">
          ${v.subject && html`<dt>${t('channels.field.subject')}</dt><dd>${v.subject}</dd>`}
          <dt>${t('channels.field.text')}</dt><dd><pre tabIndex=${0}>${v.text}</pre></dd>
          <dt>${t('channels.sentBody')}</dt><dd><pre tabIndex=${0}>${v.body}</pre></dd>
        </dl>`}
    <//>`;
}
