// The mark of tidegate.
import { html } from './html.js';

export function Mark() {
  return html`
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <path d="M8 4v24M24 4v24" class="gate" />
      <path d="M8 12c4-3.500 6 3.500 8 1.500s4-5 8-1.500M8 21c4-3.500 6 3.500 8 1.500s4-5 8-1.500" class="tide" />
    </svg>`;
}
