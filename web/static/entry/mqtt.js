// Where and how a device reaches the box by MQTT, as this browser sees it.

/** @typedef {import('../overview/box.js').Box} Box */

/**
 * @typedef {{host: string, port: string, tls: boolean, own: boolean, alone: boolean}} Broker host without brackets; own: the
 *   certificate is vouched for by the box's own authority; alone: it listens on its own machine, and the browser is elsewhere
 */

const LOOPBACK = /^(127\.|\[::1\]|::1|localhost)/;

/**
 * broker answers the listener that is the simplest to use: the one without TLS, if there is one.
 * @param {Box | null} box
 * @param {string} hostname as the address bar has it
 * @returns {Broker}
 */
export function broker(box, hostname) {
  const tls = !box?.mqtt && !!box?.tls?.mqtt;
  const listen = (tls ? box?.tls?.mqtt : box?.mqtt) || ':1883';
  return {
    host: hostname.replace(/^\[(.*)\]$/, '$1'), port: /:(\d+)$/.exec(listen)?.[1] || '1883', tls, own: tls && !!box?.tls?.selfSigned,
    alone: LOOPBACK.test(listen) && !LOOPBACK.test(hostname),
  };
}

/**
 * topic is where a device's readings go.
 * @param {{id: string, orgId: string}} d
 */
export function topic(d) { return `org/${d.orgId}/device/${d.id}/telemetry`; }

/**
 * login is what mosquitto's clients are told of the way to the broker.
 * @param {Broker} b
 * @param {{id: string}} d
 * @param {string} secret
 */
export function login(b, d, secret) {
  const trust = b.tls ? (b.own ? ' --cafile tls-ca.crt' : ' --capath /etc/ssl/certs') : '';
  return `-h ${word(b.host)} -p ${b.port}${trust} -u ${word(d.id)} -P ${word(secret)}`;
}

/**
 * publishLine is the shell line that sends a first reading.
 * @param {Broker} b
 * @param {{id: string, orgId: string}} d
 * @param {string} secret
 * @param {number} port
 */
export function publishLine(b, d, secret, port) {
  return `mosquitto_pub ${login(b, d, secret)} -q 1 -t ${word(topic(d))} -m '{"readings":[{"port":${port},"value":21.5}]}'`;
}

/**
 * uri is all of it in one text, as apps of phones take it.
 * @param {Broker} b
 * @param {{id: string}} d
 * @param {string} secret
 */
export function uri(b, d, secret) {
  const host = b.host.includes(':') ? `[${b.host}]` : b.host;
  return `mqtt${b.tls ? 's' : ''}://${encodeURIComponent(d.id)}:${encodeURIComponent(secret)}@${host}:${b.port}`;
}

/**
 * word is a text that the shell takes as it is.
 * @param {string} s
 */
export function word(s) { return /^[\w.:/@%+,-]+$/.test(s) ? s : `'${s.replaceAll("'", `'\\''`)}'`; }
