// The last step: the device's credentials, once, and the wait for what it sends.
import { html } from '../parts/html.js';
import { Command } from '../parts/command.js';
import { ask } from '../parts/dialog.js';
import { tell } from '../parts/notice.js';
import { Panel } from '../parts/page.js';
import { Asking, useQuery } from '../parts/query.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { box } from '../overview/box.js';
import { broker, publishLine, topic, uri } from './mqtt.js';
import { QR } from './qr.js';
import { Steps } from './steps.js';
import { useWait, Waiting } from './waiting.js';

/** @typedef {import('../core/api.js').Device} Device */

/** @param {{id: string, secret: string, onSecret: (secret: string) => void}} p secret is empty once it cannot be shown any more */
export function FirstMessage({ id, secret, onSecret }) {
  const device = useQuery(() => api.device(id), [id]);
  const wait = useWait(device.value);
  const d = device.value;
  if (!d) return html`<${Steps} at="message" /><${Panel}><${Asking} of=${device} /><p class="pad"><a href="/welcome">${t('welcome.step.device')}</a></p><//>`;
  const rotate = async () => {
    const changed = await api.call('/devices/' + encodeURIComponent(id), { method: 'PATCH', body: { rotateSecret: true } });
    onSecret(changed.secret);
  };
  // Who sends already would be locked out: that is asked first.
  const onRotate = () => (wait.newest ? ask({ title: t('welcome.rotate'), text: t('welcome.rotateAsk', { id }), button: t('welcome.rotate'), danger: true, act: rotate }) : tell(rotate));
  return html`
    <${Steps} at="message" done=${!!wait.newest} />
    <div class="first-message">
      <${Credentials} d=${d} secret=${secret} onRotate=${onRotate} />
      <${Waiting} d=${d} wait=${wait} onRotate=${onRotate} />
    </div>`;
}

/** @param {{d: Device, secret: string, onRotate: () => void}} p */
function Credentials({ d, secret, onRotate }) {
  const b = broker(box.value, location.hostname);
  const shown = secret || 'SECRET';
  const link = uri(b, d, shown);
  return html`
    <${Panel} title=${t('welcome.send', { id: d.id })} className="credentials">
      <div class="panel-body">
        ${secret ? html`<p><strong>${t('welcome.once')}</strong> ${t('welcome.onceWhy')}</p>`
          : html`<p>${t('welcome.gone')} <button class="secondary" onClick=${onRotate}>${t('welcome.rotate')}</button></p>`}
        ${b.own && html`<p class="hint">${t('welcome.own')}</p><${Command} text=${`sudo cp ${box.value?.dataDir || '/var/lib/tidegate'}/secrets/tls-ca.crt .`} />`}
        <p>${secret ? t('welcome.line') : t('welcome.lineWithout')}</p>
        <${Command} text=${publishLine(b, d, shown, d.ports?.[0]?.number ?? 1)} />
        ${b.alone && html`<p class="problem">${t('welcome.alone', { address: box.value?.mqtt || '' })}</p>`}
        <div class="card">
          <dl class="facts-list">
            <dt>${t('welcome.host')}</dt><dd><code>${b.host}</code></dd>
            <dt>${t('welcome.port')}</dt><dd><code>${b.port}</code>${b.tls ? ' TLS' : ''}</dd>
            <dt>${t('welcome.user')}</dt><dd><code>${d.id}</code></dd>
            <dt>${t('welcome.password')}</dt><dd>${secret ? html`<${Command} text=${secret} />` : html`<span class="hint">${t('welcome.hidden')}</span>`}</dd>
            <dt>${t('welcome.topic')}</dt><dd><code>${topic(d)}</code></dd>
          </dl>
          ${secret && html`<${QR} text=${link} label=${t('welcome.qr')} />`}
        </div>
        ${secret && html`<p class="hint qr-hint">${t('welcome.qrHint')} <code>${link}</code></p>`}
      </div>
    <//>`;
}
