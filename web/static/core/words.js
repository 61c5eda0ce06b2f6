// The words of the page, in the language of who reads it. A language is one
// file in lang/; what it lacks is said in English.
import { signal } from '@preact/signals';
import en from '../lang/en.js';

/** languages that there are, each by its own name. */
export const languages = { en: 'English', de: 'Deutsch' };

/** @typedef {keyof typeof languages} Language */

const KEY = 'tidegate.language';

/** language is the one that is shown. */
export const language = signal(/** @type {Language} */ ('en'));

let words = /** @type {any} */ (en);
let plural = new Intl.PluralRules('en');

/** wanted answers the language that the reader chose, or the browser's first that is there. */
function wanted() {
  const chosen = [localStorage.getItem(KEY) || '', ...navigator.languages].map((l) => l.slice(0, 2).toLowerCase());
  return /** @type {Language} */ (chosen.find((l) => l in languages) || 'en');
}

/**
 * speak loads a language and shows the page in it.
 * @param {Language} [l] absent: the one that the reader wants
 */
export async function speak(l) {
  if (l) localStorage.setItem(KEY, l);
  const next = l || wanted();
  const loaded = next === 'en' ? en : (await import(`../lang/${next}.js`)).default;
  words = loaded;
  plural = new Intl.PluralRules(next);
  document.documentElement.lang = next;
  language.value = next;
}

/** @param {any} from @param {string[]} parts */
const find = (from, parts) => parts.reduce((o, p) => o?.[p], from);

/**
 * t answers the words of a key such as 'devices.title'. {name} in them is
 * replaced from args; words with the forms {one, other} are chosen by args.n.
 * A key that no language has answers itself, so that it is seen.
 * @param {string} key
 * @param {Record<string, string | number>} [args]
 * @returns {string}
 */
export function t(key, args) {
  void language.value; // components follow it
  const parts = key.split('.');
  let text = find(words, parts) ?? find(en, parts);
  if (text && typeof text === 'object') text = text[plural.select(Number(args?.n))] ?? text.other;
  if (typeof text !== 'string') return key;
  return args ? text.replace(/\{(\w+)\}/g, (all, name) => (name in args ? String(args[name]) : all)) : text;
}
