// A text that is searched for, in the address.
import { useEffect, useState } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Field } from '../parts/field.js';
import { query, setQuery } from '../core/route.js';

const PAUSE_MS = 250; // of typing, before the server is asked

/** @param {{label: string, name?: string, placeholder?: string, list?: string[]}} p name in the address */
export function Search({ label, name = 'q', placeholder, list }) {
  const there = query.value.get(name) || '';
  const [text, setText] = useState(there);
  useEffect(() => setText(there), [there]);
  useEffect(() => {
    if (text === there) return undefined;
    const timer = setTimeout(() => setQuery({ [name]: text.trim() }), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return html`<${Field} label=${label} name=${name} type="search" value=${text} onInput=${setText} autocomplete="off" placeholder=${placeholder} list=${list} />`;
}
