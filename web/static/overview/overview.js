// What an engineer looks at first: how the box is.
import { html } from '../parts/html.js';
import { Page } from '../parts/page.js';
import { t } from '../core/words.js';
import { Rejections } from './rejections.js';

export default function Overview() {
  return html`<${Page} title=${t('nav.overview')}><${Rejections} /><//>`;
}
