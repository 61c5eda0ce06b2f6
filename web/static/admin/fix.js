// The cause and the way out that a dead letter tells in one line, such as
// "port 9 is not registered …. Fix: tidegate port set …, then tidegate …".
import { html } from '../parts/html.js';
import { Command } from '../parts/command.js';

/** @param {string} detail */
function halves(detail) { return detail.split(/\s*\bFix: /, 2); }

/** @param {string} detail what is wrong */
export function cause(detail) { return halves(detail)[0].replace(/[.;]$/, ''); }

/** @param {string} detail whether it tells what helps */
export function hasFix(detail) { return halves(detail).length > 1; }

/** @param {{detail: string}} p what helps: a line to copy when it is one, else a sentence */
export function Fix({ detail }) {
  const fix = (halves(detail)[1] || '').replace(/\.$/, '');
  if (!fix) return null;
  const steps = fix.split(/,? then (?=tidegate )/);
  return steps.every((s) => s.startsWith('tidegate ')) ? html`<${Command} text=${steps.join(' && ')} />` : html`<p>${fix[0].toUpperCase() + fix.slice(1)}.</p>`;
}
