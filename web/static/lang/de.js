// Deutsch.
export default {
  loading: 'Lädt…',
  busy: 'Einen Moment…',
  again: 'Erneut versuchen',
  more: 'Mehr',
  cancel: 'Abbrechen',
  close: 'Schließen',
  save: 'Speichern',
  saved: 'Gespeichert.',
  remove: 'Löschen',
  edit: 'Bearbeiten',
  copy: 'Kopieren',
  copied: 'Kopiert',
  copyLine: 'Zeile kopieren',
  now: 'jetzt',
  ago: 'vor {age}',
  in: 'in {age}',
  logout: 'Abmelden',
  skip: 'Zum Inhalt',
  typeToConfirm: 'Zur Bestätigung {text} eingeben',
  downloads: 'Downloads',
  downloadFailed: '{name} wurde nicht geladen: {why}',
  areaFailed: 'Dieser Teil der Seite wurde nicht geladen. Laden Sie die Seite neu.',
  notFound: { title: 'Hier ist nichts', text: 'Unter dieser Adresse gibt es keine Seite.' },
  nav: {
    label: 'Bereiche', overview: 'Übersicht', devices: 'Geräte', explore: 'Verläufe', alarms: 'Alarme', admin: 'Verwaltung', me: 'Ihr Konto',
    open: { one: '{n} offener Alarm', other: '{n} offene Alarme' },
  },
  top: {
    live: 'live', connecting: 'verbindet', offline: 'offline', again: 'erneut in {n} s', liveHint: 'Werte kommen, sobald sie gespeichert sind.',
    log: 'im Log', logHint: '{used} von {of}', drained: 'abgebaut in {n} s',
    stale: 'Gezeigt wird das zuletzt Bekannte; es geht von selbst weiter.',
    warnings: { one: '{n} Warnung des Servers', other: '{n} Warnungen des Servers' },
  },
  ledger: {
    label: 'Bilanz aller Messwerte', exactly: 'Genau {n}.',
    received: 'empfangen', receivedHint: 'Messwerte, die quittiert wurden.',
    stored: 'gespeichert', storedHint: 'Jede Abfrage kennt sie.',
    duplicate: 'doppelt', duplicateHint: 'Derselbe Messwert noch einmal.',
    rejected: 'abgelehnt', rejectedHint: 'Mit Ursache und Ausweg aufgehoben.',
    pending: 'ausstehend', pendingHint: 'Quittiert und sicher im Log, noch nicht gespeichert.',
  },
  keys: {
    title: 'Tasten', search: 'Suche', ports: 'Messstelle des Geräts wählen', chart: 'Verlauf Punkt für Punkt lesen', escape: 'Zurück oder schließen', help: 'Diese Liste',
  },
  entry: {
    email: 'E-Mail', password: 'Passwort', again: 'Passwort noch einmal', login: 'Anmelden', checking: 'Wird geprüft…',
    wrong: 'E-Mail oder Passwort ist falsch.', noUser: 'Noch kein Benutzer? Der Server druckt beim Start einen Link. Auf dem Gerät:',
    differ: 'Die Passwörter sind verschieden.', welcome: 'Willkommen', choose: 'Passwort wählen', first: 'Ersten Benutzer anlegen',
    firstLead: 'Legen Sie den ersten Benutzer an: er verwaltet die ganze Box und kann andere einladen.',
    chooseLead: 'Damit melden Sie sich künftig an. Mindestens {n} Zeichen.', instead: 'Stattdessen mit Passwort anmelden',
    tooMany: 'Zu viele Versuche. Warten Sie {n} Sekunden und versuchen Sie es dann erneut.',
    silent: 'Der Server antwortet nicht. Läuft tidegate, und ist dies seine Adresse?',
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
