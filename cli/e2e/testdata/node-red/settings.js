// Node-RED without its editor, and with a file of credentials that can be read.
module.exports = {
  httpAdminRoot: false, httpNodeRoot: false, uiHost: '127.0.0.1', uiPort: 0,
  credentialSecret: false, telemetry: { enabled: false, updateNotification: false }, diagnostics: { enabled: false },
  logging: { console: { level: 'info' } },
}
