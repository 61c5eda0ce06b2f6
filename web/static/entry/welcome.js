// The first steps: an organization, a device, its first reading. The address
// says where one is, so that a reload finds what was made.
import { useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Empty, Page, Panel } from '../parts/page.js';
import { Asking, useQuery } from '../parts/query.js';
import { may } from '../core/me.js';
import { go, query } from '../core/route.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { FirstDevice } from './device.js';
import { FirstMessage } from './message.js';
import { Organization } from './organization.js';
import { Steps } from './steps.js';

/** @typedef {{id: string, name: string}} Org */

const MOST_ORGS = 500;

export default function Welcome() {
  /** made is the device whose secret is known here, until one leaves or reloads. */
  const [made, setMade] = useState({ id: '', secret: '' });
  const orgs = useQuery(async () => /** @type {Org[]} */ ((await api.call('/organizations', { query: { limit: MOST_ORGS } })).items), []);
  const device = query.value.get('device') || '';
  const frame = (/** @type {any} */ content) => html`<${Page} title=${t('welcome.title')} lead=${t('welcome.lead')}>${content}<//>`;
  if (!may('write')) return frame(html`<${Panel}><${Empty} title=${t('welcome.forbidden')}><a href="/">${t('nav.overview')}</a><//><//>`);
  if (device) return frame(html`<${FirstMessage} key=${device} id=${device} secret=${made.id === device ? made.secret : ''} onSecret=${(/** @type {string} */ secret) => setMade({ id: device, secret })} />`);
  if (!orgs.value) return frame(html`<${Asking} of=${orgs} />`);
  if (!orgs.value.length && !may('company')) return frame(html`<${Panel}><${Empty} title=${t('welcome.noOrg')} /><//>`);
  if (may('company') && (!orgs.value.length || query.value.get('new') === 'organization')) {
    return frame(html`
      <${Steps} at="organization" />
      <${Organization} orgs=${orgs.value} onMade=${async (/** @type {string} */ id) => {
        await orgs.reload();
        go('/welcome?org=' + encodeURIComponent(id));
      }} />`);
  }
  return frame(html`
    <${Steps} at="device" />
    <${FirstDevice} orgs=${orgs.value} onMade=${(/** @type {string} */ id, /** @type {string} */ secret) => {
      setMade({ id, secret });
      go('/welcome?device=' + encodeURIComponent(id));
    }} />`);
}
