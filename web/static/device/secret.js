// A device's secret, which is shown once.
import { html } from '../parts/html.js';
import { Command } from '../parts/command.js';
import { t } from '../core/words.js';
import { publish } from './empty.js';

/** @param {{d: {id: string, orgId: string, ports?: {number: number}[]}, secret: string}} p */
export function Secret({ d, secret }) {
  return html`
    <div class="secret">
      <p>${t('device.secret.once', { id: d.id })}</p>
      <${Command} text=${secret} />
      <p>${t('device.secret.send')}</p>
      <${Command} text=${publish(d, d.ports?.[0]?.number ?? 1, secret)} />
    </div>`;
}
