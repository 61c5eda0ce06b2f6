// What is being typed into a form, and what the server says of it.
import { useState } from 'preact/hooks';

/**
 * useDraft holds the values of a form by the names that the API has for them.
 * @template {Record<string, any>} T
 * @param {T} first
 */
export function useDraft(first) {
  const [draft, setDraft] = useState(first);
  const [faults, setFaults] = useState(/** @type {Record<string, string>} */ ({}));
  /** @param {Partial<T>} changes */
  const set = (changes) => setDraft((d) => ({ ...d, ...changes }));
  /** of answers what a Field needs. @param {keyof T & string} name */
  const of = (name) => ({ name, value: draft[name], fault: faults[name], onInput: (/** @type {any} */ v) => set(/** @type {any} */ ({ [name]: v })) });
  return { draft, set, of, faults, onFaults: setFaults };
}
