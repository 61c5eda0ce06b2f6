// The calls of the HTTP API.

/**
 * @typedef {{id: string, orgId: string, serialNumber?: string, name?: string, state: string, online: boolean, tags?: string[],
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
 *   deviceStates: {online: number, offline: number, silent: number}, readingsPerSecond: number, warnings?: string[]}} Status
 * @typedef {{id: string, reason: string, detail: string, orgId: string, deviceId: string, port?: string,
 *   receivedAt: string}} DeadLetter
 * @typedef {{id: string, ruleId: string, ruleName: string, ruleRevision: number, orgId: string, deviceId: string,
 *   portNumber: number, portName?: string, unit?: string, kind: string, severity: string, labels?: Record<string, string>,
 *   state: string, startedAt: string, triggeredAt: string, resolvedAt?: string, end?: string, first?: number, worst?: number,
 *   worstAt?: string, last?: number, flaps?: number, message: string, silencedBy?: string, escalated?: boolean,
 *   acknowledged?: {by: string, at: string, comment?: string}, comments?: {by: string, at: string, text: string}[]}} AlertEvent
 * @typedef {{accessToken: string, expiresAt: string, user: {email: string}}} Login
 */

/** Problem is an answer that is not a success; status 0: there was none. */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {string} message what is wrong and the way out, for people
   * @param {{retryAfter?: number, code?: string, errors?: {message: string, location?: string}[]}} [o] retryAfter: seconds
   */
  constructor(status, message, { retryAfter, code = '', errors = [] } = {}) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
    this.code = code;
    /** errors are the offending parts of the request; location is such as body.name. */
    this.errors = errors;
  }
}

/** @typedef {Record<string, string | number | boolean | undefined | (string | number)[]>} Query undefined and '' are left out */

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
   * @typedef {{method?: string, query?: Query, body?: object, text?: string, type?: string, keepalive?: boolean,
   *   signal?: AbortSignal}} Request body is sent as JSON, text as it is with its type
   * @param {string} path below /api/v1
   * @param {Request} [o]
   * @returns {Promise<any>}
   */
  async call(path, o) { return body(await this.#send(path, o)); }

  /**
   * raw answers the response itself, for what is no JSON or is read in pieces.
   * @param {string} path below /api/v1
   * @param {Request} [o]
   */
  raw(path, o) { return this.#send(path, o); }

  /**
   * pages answers the items of a list one page after the other.
   * @param {string} path
   * @param {Query} [query]
   */
  async *pages(path, query = {}) {
    let cursor = '';
    do {
      const page = await this.call(path, { query: cursor ? { ...query, cursor } : query });
      yield /** @type {any[]} */ (page.items);
      cursor = page.nextCursor || '';
    } while (cursor);
  }

  /**
   * @param {string} path
   * @param {Request} [o]
   */
  async #send(path, o) {
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
   */
  async #once(path, token, { method = 'GET', query = {}, body, text, type, keepalive, signal } = {}) {
    const params = new URLSearchParams();
    for (const [key, v] of Object.entries(query)) {
      for (const one of Array.isArray(v) ? v : [v]) if (one !== undefined && one !== '') params.append(key, String(one));
    }
    /** @type {Record<string, string>} */
    const headers = { Accept: 'application/json' };
    if (token) headers.Authorization = 'Bearer ' + token;
    if (body) headers['Content-Type'] = 'application/json';
    if (type) headers['Content-Type'] = type;
    let answer;
    try {
      answer = await fetch('/api/v1' + path + (params.size ? '?' + params : ''), {
        method, headers, body: text ?? (body && JSON.stringify(body)), signal: signal ?? AbortSignal.timeout(TIMEOUT_MS), cache: 'no-store', keepalive,
      });
      const ahead = Date.parse(answer.headers.get('Date') || '') - Date.now();
      this.skew = Math.abs(ahead) > 3_000 ? ahead : 0;
    } catch (e) {
      if (signal?.aborted) throw e;
      throw silence();
    }
    if (answer.ok) return answer;
    const problem = await answer.json().catch(() => ({}));
    throw new Problem(answer.status, problem.detail || problem.title || `The server answered ${answer.status}.`, {
      retryAfter: Number(answer.headers.get('Retry-After')) || undefined, code: problem.code, errors: problem.errors,
    });
  }

  /**
   * @param {string} path
   * @param {Request} o
   * @returns {Promise<any>}
   */
  async #open(path, o) { return body(await this.#once(path, '', o)); }

  /**
   * @param {string} email
   * @param {string} password
   * @returns {Promise<Login>}
   */
  login(email, password) {
    return this.#open('/auth/login', { method: 'POST', body: { email, password, cookie: true } });
  }

  /**
   * refresh gets the next token by the cookie. The answer changes the cookie,
   * also when the page is left meanwhile.
   * @returns {Promise<Login>}
   */
  refresh() { return this.#open('/auth/refresh', { method: 'POST', keepalive: true }); }

  /**
   * logout ends the session that the cookie is of.
   * @returns {Promise<void>}
   */
  logout() { return this.#open('/auth/logout', { method: 'POST', keepalive: true }); }

  /**
   * @param {string} token of the setup link
   * @param {string} email
   * @param {string} password
   * @returns {Promise<Login>}
   */
  setup(token, email, password) {
    return this.#open('/setup', { method: 'POST', body: { token, email, password, cookie: true } });
  }

  /**
   * @param {string} token of an invitation or a reset link
   * @param {string} password
   * @returns {Promise<Login>}
   */
  accept(token, password) {
    return this.#open('/auth/accept', { method: 'POST', body: { token, password, cookie: true } });
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
    for await (const page of this.pages('/devices', { limit: 1000 })) all.push(...page);
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

/** @param {Response} answer */
async function body(answer) {
  if (answer.status === 204) return null;
  try {
    return await answer.json();
  } catch {
    throw silence();
  }
}

const silence = () => new Problem(0, 'The server does not answer.');

/** @param {number} ts Unix ms */
export function iso(ts) { return new Date(ts).toISOString(); }
