// How the page looks and speaks in this browser.
import { html } from '../parts/html.js';
import { Field } from '../parts/field.js';
import { Panel } from '../parts/page.js';
import { now } from '../core/clock.js';
import { exact } from '../core/format.js';
import { theme, zone } from '../core/settings.js';
import { language, languages, speak, t } from '../core/words.js';

export function Looks() {
  return html`
    <${Panel} title=${t('me.looks')} hint=${t('me.looksHint')}>
      <div class="panel-body form">
        <${Field} label=${t('me.language')} name="language" type="select" value=${language.value} options=${Object.entries(languages).map(([value, name]) => ({ value, name }))}
          onInput=${(/** @type {import('../core/words.js').Language} */ v) => { speak(v); }} />
        <${Choice} label=${t('me.theme')} of=${theme} values=${['auto', 'light', 'dark']} prefix="me.themes." />
        <${Choice} label=${t('me.zone')} of=${zone} values=${['local', 'utc']} prefix="me.zones." hint=${t('me.zoneNow', { time: exact(now.value) })} />
      </div>
    <//>`;
}

/** @param {{label: string, of: {value: any}, values: string[], prefix: 'me.themes.' | 'me.zones.', hint?: string}} p */
function Choice({ label, of, values, prefix, hint }) {
  const words = (/** @type {string} */ v) => (prefix === 'me.themes.' ? t('me.themes.' + v) : t('me.zones.' + v));
  return html`
    <div class="field" role="group" aria-label=${label}>
      <span class="label">${label}</span>
      <span><span class="segments">
        ${values.map((v) => html`<button key=${v} type="button" aria-pressed=${of.value === v} onClick=${() => { of.value = v; }}>${words(v)}</button>`)}
      </span></span>
      ${hint && html`<p class="hint num">${hint}</p>`}
    </div>`;
}
