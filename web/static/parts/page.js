// The frame of a page: its title, what can be done, its tabs.
import { useEffect, useRef } from 'preact/hooks';
import { html } from './html.js';
import { path } from '../core/route.js';

/**
 * Page is what a place shows. Its title is the document's, and takes the
 * focus when one comes from another place, so that a screen reader says it.
 * @param {{title: string, lead?: any, actions?: any, tabs?: {href: string, name: string, count?: number | string}[], wide?: boolean,
 *   children?: any}} p
 */
export function Page({ title, lead, actions, tabs, wide, children }) {
  const heading = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => { document.title = title + ' · tidegate'; }, [title]);
  useEffect(() => {
    if (arrived) heading.current?.focus({ preventScroll: true });
    arrived = true;
  }, []);
  return html`
    <div class="page ${wide ? 'wide' : ''}">
      <header class="page-head">
        <h1 tabIndex=${-1} ref=${heading}>${title}</h1>
        ${lead && html`<div class="lead">${lead}</div>`}
        ${actions && html`<div class="actions">${actions}</div>`}
      </header>
      ${tabs && html`<${Tabs} tabs=${tabs} label=${title} />`}
      ${children}
    </div>`;
}

/** arrived is whether a page was shown before: the first one leaves the focus alone. */
let arrived = false;

/** @param {{tabs: {href: string, name: string, count?: number | string}[], label: string}} p */
export function Tabs({ tabs, label }) {
  const here = '/' + path.value.map(encodeURIComponent).join('/').replaceAll('%3A', ':');
  const current = tabs.filter((o) => here === o.href || here.startsWith(o.href + '/')).sort((a, b) => b.href.length - a.href.length)[0];
  const nav = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => { nav.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' }); }, [current?.href]);
  return html`
    <nav class="tabs" aria-label=${label} ref=${nav}>
      ${tabs.map((o) => html`
        <a key=${o.href} href=${o.href} aria-current=${o === current ? 'page' : undefined}>${o.name}${
          o.count !== undefined && html`<span class="count num">${o.count}</span>`}</a>`)}
    </nav>`;
}

/**
 * Panel is a part of a page with a heading of its own.
 * @param {{title?: any, hint?: any, actions?: any, className?: string, children?: any, busy?: boolean}} p
 */
export function Panel({ title, hint, actions, className = '', children, busy }) {
  return html`
    <section class="panel ${className}" aria-busy=${busy || undefined}>
      ${title && html`
        <header class="panel-head">
          <h2>${title}</h2>
          ${hint && html`<span class="hint">${hint}</span>`}
          ${actions && html`<div class="actions">${actions}</div>`}
        </header>`}
      ${children}
    </section>`;
}

/** @param {{title?: string, children?: any}} p what to do where there is nothing yet */
export function Empty({ title, children }) {
  return html`<div class="empty">${title && html`<p class="empty-title">${title}</p>`}${children}</div>`;
}

/** @param {{tone?: 'good' | 'warn' | 'bad' | 'quiet', title?: string, children?: any}} p */
export function Badge({ tone = 'quiet', title, children }) {
  return html`<span class="badge ${tone}" title=${title}>${children}</span>`;
}
