// Where JSON that is being typed goes wrong: browsers name the place in words
// of their own, or not at all.

/**
 * @typedef {'value' | 'key' | 'colon' | 'inArray' | 'inObject' | 'rest' | 'number' | 'text' | 'control' | 'escape' | 'depth'} Kind
 *   value, key, colon: it is expected there; inArray, inObject: a comma or the end of it is; rest: something stands behind the end;
 *   number, escape: it is none; text: it does not end; control: a character that a text must escape; depth: nested too deep
 * @typedef {{kind: Kind, at: number, line: number, column: number}} JSONFault at: UTF-16 units from the beginning; line and column
 *   count from 1, a column is a character
 */

const DEEPEST = 100; // as the server has it
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const NUMBER_LIKE = /[-+.\w]*/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[\da-fA-F]{4})/y;
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const SPACE = /[ \t\n\r]*/y;

/** Reader goes through a text once, and throws the first fault. */
class Reader {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
    this.at = 0;
  }

  /** @param {RegExp} what sticky @returns {string} what was passed over */
  skip(what) {
    what.lastIndex = this.at;
    const found = what.exec(this.text)?.[0] || '';
    this.at += found.length;
    return found;
  }

  /** @param {string} c @returns {boolean} whether it stood there */
  take(c) {
    this.skip(SPACE);
    if (!this.text.startsWith(c, this.at)) return false;
    this.at += c.length;
    return true;
  }

  /** @param {Kind} kind @param {number} [at] @returns {never} */
  fail(kind, at = this.at) {
    const before = this.text.slice(0, at);
    const line = before.split('\n').length;
    const column = [...before.slice(before.lastIndexOf('\n') + 1)].length + 1;
    throw { kind, at, line, column };
  }

  /** @param {number} depth of what it stands in */
  value(depth) {
    this.skip(SPACE);
    const at = this.at;
    const c = this.text[at] ?? '';
    if (c === '{' || c === '[') {
      if (depth >= DEEPEST) this.fail('depth');
      this.at++;
      if (c === '{') this.members(depth + 1); else this.items(depth + 1);
    } else if (c === '"') {
      this.string();
    } else if (/[-+.\d]/.test(c)) {
      this.skip(NUMBER);
      if (this.skip(NUMBER_LIKE) || this.at === at) this.fail('number', at);
    } else if (!['true', 'false', 'null'].includes(this.skip(NUMBER_LIKE))) {
      this.fail('value', at);
    }
  }

  /** @param {number} depth */
  members(depth) {
    if (this.take('}')) return;
    do {
      this.skip(SPACE);
      if (this.text[this.at] !== '"') this.fail('key');
      this.string();
      if (!this.take(':')) this.fail('colon');
      this.value(depth);
    } while (this.take(','));
    if (!this.take('}')) this.fail('inObject');
  }

  /** @param {number} depth */
  items(depth) {
    if (this.take(']')) return;
    do this.value(depth); while (this.take(','));
    if (!this.take(']')) this.fail('inArray');
  }

  string() {
    const begin = this.at++;
    for (;;) {
      this.skip(PLAIN);
      const c = this.text[this.at];
      if (c === undefined) this.fail('text', begin);
      if (c === '"') break;
      if (c !== '\\') this.fail('control');
      if (!this.skip(ESCAPE)) this.fail('escape');
    }
    this.at++;
  }
}

/**
 * jsonFault answers the first fault of a text; null: it is one JSON value.
 * @param {string} text
 * @returns {JSONFault | null}
 */
export function jsonFault(text) {
  const r = new Reader(text);
  try {
    r.value(0);
    r.skip(SPACE);
    if (r.at < text.length) r.fail('rest');
  } catch (e) {
    if (e instanceof Error) throw e;
    return /** @type {JSONFault} */ (e);
  }
  return null;
}
