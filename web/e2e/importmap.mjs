// Modules of the page in Node: names are resolved by the page's own import
// map, and what only a browser has is as empty as it can be.
import { readFileSync } from 'node:fs';
import { register } from 'node:module';

const page = readFileSync(new URL('../static/index.html', import.meta.url), 'utf8');
const { imports } = JSON.parse(/<script type="importmap">([\s\S]*?)<\/script>/.exec(page)[1]);
const map = Object.fromEntries(Object.entries(imports).map(([name, path]) => [name, new URL('..' + path, import.meta.url).href]));

register('data:text/javascript,' + encodeURIComponent(`
  const map = ${JSON.stringify(map)};
  export const resolve = (name, context, next) => (name in map ? { url: map[name], shortCircuit: true } : next(name, context));
`));

const store = () => {
  const kept = new Map();
  return { getItem: (k) => kept.get(k) ?? null, setItem: (k, v) => kept.set(k, String(v)), removeItem: (k) => kept.delete(k) };
};
delete globalThis.BroadcastChannel; // an open one keeps the process
Object.assign(globalThis, {
  localStorage: store(), sessionStorage: store(),
  matchMedia: () => ({ matches: false, addEventListener() {} }),
  document: { documentElement: { dataset: {} }, addEventListener() {}, hidden: false },
  addEventListener() {},
  location: new URL('http://box.test/'),
});
delete globalThis.BroadcastChannel; // an open one keeps Node from ending
