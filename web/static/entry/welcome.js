// The first steps, after the first user was made.
import { html } from '../parts/html.js';
import { Page } from '../parts/page.js';
import { t } from '../core/words.js';

export default function Welcome() {
  return html`<${Page} title=${t('entry.welcome')} />`;
}
