// A link that is shown once: whoever opens it chooses the password.
import { html } from '../parts/html.js';
import { Age } from '../parts/age.js';
import { Command } from '../parts/command.js';
import { Dialog } from '../parts/dialog.js';
import { exact } from '../core/format.js';
import { t } from '../core/words.js';

/** @param {{email: string, link: string, until?: string, onClose: () => void}} p */
export function LinkDialog({ email, link, until, onClose }) {
  return html`
    <${Dialog} title=${t('admin.link.title', { email })} onClose=${onClose} wide>
      <p>${t('admin.link.lead', { email })}</p>
      <${Command} text=${link} />
      ${until && html`<p class="hint">${t('admin.link.until')} <span class="num">${exact(Date.parse(until))}</span> (<${Age} at=${until} />)</p>`}
      <div class="form-foot"><button class="primary" onClick=${onClose}>${t('admin.seen')}</button></div>
    <//>`;
}
