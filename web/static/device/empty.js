// What to do next, where there is nothing yet.
import { html } from '../parts/html.js';
import { Command } from '../parts/command.js';
import { status } from '../shell/pulse.js';

/** mqttPort is that of the server's MQTT listener. */
function mqttPort() { return status.value?.mqtt?.match(/:(\d+)$/)?.[1] || '1883'; }

/**
 * publish is the line that sends a first reading.
 * @param {{id: string, orgId: string}} d
 * @param {number} port
 */
function publish(d, port) {
  return `mosquitto_pub -h ${location.hostname} -p ${mqttPort()} -u ${d.id} -P SECRET -q 1 ` +
    `-t org/${d.orgId}/device/${d.id}/telemetry -m '{"readings":[{"port":${port},"value":21.5}]}'`;
}

export function NoDevices() {
  return html`
    <section class="panel empty welcome">
      <h1>No device yet</h1>
      <p>On the box, make an organization and a device with four ports:</p>
      <${Command} text="tidegate org add --id acme --name Acme" />
      <${Command} text="tidegate device add --org acme --id d1 --ports 4" />
      <p>It prints the device's secret, once. Then send a first reading:</p>
      <${Command} text=${publish({ id: 'd1', orgId: 'acme' }, 1)} />
      <p class="hint">The device appears here by itself.</p>
    </section>`;
}

/** @param {{d: import('../core/api.js').Device}} p */
export function NoPorts({ d }) {
  return html`
    <div class="empty">
      <p>This device has no port yet. A port is one measured quantity; make its first:</p>
      <${Command} text=${`tidegate port set --device ${d.id} --number 1 --name Temperature --unit °C`} />
    </div>`;
}

/** @param {{d: import('../core/api.js').Device}} p */
export function NoReadings({ d }) {
  return html`
    <div class="empty">
      <p>Nothing is stored of this device yet. Send a first reading, with its secret in place of SECRET:</p>
      <${Command} text=${publish(d, d.ports?.[0]?.number ?? 1)} />
      <p class="hint">The secret was printed when the device was made. What is refused shows under “Rejected”, with the cause.</p>
    </div>`;
}
