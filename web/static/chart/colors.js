// The colours of the style, as a canvas takes them.

/**
 * colors answers a function from the name of a colour in the style, such as
 * --muted, to that colour as it is now, in the theme of the element.
 * @param {HTMLElement} element
 * @returns {(name: string, opacity?: number) => string}
 */
export function colors(element) {
  const probe = element.ownerDocument.createElement('i');
  probe.hidden = true;
  element.append(probe);
  /** @type {Map<string, string>} */
  const known = new Map();
  const resolve = (/** @type {string} */ name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color; // rgb(r, g, b)
  };
  for (const name of ['--text', '--muted', '--grid', '--line', '--panel', '--accent', '--good', '--warn', '--alarm', ...Array.from({ length: 12 }, (_, i) => '--c' + i)]) {
    known.set(name, resolve(name));
  }
  probe.remove();
  return (name, opacity = 1) => {
    const c = known.get(name) || 'rgb(128, 128, 128)';
    return opacity === 1 ? c : c.replace(/^rgb\((.*)\)$/, `rgba($1, ${opacity})`);
  };
}
