// The records of a CSV file, as they stand in it.

/**
 * records takes a file apart, with the number of the line on which each
 * begins: a quoted field may hold line breaks. Empty lines are left out, as
 * the server does.
 * @param {string} text
 * @returns {{line: number, text: string}[]}
 */
export function records(text) {
  const out = [];
  let begin = text.startsWith('\ufeff') ? 1 : 0;
  let quoted = false;
  let line = 1;
  let first = 1;
  for (let i = begin; i <= text.length; i++) {
    const c = text[i];
    if (c === '"') quoted = !quoted;
    const end = i === text.length;
    if (c !== '\n' && !end) continue;
    if (c === '\n') line++;
    if (quoted && !end) continue;
    const record = text.slice(begin, i).replace(/\r$/, '');
    if (record) out.push({ line: first, text: record });
    begin = i + 1;
    first = line;
  }
  return out;
}

/**
 * save hands a text to the browser as a file.
 * @param {string} name
 * @param {string} text
 */
export function save(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: 'text/csv' }));
  const a = document.createElement('a');
  a.href = url;
  a.download = name;
  a.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** cell writes a value so that it is one field. @param {string} v */
export const cell = (v) => (/[",\n\r]/.test(v) ? `"${v.replaceAll('"', '""')}"` : v);
