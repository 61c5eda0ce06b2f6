// A new key is shown once, with lines that use it.
import { html } from '../parts/html.js';
import { Command } from '../parts/command.js';
import { Dialog } from '../parts/dialog.js';
import { t } from '../core/words.js';
import { status } from '../shell/pulse.js';

/** @param {{k: import('./nouns.js').Key, onClose: () => void}} p */
export function KeyDialog({ k, onClose }) {
  const ingests = k.scopes.includes('ingest') || k.scopes.includes('admin');
  const device = k.deviceIds?.[0] || 'd1';
  const org = k.orgId || 'ORG';
  const port = status.value?.mqtt?.match(/:(\d+)$/)?.[1] || '1883';
  const bearer = `-H 'Authorization: Bearer ${k.key}'`;
  const body = `'{"readings":[{"port":1,"value":21.5}]}'`;
  const mqtt = `-h ${location.hostname} -p ${port} -u ${k.id} -P ${k.secret}`;
  return html`
    <${Dialog} title=${t('admin.made.title', { name: k.name })} onClose=${onClose} wide>
      <p>${t('admin.made.lead')}</p>
      <${Command} text=${k.key || ''} />
      <h3>${t('admin.made.http')}</h3>
      ${ingests
        ? html`<${Command} text=${`curl -X POST ${bearer} -H 'Content-Type: application/json' -d ${body} '${location.origin}/api/v1/telemetry?deviceId=${encodeURIComponent(device)}${k.orgId ? '' : '&orgId=' + org}'`} />`
        : html`<${Command} text=${`curl ${bearer} ${location.origin}/api/v1/devices`} />`}
      <h3>${t('admin.made.mqtt')}</h3>
      ${ingests
        ? html`<${Command} text=${`mosquitto_pub ${mqtt} -q 1 -t org/${org}/device/${device}/telemetry -m ${body}`} />`
        : html`<${Command} text=${`mosquitto_sub ${mqtt} -t 'org/${org}/#'`} />`}
      <p class="hint">${t('admin.made.mqttHint')}</p>
      <div class="form-foot"><button class="primary" onClick=${onClose}>${t('admin.seen')}</button></div>
    <//>`;
}
