// The live connection: one WebSocket for the whole page, kept open, with as
// many subscriptions as its parts need.

/**
 * @typedef {{kinds: string[], orgId?: string, devices?: string[], ports?: {deviceId: string, portNumber: number}[],
 *   snapshot?: boolean}} Subscription
 * @typedef {import('./api.js').Reading} Reading
 * @typedef {{type: string, id?: number, seq?: number, stream?: string, resumed?: boolean, last?: boolean, items?: Reading[],
 *   readings?: any[], lifecycle?: any[], alerts?: any[], alert?: any, skipped?: number, at?: string, orgId?: string,
 *   deviceId?: string, port?: string, status?: string, reason?: string, line?: string, detail?: string}} Message
 * @typedef {'connecting' | 'live' | 'waiting' | 'stopped'} LiveState
 * @typedef {(m: Message) => void} Take
 * @typedef {{spec: Subscription, take: Take, missed: () => void, ready: boolean, stream: string, seq: number, asked: boolean}} Entry
 */

const OPEN = 1; // WebSocket.OPEN
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 15_000;
const STABLE_MS = 5_000; // a connection that held so long starts the backoff anew

/**
 * Live keeps its subscriptions until they are ended: a broken connection is
 * made again, after a time that doubles and is shaken, so that many pages do
 * not come back at once. Each subscription then asks for what it missed; what
 * the server does not have any more is for the subscriber to fetch, in missed.
 */
export class Live {
  /**
   * @param {{url: string, token: () => string, onState: (s: LiveState, retryAt: number) => void,
   *   onRefused?: (why: string) => void, connect?: (url: string) => WebSocket}} o
   */
  constructor({ url, token, onState, onRefused = () => {}, connect = (u) => new WebSocket(u) }) {
    this.url = url;
    this.token = token;
    this.onState = onState;
    this.onRefused = onRefused;
    this.connect = connect;
    /** @type {WebSocket | null} */
    this.socket = null;
    /** @type {Map<number, Entry>} */
    this.entries = new Map();
    this.next = 1;
    this.open = false;
    this.attempts = 0;
    this.timer = 0;
    /** @type {LiveState} */
    this.state = 'stopped';
  }

  /**
   * subscribe has take called with every message, from now until the answered
   * function is called, across broken connections.
   * @param {Subscription} spec
   * @param {Take} take
   * @param {() => void} [missed] something was not seen: fetch it by a query
   * @returns {() => void} ends it
   */
  subscribe(spec, take, missed = () => {}) {
    const id = this.next++;
    this.entries.set(id, { spec, take, missed, ready: false, stream: '', seq: 0, asked: false });
    if (this.state === 'stopped') this.start(); else if (this.open) this.#ask(id);
    else this.#judge();
    return () => {
      if (!this.entries.delete(id)) return;
      if (this.open) this.#send({ type: 'unsubscribe', id });
      if (!this.entries.size) this.stop(); else this.#judge();
    };
  }

  start() {
    clearTimeout(this.timer);
    this.open = false;
    for (const e of this.entries.values()) e.ready = false;
    this.#set('connecting');
    const socket = this.connect(this.url);
    this.socket = socket;
    let since = 0;
    socket.onopen = () => {
      if (this.socket !== socket) return;
      since = Date.now();
      this.open = true;
      this.#send({ type: 'auth', token: this.token() });
      for (const id of this.entries.keys()) this.#ask(id);
    };
    socket.onmessage = (event) => {
      if (this.socket === socket) this.#take(JSON.parse(event.data));
    };
    socket.onclose = () => {
      if (this.socket !== socket) return;
      if (since && Date.now() - since > STABLE_MS) this.attempts = 0;
      this.#retry();
    };
  }

  /** @param {number} id */
  #ask(id) {
    const e = /** @type {Entry} */ (this.entries.get(id));
    const resume = e.stream ? { stream: e.stream, after: e.seq } : {};
    e.ready = false;
    this.#send({ type: 'subscribe', id, ...e.spec, ...resume });
    this.#judge();
  }

  /**
   * A connection that is closing takes nothing any more: what was asked is
   * asked again on the next one.
   * @param {object} m
   */
  #send(m) { if (this.socket?.readyState === OPEN) this.socket.send(JSON.stringify(m)); }

  /** @param {Message} m */
  #take(m) {
    if (m.type === 'error') {
      this.onRefused(m.detail || '');
      return;
    }
    const e = this.entries.get(m.id || 0);
    if (!e) return; // it was ended meanwhile
    if (m.type === 'subscribed') {
      const again = e.asked;
      e.asked = e.ready = true;
      e.stream = m.stream || '';
      if (!m.resumed) e.seq = m.seq || 0;
      if (again && !m.resumed) e.missed();
      this.#judge();
      return;
    }
    if (m.seq) e.seq = m.seq;
    e.take(m);
    if (m.skipped) e.missed();
  }

  #judge() {
    if (this.state === 'waiting' || this.state === 'stopped') return;
    this.#set(this.open && [...this.entries.values()].every((e) => e.ready) ? 'live' : 'connecting');
  }

  /** renew tells the server of another token: it closes what holds one that ended. */
  renew() {
    if (this.open) this.#send({ type: 'auth', token: this.token() });
  }

  /** stop ends the connection for good; the subscriptions stay, for a later start. */
  stop() {
    clearTimeout(this.timer);
    this.#leave();
    this.#set('stopped');
  }

  /** again connects now: the network came back, or the connection is in doubt. */
  again() {
    if (this.state === 'stopped') return;
    this.attempts = 0;
    this.#leave();
    this.start();
  }

  #leave() {
    const socket = this.socket;
    this.socket = null;
    this.open = false;
    socket?.close();
  }

  #retry() {
    this.socket = null;
    this.open = false;
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
    if (state === this.state && !retryAt) return;
    this.state = state;
    this.onState(state, retryAt);
  }
}
