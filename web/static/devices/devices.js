// The devices: their list, and the one that the address names.
import { html } from '../parts/html.js';
import { Page } from '../parts/page.js';
import { path } from '../core/route.js';
import { t } from '../core/words.js';
import { Device } from '../device/device.js';
import { Devices } from './list.js';

export default function DevicesPlace() {
  const id = path.value[1];
  if (id) return html`<${Device} key=${id} id=${id} />`;
  return html`<${Page} title=${t('nav.devices')}><${Devices} /><//>`;
}
