// The history of ports: which, over which range, drawn by unit.
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { html } from '../parts/html.js';
import { Empty, Page } from '../parts/page.js';
import { t } from '../core/words.js';
import { LEFT_EM, RIGHT_EM } from '../chart/history.js';
import { Alarms } from './alarms.js';
import { Chart } from './chart.js';
import { look, portKeys, width } from './looking.js';
import { Picker } from './picker.js';
import { chosen, forget, groups, learn } from './ports.js';
import { Save } from './save.js';
import { Toolbar } from './toolbar.js';

export default function Explore() {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const keys = portKeys.value;
  const number = groups.value.size;
  useEffect(() => {
    const end = look();
    return () => {
      end();
      forget();
    };
  }, []);
  useEffect(() => learn(), [keys]);
  useLayoutEffect(() => {
    const element = /** @type {HTMLElement} */ (box.current);
    const measure = () => {
      const style = getComputedStyle(element);
      const column = parseFloat(style.gridTemplateColumns) || element.clientWidth;
      width.value = Math.max(100, Math.round(column - (LEFT_EM + RIGHT_EM + 1) * parseFloat(style.fontSize)));
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, [number]);
  const unknown = keys && chosen.value.some((p) => !p.known);
  return html`
    <${Page} title=${t('explore.title')} wide actions=${keys && html`<${Save} />`}>
      <section class="panel explore-head" aria-label=${t('explore.what')}>
        <${Picker} />
        <${Toolbar} />
      </section>
      <div class="histories ${number === 1 ? 'one' : number === 2 ? 'two' : 'many'}" ref=${box}>
        ${!keys && html`<div class="panel"><${Empty} title=${t('explore.emptyTitle')}><p class="hint">${t('explore.emptyText')}</p><//></div>`}
        ${unknown && !number && html`<p class="panel hint pad" aria-busy="true">${t('loading')}</p>`}
        ${[...groups.value].map(([key, ports]) => html`<${Chart} key=${key} ports=${ports} />`)}
      </div>
      ${keys && html`<${Alarms} />`}
      ${number > 0 && html`<p class="hint tips">${t('explore.tips')}</p>`}
    <//>`;
}
