// explore
import { html } from '../parts/html.js';
import { Page } from '../parts/page.js';
import { t } from '../core/words.js';

export default function Explore() {
  return html`<${Page} title=${t('nav.explore')} />`;
}
