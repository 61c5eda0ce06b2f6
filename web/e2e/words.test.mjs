// The words of the page: each language has the same keys with the same names
// in them; what the page asks for is there, and what is there is asked for.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const root = new URL('../static/', import.meta.url);
const forms = new Set(['zero', 'one', 'two', 'few', 'many', 'other']);

/** flat answers the texts by their keys; the forms of a number are one text. */
function flat(words, prefix = '') {
  return Object.entries(words).flatMap(([key, v]) => {
    if (typeof v === 'string') return [[prefix + key, v]];
    if ('other' in v && Object.keys(v).every((k) => forms.has(k))) return [[prefix + key, Object.values(v).join(' ')]];
    return flat(v, prefix + key + '.');
  });
}

const names = (text) => [...new Set(text.match(/\{\w+\}/g) || [])].sort().join(' ');
const languages = readdirSync(new URL('lang/', root)).filter((f) => f.endsWith('.js'));
const load = async (file) => new Map(flat((await import(new URL('lang/' + file, root))).default));

test('languages have the same keys and names', async () => {
  const en = await load('en.js');
  assert.ok(languages.length > 1);
  for (const file of languages) {
    const other = await load(file);
    assert.deepEqual([...other.keys()].sort(), [...en.keys()].sort(), file);
    for (const [key, text] of en) assert.equal(names(other.get(key)), names(text), `${file}: ${key}`);
  }
});

test('what the page asks for is there, and nothing else', async () => {
  const en = await load('en.js');
  const source = readdirSync(root, { recursive: true }).filter((f) => f.endsWith('.js') && !f.startsWith('lang/'))
    .map((f) => readFileSync(new URL(f, root), 'utf8')).join('\n');
  const asked = [...source.matchAll(/\bt\('([\w.]+)'(?=[,)])/g)].map((m) => m[1]);
  assert.ok(asked.length > 30);
  assert.deepEqual(asked.filter((key) => !en.has(key)), [], 'keys without words');
  // A key that is put together, such as t('nav.' + name), stands for all that begin so.
  const begins = [...source.matchAll(/\bt\('([\w.]+\.)' \+/g)].map((m) => m[1]);
  const used = (key) => asked.includes(key) || begins.some((b) => key.startsWith(b)) || source.includes(`'${key}'`);
  assert.deepEqual([...en.keys()].filter((key) => !used(key)), [], 'words without use');
});
