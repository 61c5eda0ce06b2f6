// How often the charts are drawn.

const LEAST_MS = 50; // between two drawings
const MOST_MS = 2_000;
const SHARE = 10; // drawing takes a tenth of the time at most

/**
 * Pace draws with the next frame, and then waits the longer the more work the
 * last drawing was: a machine that is slow draws more seldom, and stays usable.
 */
export class Pace {
  /** @param {() => void} draw what it does in microtasks counts as drawing too */
  constructor(draw) {
    this.draw = draw;
    this.timer = 0;
    this.frame = 0;
    this.drawn = 0; // when, by performance.now()
    this.cost = 0; // ms, of the last drawings
  }

  /** ask has it drawn soon; it may be called any number of times until then. */
  ask() {
    if (this.timer || this.frame) return;
    const wait = this.drawn + Math.min(MOST_MS, Math.max(LEAST_MS, SHARE * this.cost)) - performance.now();
    if (wait <= 0) this.#soon(); else this.timer = setTimeout(() => { this.timer = 0; this.#soon(); }, wait);
  }

  #soon() {
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      const begin = performance.now();
      this.draw();
      queueMicrotask(() => {
        this.drawn = performance.now();
        this.cost = 0.7 * this.cost + 0.3 * (this.drawn - begin);
      });
    });
  }

  stop() {
    clearTimeout(this.timer);
    cancelAnimationFrame(this.frame);
    this.timer = this.frame = 0;
  }
}
