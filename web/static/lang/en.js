// English. The other languages have the same keys.
export default {
  loading: 'Loading…',
  busy: 'One moment…',
  again: 'Try again',
  more: 'More',
  cancel: 'Cancel',
  close: 'Close',
  save: 'Save',
  saved: 'Saved.',
  remove: 'Delete',
  edit: 'Edit',
  copy: 'Copy',
  copied: 'Copied',
  copyLine: 'Copy the line',
  now: 'now',
  ago: '{age} ago',
  in: 'in {age}',
  logout: 'Log out',
  skip: 'To the content',
  typeToConfirm: 'Type {text} to confirm',
  downloads: 'Downloads',
  downloadFailed: '{name} was not downloaded: {why}',
  areaFailed: 'This part of the page did not load. Reload the page.',
  notFound: { title: 'Nothing here', text: 'There is no page at this address.' },
  nav: {
    label: 'Places', overview: 'Overview', devices: 'Devices', explore: 'Explore', alarms: 'Alarms', admin: 'Administration', me: 'Your account',
    open: { one: '{n} open alarm', other: '{n} open alarms' },
  },
  top: {
    live: 'live', connecting: 'connecting', offline: 'offline', again: 'again in {n} s', liveHint: 'Values arrive as they are stored.',
    log: 'log depth', logHint: '{used} of {of}', drained: 'drained in {n} s',
    stale: 'What is shown is the last that was known; it goes on by itself.',
    warnings: { one: '{n} warning of the server', other: '{n} warnings of the server' },
  },
  ledger: {
    label: 'Ledger of all readings', exactly: 'Exactly {n}.',
    received: 'received', receivedHint: 'Readings that were acknowledged.',
    stored: 'stored', storedHint: 'Answered by every query.',
    duplicate: 'duplicate', duplicateHint: 'The same reading again.',
    rejected: 'rejected', rejectedHint: 'Dead letters, with their cause and the way out.',
    pending: 'pending', pendingHint: 'Acknowledged and safe in the log, not yet stored.',
  },
  keys: {
    title: 'Keys', search: 'Search', ports: 'Choose a port of the device', chart: 'Read a chart point by point', escape: 'Back, or close', help: 'This list',
  },
  entry: {
    email: 'Email', password: 'Password', again: 'The password again', login: 'Log in', checking: 'Checking…',
    wrong: 'Email or password is wrong.', noUser: 'No user yet? The server prints a link when it starts. On the box:',
    differ: 'The passwords differ.', welcome: 'Welcome', choose: 'Choose a password', first: 'Make the first user',
    firstLead: 'Make the first user: an administrator of the whole box, who can invite others.',
    chooseLead: 'With it you log in from now on. At least {n} characters.', instead: 'Log in with a password instead',
    tooMany: 'Too many attempts. Wait {n} seconds, then try again.',
    silent: 'The server does not answer. Is tidegate running, and is this its address?',
  },
  welcome: {
  },
  overview: {
  },
  rejections: {
  },
  devices: {
  },
  device: {
  },
  explore: {
  },
  alarms: {
  },
  rules: {
  },
  channels: {
  },
  admin: {
  },
  me: {
  },
};
