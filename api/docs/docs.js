// Shows /openapi.json to a reader, and lets one try it.

/** @typedef {any} Json */

/** @type {Json} */
let doc;
let token = '';

/**
 * el makes an element; a text is never read as HTML.
 * @param {string} tag
 * @param {Record<string, string>} [attributes]
 * @param {(Node | string | null | undefined)[]} kids
 */
function el(tag, attributes = {}, ...kids) {
  const n = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes)) n.setAttribute(k, v);
  n.append(...kids.filter((k) => k != null));
  return n;
}

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/**
 * deref follows a reference within the document.
 * @param {Json} s
 * @returns {Json}
 */
function deref(s) {
  if (!s || !s.$ref) return s;
  return s.$ref.slice(2).split('/').reduce((/** @type {Json} */ at, /** @type {string} */ key) => at[key], doc);
}

/**
 * typeOf names a schema's type in few words.
 * @param {Json} s
 * @returns {string}
 */
function typeOf(s) {
  if (!s) return '';
  if (s.anyOf) return [...new Set(s.anyOf.map(typeOf))].join(' or ');
  if (s.$ref) return s.$ref.split('/').pop();
  const types = [s.type || 'any'].flat().filter((t) => t !== 'null');
  if (types[0] === 'array') return typeOf(s.items) + '[]';
  if (s.enum) return s.enum.join(' | ');
  return types.join(' or ') + (s.format ? ` (${s.format})` : '');
}

/**
 * limits says in words what a value must keep to.
 * @param {Json} s
 */
function limits(s) {
  const out = [];
  if (s.default !== undefined) out.push(`default ${s.default}`);
  if (s.minimum !== undefined) out.push(`from ${s.minimum}`);
  if (s.maximum !== undefined) out.push(`to ${s.maximum}`);
  if (s.maxLength !== undefined) out.push(`at most ${s.maxLength} characters`);
  if (s.maxItems !== undefined) out.push(`at most ${s.maxItems}`);
  if (s.pattern) out.push(`like ${s.pattern}`);
  return out;
}

/** @param {string[][]} rows */
function table(rows) {
  return el('div', { class: 'scroll' }, el('table', {}, ...rows.map((r) => el('tr', {}, ...r.map((c) => el('td', {}, c))))));
}

/**
 * shape lists the fields of a schema, and of those within.
 * @param {Json} s
 * @param {string[]} [seen] references on the way
 * @returns {HTMLElement}
 */
function shape(s, seen = []) {
  const out = el('div');
  const name = s && s.$ref;
  s = deref(s);
  if (!s || (name && seen.includes(name))) return out;
  if (name) seen.push(name);
  if (s.anyOf) {
    for (const one of s.anyOf) out.append(el('h3', {}, typeOf(one)), shape(one, seen));
    return out;
  }
  if (s.type === 'array' || s.items) return shape(s.items, seen);
  if (!s.properties) return out;
  const must = s.required || [];
  out.append(table(Object.entries(s.properties).map(([k, v]) => [
    k, typeOf(v), [must.includes(k) ? '' : 'optional', v.description, ...limits(v)].filter(Boolean).join('; '),
  ])));
  for (const v of Object.values(s.properties)) {
    const inner = v.$ref ? v : v.items && v.items.$ref ? v.items : null;
    if (inner && !seen.includes(inner.$ref)) out.append(el('h3', {}, typeOf(inner)), shape(inner, seen));
  }
  return out;
}

/** @param {Json} v */
const shown = (v) => (typeof v === 'string' ? v : JSON.stringify(v, null, 2));

/**
 * content shows the types and examples of a body.
 * @param {string} what
 * @param {Json} content
 * @param {string} [about]
 */
function content(what, content, about) {
  const out = el('div');
  for (const [type, m] of Object.entries(content || {})) {
    out.append(el('h3', {}, `${what}, ${type}`), about ? el('p', {}, about) : '', shape(m.schema));
    for (const e of Object.values(m.examples || {})) {
      out.append(el('details', {}, el('summary', {}, el('span', {}, 'Example' + (e.summary ? ': ' + e.summary : ''))), el('pre', { tabindex: '0' }, shown(e.value))));
    }
  }
  return out;
}

/**
 * send makes a request as the form says, and shows what came.
 * @param {string} method
 * @param {string} path
 * @param {Json} op
 * @param {HTMLFormElement} form
 * @param {HTMLElement} out
 */
async function send(method, path, op, form, out) {
  const values = new FormData(form);
  const query = new URLSearchParams();
  for (const p of op.parameters || []) {
    const v = String(values.get(p.in + '.' + p.name) || '');
    if (p.in === 'path') path = path.replace(`{${p.name}}`, encodeURIComponent(v));
    else if (v) for (const one of p.schema.type === 'array' ? v.split(',') : [v]) query.append(p.name, one);
  }
  /** @type {Record<string, string>} */
  const headers = {};
  const credentials = String(values.get('credentials') || '') || (token && 'Bearer ' + token);
  if (credentials) headers.Authorization = credentials;
  const body = values.get('body');
  if (body) headers['Content-Type'] = Object.keys(op.requestBody.content)[0];
  const begin = performance.now();
  out.replaceChildren('Asking …');
  try {
    const r = await fetch(path + (query.size ? '?' + query : ''), { method, headers, body: body ? String(body) : undefined, cache: 'no-store' });
    const ms = Math.round(performance.now() - begin);
    let text = await r.text();
    try { text = shown(JSON.parse(text)); } catch { /* it is not JSON */ }
    const cut = text.length > 100_000 ? text.slice(0, 100_000) + '\n…' : text;
    out.replaceChildren(el('p', r.ok ? {} : { class: 'failed' }, `${r.status} ${r.statusText}, ${ms} ms`), el('pre', { tabindex: '0' }, cut || '(no body)'));
  } catch (e) {
    out.replaceChildren(el('p', { class: 'failed' }, `There was no answer: ${/** @type {Error} */ (e).message}`));
  }
}

