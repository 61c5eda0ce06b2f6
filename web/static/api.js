// The calls of the HTTP API.

/**
 * @typedef {{id: string, orgId: string, serialNumber?: string, name?: string, state: string, online: boolean,
 *   lastSeen?: string, ports?: Port[]}} Device
 * @typedef {{deviceId: string, number: number, name?: string, unit?: string, low?: number, high?: number,
 *   validMin?: number, validMax?: number}} Port
 * @typedef {{ts: string, deviceId: string, portNumber: number, rawValue: number, calibratedValue: number,
 *   quality: string, flags: string[], ingestTs: string}} Reading
 * @typedef {{ts: string, deviceId: string, portNumber: number, count: number, mean: number, min: number,
 *   max: number}} Aggregate
 * @typedef {{received: number, stored: number, duplicate: number, rejected: number, pending: number,
 *   shed: number}} Ledger
 * @typedef {{ready: boolean, whole: boolean, version: string, store: string, mqtt: string, connections: number, devices: number,
 *   ledger: Ledger, log: {depth: number, bytes: number, maxBytes: number, etaSeconds?: number},
 *   warnings?: string[]}} Status
 * @typedef {{id: string, reason: string, detail: string, orgId: string, deviceId: string, port?: string,
 *   receivedAt: string}} DeadLetter
 * @typedef {{accessToken: string, expiresAt: string, user: {email: string}}} Login
 */

/** Problem is an answer that is not a success; status 0: there was none. */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {string} message what is wrong and the way out, for people
   * @param {number} [retryAfter] seconds
   */
  constructor(status, message, retryAfter) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

const TIMEOUT_MS = 20_000;

/** Api calls the server that the page came from. */
export class Api {
  /**
   * @param {() => string} token
   * @param {(token: string) => Promise<boolean>} renew called when the server takes a token no more; it answers
   *   whether there is another one to try
   */
  constructor(token, renew) {
    this.token = token;
    this.renew = renew;
    /** skew is how far the server's clock is ahead of this one, in ms; small differences count as none. */
    this.skew = 0;
  }

  /**
   * @typedef {{method?: string, query?: Record<string, string|number|(string|number)[]>, body?: object,
   *   keepalive?: boolean}} Request
   * @param {string} path below /api/v1
   * @param {Request} [o]
   * @returns {Promise<any>}
   */
  async call(path, o) {
    const token = this.token();
    try {
      return await this.#once(path, token, o);
    } catch (e) {
      if (!token || /** @type {Problem} */ (e).status !== 401 || !await this.renew(token)) throw e;
    }
    return this.#once(path, this.token(), o);
  }

  /**
   * @param {string} path
   * @param {string} token empty: none
   * @param {Request} [o]
   * @returns {Promise<any>}
   */
  async #once(path, token, { method = 'GET', query = {}, body, keepalive } = {}) {
    const params = new URLSearchParams();
    for (const [key, v] of Object.entries(query)) {
      for (const one of Array.isArray(v) ? v : [v]) params.append(key, String(one));
    }
    /** @type {Record<string, string>} */
    const headers = { Accept: 'application/json' };
    if (token) headers.Authorization = 'Bearer ' + token;
    if (body) headers['Content-Type'] = 'application/json';
    let answer;
    try {
      answer = await fetch('/api/v1' + path + (params.size ? '?' + params : ''), {
        method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(TIMEOUT_MS), cache: 'no-store', keepalive,
      });
      const ahead = Date.parse(answer.headers.get('Date') || '') - Date.now();
      this.skew = Math.abs(ahead) > 3_000 ? ahead : 0;
      if (answer.ok) return answer.status === 204 ? null : await answer.json();
    } catch {
      throw new Problem(0, 'The server does not answer.');
    }
    const problem = await answer.json().catch(() => ({}));
    throw new Problem(answer.status, problem.detail || problem.title || `The server answered ${answer.status}.`,
      Number(answer.headers.get('Retry-After')) || undefined);
  }

  /**
   * @param {string} email
   * @param {string} password
   * @returns {Promise<Login>}
   */
  login(email, password) {
    return this.#once('/auth/login', '', { method: 'POST', body: { email, password, cookie: true } });
  }

  /**
   * refresh gets the next token by the cookie. The answer changes the cookie,
   * also when the page is left meanwhile.
   * @returns {Promise<Login>}
   */
  refresh() { return this.#once('/auth/refresh', '', { method: 'POST', keepalive: true }); }

  /**
   * logout ends the session that the cookie is of.
   * @returns {Promise<void>}
   */
  logout() { return this.#once('/auth/logout', '', { method: 'POST', keepalive: true }); }

  /**
   * @param {string} token of the setup link
   * @param {string} email
   * @param {string} password
   * @returns {Promise<Login>}
   */
  setup(token, email, password) {
    return this.#once('/setup', '', { method: 'POST', body: { token, email, password, cookie: true } });
  }

  /**
   * @param {string} token of an invitation or a reset link
   * @param {string} password
   * @returns {Promise<Login>}
   */
  accept(token, password) {
    return this.#once('/auth/accept', '', { method: 'POST', body: { token, password, cookie: true } });
  }

  /** @returns {Promise<Status>} */
  status() { return this.call('/status'); }

  /**
   * devices answers all of them, page by page.
   * @returns {Promise<Device[]>}
   */
  async devices() {
    /** @type {Device[]} */
    const all = [];
    let cursor = '';
    do {
      const page = await this.call('/devices', { query: cursor ? { limit: 500, cursor } : { limit: 500 } });
      all.push(...page.items);
      cursor = page.nextCursor || '';
    } while (cursor);
    return all;
  }

  /**
   * @param {string} id
   * @returns {Promise<Device>} with its ports
   */
  device(id) { return this.call('/devices/' + encodeURIComponent(id)); }

  /**
   * @param {string} deviceId
   * @returns {Promise<Reading[]>} the newest of each port
   */
  async latest(deviceId) { return (await this.call('/readings/latest', { query: { deviceId } })).items; }

  /**
   * @param {string} deviceId
   * @param {number} portNumber
   * @param {number} from Unix ms, inclusive
   * @param {number} to Unix ms, exclusive
   * @param {number} limit
   * @returns {Promise<{items: Reading[], nextCursor?: string}>} oldest first
   */
  readings(deviceId, portNumber, from, to, limit) {
    return this.call('/readings', { query: { deviceId, portNumber, from: iso(from), to: iso(to), limit } });
  }

  /**
   * @param {string} deviceId
   * @param {number} portNumber
   * @param {number} from Unix ms, inclusive
   * @param {number} to Unix ms, exclusive
   * @param {number} every ms, whole seconds
   * @returns {Promise<Aggregate[]>}
   */
  async aggregates(deviceId, portNumber, from, to, every) {
    const query = { deviceId, portNumber, from: iso(from), to: iso(to), every: every / 1000 + 's', limit: 10_000 };
    return (await this.call('/readings', { query })).items;
  }

  /**
   * @param {number} limit
   * @returns {Promise<DeadLetter[]>} newest first
   */
  async deadLetters(limit) { return (await this.call('/dead-letters', { query: { limit } })).items; }
}

/** @param {number} ts Unix ms */
function iso(ts) { return new Date(ts).toISOString(); }
