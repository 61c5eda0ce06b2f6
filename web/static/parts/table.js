// Tables of records, from a phone to a wall screen.
import { html } from './html.js';
import { t } from '../core/words.js';

/**
 * @template T
 * @typedef {{name: string, title?: string, cell: (row: T) => any, className?: string, sort?: string}} Column
 *   className such as num, wide, narrow-hides (not shown on a phone); sort: the name that onSort gets
 */

/**
 * Table shows rows; on a phone each is a card, whose values carry the columns'
 * names. A row that leads somewhere has a link in its first cell (href).
 * @template T
 * @param {{label: string, columns: Column<T>[], rows: T[], rowKey: (row: T) => string, href?: (row: T) => string,
 *   sort?: string, descending?: boolean, onSort?: (sort: string, descending: boolean) => void, more?: (() => void) | null, loading?: boolean,
 *   rowClass?: (row: T) => string, below?: (row: T) => any}} p below: what stands under a row, over all columns; null: nothing
 */
export function Table({ label, columns, rows, rowKey, href, sort, descending, onSort, more, loading, rowClass, below }) {
  return html`
    <div class="table-box">
      <table class="table" aria-label=${label}>
        <thead>
          <tr>
            ${columns.map((c) => {
              const sorted = c.sort && c.sort === sort;
              const order = sorted ? (descending ? 'descending' : 'ascending') : undefined;
              return html`
                <th key=${c.name} scope="col" class=${c.className || ''} aria-sort=${order}>
                  ${c.sort && onSort ? html`
                    <button onClick=${() => onSort(/** @type {string} */ (c.sort), sorted ? !descending : false)}>${c.name}<span aria-hidden="true">${
                      sorted ? (descending ? ' ↓' : ' ↑') : ''}</span></button>` : c.name}
                </th>`;
            })}
          </tr>
        </thead>
        <tbody>
          ${rows.map((r) => {
            const under = below?.(r);
            return html`
              <tr key=${rowKey(r)} class=${rowClass?.(r) || ''}>
                ${columns.map((c, i) => html`
                  <td key=${c.name} class=${c.className || ''} data-name=${c.name}>${i === 0 && href ? html`<a href=${href(r)}>${c.cell(r)}</a>` : c.cell(r)}</td>`)}
              </tr>
              ${under && html`<tr key=${rowKey(r) + ' below'} class="below"><td colSpan=${columns.length}>${under}</td></tr>`}`;
          })}
        </tbody>
      </table>
      ${more && html`<p class="more"><button class="quiet" onClick=${more} disabled=${loading}>${loading ? t('busy') : t('more')}</button></p>`}
    </div>`;
}
