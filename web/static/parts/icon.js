// Small pictures, drawn in the colour of the text beside them.
import { html } from './html.js';

const paths = {
  overview: 'M3 3h7v9H3zM14 3h7v5h-7zM14 12h7v9h-7zM3 16h7v5H3z',
  devices: 'M5 4h14v6H5zM5 14h14v6H5zM8 7h.01M8 17h.01',
  explore: 'M3 20h18M4 15l5-6 4 4 7-9',
  alarms: 'M6 17V10a6 6 0 0 1 12 0v7l2 2H4zM10 21h4',
  admin: 'M4 7h10M18 7h2M4 17h2M10 17h10M14 4v6M6 14v6',
  me: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 21a8 8 0 0 1 16 0',
  close: 'M6 6l12 12M18 6L6 18',
  more: 'M5 12h.01M12 12h.01M19 12h.01',
  down: 'M12 4v12M6 11l6 6 6-6M4 21h16',
  up: 'M12 20V8M6 12l6-6 6 6M4 3h16',
  plus: 'M12 5v14M5 12h14',
  check: 'M5 13l5 5 9-11',
  search: 'M10.500 17a6.500 6.500 0 1 0 0-13 6.500 6.500 0 0 0 0 13zM15.500 15.500L21 21',
  back: 'M15 5l-7 7 7 7',
  next: 'M9 5l7 7-7 7',
};

/** @typedef {keyof typeof paths} IconName */

/** @param {{name: IconName}} p a picture that says nothing beside its words */
export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d=${paths[name]} /></svg>`;
}
