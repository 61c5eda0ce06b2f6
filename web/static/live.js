// The live connection: one WebSocket with one subscription, kept open.

/**
 * @typedef {{kinds: string[], ports: {deviceId: string, portNumber: number}[]}} Subscription
 * @typedef {{type: string, items?: import('./api.js').Reading[], skipped?: number, at?: string, deviceId?: string,
 *   port?: string, status?: string, reason?: string, line?: string, detail?: string}} Message
 * @typedef {'connecting' | 'live' | 'waiting' | 'stopped'} LiveState
 */

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 15_000;
const STABLE_MS = 5_000; // a connection that held so long starts the backoff anew

/**
 * Live keeps the subscription until stop: a broken connection is made again,
 * after a time that doubles and is shaken, so that many pages do not come back
 * at once. What was missed meanwhile is for the caller to fetch, in onState
 * 'live'.
 */
export class Live {
  /**
   * @param {{url: string, token: () => string, subscription: Subscription, onMessage: (m: Message) => void,
   *   onState: (s: LiveState, retryAt: number) => void, connect?: (url: string) => WebSocket}} o
   */
  constructor({ url, token, subscription, onMessage, onState, connect = (u) => new WebSocket(u) }) {
    this.url = url;
    this.token = token;
    this.subscription = subscription;
    this.onMessage = onMessage;
    this.onState = onState;
    this.connect = connect;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.attempts = 0;
    this.timer = 0;
    /** @type {LiveState} */
    this.state = 'stopped';
  }

  start() {
    clearTimeout(this.timer);
    this.#set('connecting');
    const socket = this.connect(this.url);
    this.socket = socket;
    let since = 0;
    socket.onopen = () => {
      socket.send(JSON.stringify({ type: 'auth', token: this.token() }));
      socket.send(JSON.stringify({ type: 'subscribe', id: 1, ...this.subscription }));
    };
    socket.onmessage = (event) => {
      if (this.socket !== socket) return;
      const m = /** @type {Message} */ (JSON.parse(event.data));
      if (m.type === 'subscribed') {
        since = Date.now();
        this.#set('live');
      } else {
        this.onMessage(m);
      }
    };
    socket.onclose = () => {
      if (this.socket !== socket) return;
      if (since && Date.now() - since > STABLE_MS) this.attempts = 0;
      this.#retry();
    };
  }

  /** renew tells the server of another token: it closes what holds one that ended. */
  renew() {
    if (this.state === 'live') this.socket?.send(JSON.stringify({ type: 'auth', token: this.token() }));
  }

  /** stop ends the connection for good. */
  stop() {
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    this.#set('stopped');
  }

  /** again connects now: the network came back, or the connection is in doubt. */
  again() {
    if (this.state === 'stopped') return;
    this.attempts = 0;
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    this.start();
  }

  #retry() {
    this.socket = null;
    const most = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.attempts++);
    const wait = most * (0.5 + Math.random() / 2);
    this.#set('waiting', Date.now() + wait);
    this.timer = setTimeout(() => this.start(), wait);
  }

  /**
   * @param {LiveState} state
   * @param {number} [retryAt]
   */
  #set(state, retryAt = 0) {
    this.state = state;
    this.onState(state, retryAt);
  }
}
