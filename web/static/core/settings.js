// What a person chose for this browser: colours, language, zone of times.
import { effect, signal } from '@preact/signals';

/**
 * kept is a signal whose value outlives the page.
 * @template {string} T
 * @param {string} name
 * @param {T} first
 * @param {readonly T[]} allowed
 */
function kept(name, first, allowed) {
  const key = 'tidegate.' + name;
  let before = null;
  try {
    before = localStorage.getItem(key);
  } catch {
    // no storage: for this visit only
  }
  const s = signal(allowed.includes(/** @type {T} */ (before)) ? /** @type {T} */ (before) : first);
  effect(() => {
    const v = s.value;
    try {
      if (v === first) localStorage.removeItem(key); else localStorage.setItem(key, v);
    } catch {
      // as above
    }
  });
  return s;
}

/** theme is what the person wants; auto: as the system has it. */
export const theme = kept('theme', 'auto', /** @type {const} */ (['auto', 'light', 'dark']));

/** zone is how times are written. */
export const zone = kept('zone', 'local', /** @type {const} */ (['local', 'utc']));

const system = matchMedia('(prefers-color-scheme: dark)');
const systemDark = signal(system.matches);
system.addEventListener('change', () => { systemDark.value = system.matches; });

/** dark is whether the page is dark now: charts are drawn anew when it changes. */
export const dark = signal(false);

effect(() => {
  document.documentElement.dataset.theme = theme.value;
  dark.value = theme.value === 'auto' ? systemDark.value : theme.value === 'dark';
});

const phone = matchMedia('(max-width: 819px)'); // as in the styles

/** narrow is whether the page is as narrow as a phone. */
export const narrow = signal(phone.matches);
phone.addEventListener('change', () => { narrow.value = phone.matches; });
