// The handle of a level in a chart: it is dragged, or moved by the arrow keys.
import { html } from '../parts/html.js';
import { value } from '../core/format.js';
import { t } from '../core/words.js';

/**
 * rounded answers a value with no more digits than a pixel is worth.
 * @param {number} v
 * @param {number} pixel what one pixel of the chart is worth
 */
export function rounded(v, pixel) {
  const unit = 10 ** Math.floor(Math.log10(Math.max(pixel, 1e-12)));
  return Number((Math.round(v / unit) * unit).toPrecision(12));
}

/**
 * @param {{level: import('./history.js').Level, plot: any, unit: string, onMove: (v: number) => void}} p
 */
export function Level({ level, plot, unit, onMove }) {
  const over = /** @type {HTMLElement} */ (plot.over);
  const high = over.clientHeight;
  const top = plot.valToPos(level.value, 'y');
  const pixel = Math.abs(plot.posToVal(0, 'y') - plot.posToVal(1, 'y'));
  if (!Number.isFinite(top) || top < -1 || top > high + 1) return null;
  const drag = (/** @type {PointerEvent} */ e) => {
    const handle = /** @type {HTMLElement} */ (e.currentTarget);
    handle.setPointerCapture(e.pointerId);
    e.preventDefault();
    handle.focus();
    const begin = over.getBoundingClientRect().top;
    const move = (/** @type {PointerEvent} */ m) => onMove(rounded(plot.posToVal(Math.max(0, Math.min(high, m.clientY - begin)), 'y'), pixel));
    const end = () => {
      handle.removeEventListener('pointermove', move);
      handle.removeEventListener('pointerup', end);
      handle.removeEventListener('pointercancel', end);
    };
    handle.addEventListener('pointermove', move);
    handle.addEventListener('pointerup', end);
    handle.addEventListener('pointercancel', end);
  };
  const key = (/** @type {KeyboardEvent} */ e) => {
    const pixels = { ArrowUp: 1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[e.key];
    if (!pixels) return;
    e.preventDefault();
    onMove(rounded(level.value + pixels * pixel, pixel));
  };
  const name = t('rules.field.' + level.field);
  return html`
    <div class="level ${level.field}" style=${{ top: `${top + over.offsetTop}px`, right: '0' }} role="slider" tabIndex=${0} aria-orientation="vertical"
      aria-label=${name} aria-valuenow=${level.value} aria-valuetext=${`${value(level.value)} ${unit}`.trim()} title=${t('rules.moveHint', { name })}
      onPointerDown=${drag} onKeyDown=${key}>${value(level.value)}</div>`;
}
