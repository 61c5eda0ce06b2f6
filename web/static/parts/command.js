// A line to copy into a shell.
import { useRef, useState } from 'preact/hooks';
import { html } from './html.js';
import { t } from '../core/words.js';

/** @param {{text: string}} p */
export function Command({ text }) {
  const code = useRef(/** @type {HTMLElement | null} */ (null));
  const [done, setDone] = useState(false);
  const copy = async () => {
    if (code.current && (await copyText(text, code.current))) {
      setDone(true);
      setTimeout(() => setDone(false), 1600);
    }
  };
  return html`
    <div class="command">
      <code ref=${code} tabIndex=${0}>${text}</code>
      <button class="quiet" onClick=${copy} aria-label=${done ? t('copied') : t('copyLine')}>${done ? t('copied') : t('copy')}</button>
    </div>`;
}

/**
 * copyText copies; over plain HTTP on a LAN there is no clipboard object, so
 * the text is selected and copied the old way, and stays selected if that fails.
 * @param {string} text
 * @param {HTMLElement} element that shows it
 */
export async function copyText(text, element) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    getSelection()?.selectAllChildren(element);
    return document.execCommand('copy');
  }
}
