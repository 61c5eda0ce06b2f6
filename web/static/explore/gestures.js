// How a chart is moved by mouse, trackpad and fingers.
import { now } from '../core/clock.js';
import { cursor, hold, range, release, settle, zoom, zoomOut } from './looking.js';
import { bounded, panned, pinched, zoomed } from './motion.js';

const LEAST_PX = 6; // a shorter drag is a click
const WHEEL_REST_MS = 250;

/**
 * gestures listens on a plot: a drag chooses a part to zoom into, with shift it
 * moves the range, as one finger does; two fingers zoom; a wheel that turns
 * sideways moves, with ctrl it zooms; a double click zooms out.
 * @param {import('uplot')} u
 * @returns {() => void} ends it
 */
export function gestures(u) {
  const { over } = u;
  /** @type {Map<number, {x: number, y: number}>} pointers that are down */
  const down = new Map();
  /** @type {{kind: 'select' | 'pan' | 'pinch', range: {from: number, to: number}, places: number[], at: number} | null} */
  let going = null;
  let wheel = 0;
  let frame = 0;
  const box = () => over.getBoundingClientRect();
  const part = (/** @type {number} */ x) => (x - box().left) / box().width;
  const time = (/** @type {number} */ x) => u.posToVal(Math.max(0, Math.min(box().width, x - box().left)), 'x');
  const seen = () => ({ from: range.peek().from, to: range.peek().to });
  const places = () => [...down.values()].map((p) => part(p.x));

  /** @param {PointerEvent} e */
  const begin = (e) => {
    if (e.pointerType === 'mouse' && e.button !== 0) return;
    down.set(e.pointerId, { x: e.clientX, y: e.clientY });
    over.setPointerCapture(e.pointerId);
    if (down.size > 2) return;
    const kind = down.size === 2 ? 'pinch' : e.pointerType === 'mouse' && !e.shiftKey ? 'select' : 'pan';
    going = { kind, range: seen(), places: places(), at: e.clientX };
  };

  /** @param {PointerEvent} e */
  const move = (e) => {
    if (!going || !down.has(e.pointerId)) return;
    down.set(e.pointerId, { x: e.clientX, y: e.clientY });
    if (going.kind === 'select') {
      const x = Math.max(0, Math.min(box().width, e.clientX - box().left));
      const from = going.at - box().left;
      u.setSelect({ left: Math.min(x, from), width: Math.abs(x - from), top: 0, height: box().height }, false);
    } else {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        const r = moved();
        if (r) hold(r);
      });
    }
  };

  const moved = () => {
    if (!going) return null;
    const p = places();
    if (going.kind === 'pinch' && p.length === 2) {
      return pinched(going.range, /** @type {[number, number]} */ (going.places), /** @type {[number, number]} */ (p), now.peek());
    }
    return going.kind === 'pan' ? panned(going.range, going.places[0] - p[0], now.peek()) : null;
  };

  /** @param {PointerEvent} e */
  const end = (e) => {
    if (!going || !down.has(e.pointerId)) return;
    const g = going;
    const r = moved();
    cancelAnimationFrame(frame);
    frame = 0;
    down.delete(e.pointerId);
    going = null;
    u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    if (g.kind === 'select') {
      if (e.type === 'pointerup' && Math.abs(e.clientX - g.at) >= LEAST_PX) {
        const [a, b] = [time(g.at), time(e.clientX)];
        zoom(bounded({ from: Math.min(a, b), to: Math.max(a, b) }, now.peek()));
      }
    } else if (e.type === 'pointercancel') {
      release(); // the browser scrolls the page instead
    } else if (r && (r.from !== g.range.from || r.to !== g.range.to)) {
      settle(r);
    } else if (g.kind === 'pan' && e.pointerType !== 'mouse') {
      cursor.value = time(e.clientX); // a tap reads
    }
    if (down.size) going = { kind: 'pan', range: seen(), places: places(), at: 0 }; // one of two fingers stays
  };

  /** @param {WheelEvent} e */
  const turn = (e) => {
    const sideways = Math.abs(e.deltaX) > Math.abs(e.deltaY) ? e.deltaX : e.shiftKey ? e.deltaY : 0;
    if (!sideways && !e.ctrlKey) return;
    e.preventDefault();
    const px = e.deltaMode === 1 ? 30 : 1;
    const r = e.ctrlKey ? zoomed(seen(), Math.exp(Math.max(-1, Math.min(1, e.deltaY * px / 300))), time(e.clientX), now.peek())
      : panned(seen(), sideways * px / box().width, now.peek());
    hold(r);
    clearTimeout(wheel);
    wheel = setTimeout(() => settle(seen()), WHEEL_REST_MS);
  };

  over.addEventListener('pointerdown', begin);
  over.addEventListener('pointermove', move);
  over.addEventListener('pointerup', end);
  over.addEventListener('pointercancel', end);
  over.addEventListener('wheel', turn, { passive: false });
  over.addEventListener('dblclick', zoomOut);
  return () => { // the plot goes with its listeners
    clearTimeout(wheel);
    cancelAnimationFrame(frame);
  };
}
