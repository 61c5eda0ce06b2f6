// What is in sight: of two hundred tiles those that nobody sees follow no value.
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';

/** @type {WeakMap<Element, (seen: boolean) => void>} */
const told = new WeakMap();

/** @type {IntersectionObserver | null} one for all: it looks once a frame */
let observer = null;

/** useInSight answers a ref for an element, and a signal of whether it is in sight, or nearly. */
export function useInSight() {
  const ref = useRef(/** @type {HTMLElement | null} */ (null));
  const seen = useSignal(false);
  useEffect(() => {
    const element = ref.current;
    if (!element) return undefined;
    observer ??= new IntersectionObserver((entries) => {
      for (const e of entries) told.get(e.target)?.(e.isIntersecting);
    }, { rootMargin: '60px' });
    told.set(element, (v) => { seen.value = v; });
    observer.observe(element);
    return () => observer?.unobserve(element);
  }, []);
  return { ref, seen };
}
