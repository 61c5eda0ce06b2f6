// The alarms: what is wrong, what counts as wrong, and who hears of it.
import { html } from '../parts/html.js';
import { path } from '../core/route.js';
import { Channel } from './channel.js';
import { Channels } from './channels.js';
import { Event } from './event.js';
import { Inbox } from './inbox.js';
import { Notification } from './notification.js';
import { Rule } from './rule.js';
import { Rules } from './rules.js';
import { Sent } from './sent.js';
import { Silences } from './silences.js';

/** Alarms shows the place that the address names; what is none of them is the id of an alarm. */
export default function Alarms() {
  const [, part, id] = path.value;
  if (!part) return html`<${Inbox} />`;
  if (part === 'rules') return id ? html`<${Rule} key=${id} id=${id} />` : html`<${Rules} />`;
  if (part === 'channels') return id ? html`<${Channel} key=${id} id=${id} />` : html`<${Channels} />`;
  if (part === 'silences') return html`<${Silences} />`;
  if (part === 'sent') return id ? html`<${Notification} key=${id} id=${id} />` : html`<${Sent} />`;
  return html`<${Event} key=${part} id=${part} />`;
}
