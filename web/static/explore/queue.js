// Requests in turn: a bounded number at a time.

/** @typedef {{run: () => void, low: boolean}} Waiting */

/**
 * Queue runs at most so many jobs at once; those that wait begin in the order
 * of their coming, low ones after all others. A job that is aborted while it
 * waits never begins.
 */
export class Queue {
  /** @param {number} most */
  constructor(most) {
    this.most = most;
    this.running = 0;
    /** @type {Waiting[]} */
    this.waiting = [];
  }

  /**
   * @template T
   * @param {() => Promise<T>} job
   * @param {AbortSignal} signal
   * @param {boolean} [low] begins when nothing else waits
   * @returns {Promise<T>} rejects with the signal's reason when it was aborted
   */
  add(job, signal, low = false) {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }
      const entry = {
        low,
        run: () => {
          signal.removeEventListener('abort', give);
          this.running++;
          job().then(resolve, reject).finally(() => {
            this.running--;
            this.#next();
          });
        },
      };
      const give = () => {
        this.waiting = this.waiting.filter((w) => w !== entry);
        reject(signal.reason);
      };
      signal.addEventListener('abort', give, { once: true });
      this.waiting.push(entry);
      this.#next();
    });
  }

  #next() {
    while (this.running < this.most && this.waiting.length) {
      const i = Math.max(0, this.waiting.findIndex((w) => !w.low));
      this.waiting.splice(i, 1)[0].run();
    }
  }
}
