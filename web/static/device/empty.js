// What to do next, where there is nothing yet.
import { html } from '../parts/html.js';
import { Command } from '../parts/command.js';
import { may } from '../core/me.js';
import { setQuery, to } from '../core/route.js';
import { t } from '../core/words.js';
import { status } from '../shell/pulse.js';

/** mqttPort is that of the server's MQTT listener. */
function mqttPort() { return status.value?.mqtt?.match(/:(\d+)$/)?.[1] || '1883'; }

/** quoted makes a word of the shell. @param {string} s */
const quoted = (s) => (/^[\w@%+=:,./-]+$/.test(s) ? s : `'${s.replaceAll("'", `'\\''`)}'`);

/**
 * publish is the line that sends a first reading.
 * @param {{id: string, orgId: string}} d
 * @param {number} port
 * @param {string} [secret]
 */
export function publish(d, port, secret = 'SECRET') {
  return `mosquitto_pub -h ${location.hostname} -p ${mqttPort()} -u ${quoted(d.id)} -P ${quoted(secret)} -q 1 ` +
    `-t ${quoted(`org/${d.orgId}/device/${d.id}/telemetry`)} -m '{"readings":[{"port":${port},"value":21.5}]}'`;
}

export function NoDevices() {
  return html`
    <section class="panel empty welcome">
      <h2>${t('devices.none')}</h2>
      ${may('write') && html`
        <p><button class="primary" onClick=${() => setQuery({ do: 'new' })}>${t('devices.new.button')}</button></p>`}
      <p>${t('devices.onTheBox')}</p>
      <${Command} text="tidegate org add --id acme --name Acme" />
      <${Command} text="tidegate device add --org acme --id d1 --ports 4" />
      <p>${t('devices.thenSend')}</p>
      <${Command} text=${publish({ id: 'd1', orgId: 'acme' }, 1)} />
      <p class="hint">${t('devices.appears')}</p>
    </section>`;
}

/** @param {{d: {id: string}}} p */
export function NoPorts({ d }) {
  return html`
    <div class="empty">
      <p>${t('device.noPorts')}</p>
      ${may('write') && html`<a class="button" href=${to('devices', d.id, 'ports')}>${t('device.ports.add')}</a>`}
      <${Command} text=${`tidegate port set --device ${d.id} --number 1 --name Temperature --unit °C`} />
    </div>`;
}

/** @param {{d: {id: string, orgId: string, ports?: {number: number}[]}}} p */
export function NoReadings({ d }) {
  return html`
    <div class="empty">
      <p>${t('device.noReadings')}</p>
      <${Command} text=${publish(d, d.ports?.[0]?.number ?? 1)} />
      <p class="hint">${t('device.noReadingsHint')}</p>
    </div>`;
}
