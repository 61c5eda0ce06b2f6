// What is seen, to take along: as files, and as a link.
import { useRef } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Icon } from '../parts/icon.js';
import { copyText } from '../parts/command.js';
import { download } from '../parts/download.js';
import { say } from '../parts/notice.js';
import { t } from '../core/words.js';
import { range, view } from './looking.js';
import { files, relative } from './view.js';

/** link answers the address of what is seen; a range that ends now stays one. */
function link() {
  const q = new URLSearchParams(location.search);
  const { from } = view.peek();
  if (!q.get('from') && from !== 'all' && 'ago' in from) q.set('from', relative(from.ago));
  return location.origin + location.pathname + '?' + q.toString().replaceAll('%2C', ',').replaceAll('%3A', ':');
}

/** @param {'csv' | 'parquet'} kind */
async function save(kind) {
  const { from, to } = range.peek();
  const iso = (/** @type {number} */ ts) => new Date(ts).toISOString();
  const calibration = view.peek().ingested ? 'ingested' : undefined;
  for (const f of files(view.peek().ports)) {
    const ports = f.deviceId.length > 3 ? `${f.deviceId.length}-devices` : f.deviceId.join('-');
    const name = `readings-${ports}-${iso(from).slice(0, 16).replace(':', '')}Z.${kind}`.replace(/[^\w.-]/g, '-');
    await download(`/exports/readings.${kind}`, { ...f, from: iso(from), to: iso(to), calibration }, name);
  }
}

export function Save() {
  const text = useRef(/** @type {HTMLElement | null} */ (null));
  const copy = async () => {
    const element = /** @type {HTMLElement} */ (text.current);
    element.textContent = link();
    const done = await copyText(link(), element);
    element.textContent = '';
    say(done ? t('explore.linkCopied') : t('explore.linkNotCopied'), done ? 'good' : 'bad');
  };
  return html`
    <span class="unseen" ref=${text} aria-hidden="true" />
    <button class="secondary" onClick=${copy}>${t('explore.copyLink')}</button>
    <button class="secondary" title=${t('explore.saveHint')} onClick=${() => save('csv')}><${Icon} name="down" />CSV</button>
    <button class="secondary" title=${t('explore.saveHint')} onClick=${() => save('parquet')}><${Icon} name="down" />Parquet</button>`;
}