/**
 * tryIt is the form of an operation.
 * @param {string} method
 * @param {string} path
 * @param {Json} op
 */
function tryIt(method, path, op) {
  const form = /** @type {HTMLFormElement} */ (el('form', { class: 'try' }));
  for (const p of op.parameters || []) {
    const example = p.in === 'path' && p.example !== undefined ? String(p.example) : '';
    form.append(el('label', {}, `${p.name}, ${p.in}`, el('input', { name: p.in + '.' + p.name, value: example, ...(p.required ? { required: '' } : {}) })));
  }
  const media = op.requestBody && Object.values(op.requestBody.content)[0];
  if (media) {
    const first = Object.values(media.examples || {})[0];
    form.append(el('label', {}, 'body', el('textarea', { name: 'body', spellcheck: 'false' }, first ? shown(first.value) : '')));
  }
  if ((op.security || []).some((/** @type {Json} */ s) => s.device)) {
    form.append(el('label', {}, 'Authorization, such as Basic …', el('input', { name: 'credentials' })));
  }
  const out = el('div', { role: 'status' });
  form.append(el('button', {}, 'Send'));
  form.addEventListener('submit', (e) => { e.preventDefault(); send(method, path, op, form, out); });
  return el('details', {}, el('summary', {}, el('span', {}, 'Try it')), form, out);
}

/**
 * operation shows one, and fills itself when it is opened.
 * @param {string} method
 * @param {string} path
 * @param {Json} op
 */
function operation(method, path, op) {
  const d = /** @type {HTMLDetailsElement} */ (el('details', { id: op.operationId, class: 'operation' },
    el('summary', {}, el('b', { class: method }, method), el('code', {}, path), el('span', {}, op.summary))));
  d.addEventListener('toggle', () => {
    if (!d.open || d.childElementCount > 1) return;
    const need = op['x-needs'] ? `Needs ${op['x-needs']}. ` : '';
    const by = (op.security || []).map((/** @type {Json} */ s) => Object.keys(s)[0] || 'none').join(', ');
    d.append(el('p', {}, op.description || ''), el('p', { class: 'hint' }, need + (by ? `Credentials: ${by}.` : 'Open to all.')));
    if (op.parameters) {
      d.append(el('h3', {}, 'Parameters'), table(op.parameters.map((/** @type {Json} */ p) => [
        p.name, typeOf(p.schema), [p.in, p.required ? 'required' : '', p.description, ...limits(p.schema)].filter(Boolean).join('; '),
      ])));
    }
    if (op.requestBody) d.append(content('Body', op.requestBody.content, op.requestBody.description));
    const problems = [];
    for (const [status, r] of Object.entries(op.responses)) {
      if (r.$ref) problems.push([status, '', deref(r).description]);
      else d.append(content(status, r.content, r.description), r.content ? '' : el('h3', {}, `${status}, no body`));
    }
    d.append(el('h3', {}, 'Problems'), table(problems));
    if (op.responses[101] === undefined) d.append(tryIt(method.toUpperCase(), path, op));
  });
  return d;
}

function show() {
  byId('version').textContent = doc.info.version;
  byId('about').replaceChildren(...doc.info.description.split('\n\n').map((/** @type {string} */ p) => el('p', {}, p)),
    el('p', {}, el('a', { href: '/openapi.json' }, '/openapi.json'), ' · ', el('a', { href: '/asyncapi.json' }, '/asyncapi.json'), ' (live)'));
  const groups = new Map(doc.tags.map((/** @type {Json} */ t) => [t.name, [t.description]]));
  for (const [path, item] of Object.entries(doc.paths)) {
    for (const [method, op] of Object.entries(item)) {
      if (op && op.operationId) groups.get(op.tags[0]).push(operation(method.toUpperCase(), path, op));
    }
  }
  for (const [name, [about, ...operations]] of groups) {
    byId('out').append(el('section', {}, el('h2', {}, name), el('p', { class: 'hint' }, about), ...operations));
  }
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target) { target.setAttribute('open', ''); target.scrollIntoView(); }
}

byId('find').addEventListener('input', (e) => {
  const wanted = /** @type {HTMLInputElement} */ (e.target).value.toLowerCase();
  for (const section of document.querySelectorAll('main section')) {
    let any = false;
    for (const d of /** @type {NodeListOf<HTMLElement>} */ (section.querySelectorAll('.operation'))) {
      d.hidden = !(d.id + ' ' + d.firstElementChild?.textContent).toLowerCase().includes(wanted);
      any ||= !d.hidden;
    }
    /** @type {HTMLElement} */ (section).hidden = !any;
  }
});

byId('login').addEventListener('submit', async (e) => {
  e.preventDefault();
  const who = byId('who');
  const [email, password] = ['email', 'password'].map((id) => /** @type {HTMLInputElement} */ (byId(id)));
  try {
    const r = await fetch('/api/v1/auth/login', {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ email: email.value, password: password.value }),
    });
    const answer = await r.json();
    token = answer.accessToken || ''; // kept in this page alone: it is gone with it
    who.textContent = r.ok ? `Logged in as ${email.value}.` : answer.detail;
  } catch {
    who.textContent = 'The server does not answer.';
  }
  password.value = '';
});

fetch('/openapi.json').then((r) => r.json()).then((d) => { doc = d; show(); }).catch((e) => {
  byId('about').textContent = `The description could not be read: ${e.message}`;
});
