// How a device takes commands, as two lines for a shell.
import { html } from '../parts/html.js';
import { Command } from '../parts/command.js';
import { t } from '../core/words.js';
import { broker, login, word } from '../entry/mqtt.js';
import { box } from '../overview/box.js';

/** @param {{d: {id: string, orgId: string}, id?: string}} p id: of the command that is answered */
export function HowTaken({ d, id = 'ID' }) {
  const own = `org/${d.orgId}/device/${d.id}/`;
  const as = login(broker(box.value, location.hostname), d, 'SECRET');
  return html`
    <div class="taking">
      <p class="hint">${t('device.commands.takes')}</p>
      <${Command} text=${`mosquitto_sub ${as} -q 1 -t ${word(own + 'command')}`} />
      <p class="hint">${t('device.commands.answers')}</p>
      <${Command} text=${`mosquitto_pub ${as} -q 1 -t ${word(own + 'cmdres')} -m '{"id":"${id}","status":"ok","result":{"took":"1.5s"}}'`} />
      <p class="hint">${t('device.commands.twice')}</p>
    </div>`;
}
