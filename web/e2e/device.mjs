// A device at the other end, by mosquitto's own programs.
import { execFile, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { secret } from './harness.mjs';

const run = promisify(execFile);

/** Device is one that listens to its command topic while it is there. */
export class Device {
  /**
   * @param {import('./server.mjs').Server} server
   * @param {string} org
   * @param {string} id
   */
  constructor(server, org, id) {
    const [host, port] = server.listen.mqtt.split(':');
    this.as = ['-h', host, '-p', port, '-u', id, '-P', secret, '-q', '1'];
    this.topic = `org/${org}/device/${id}/`;
  }

  /** come connects; what happens to be open comes at once. */
  come() {
    this.child = spawn('mosquitto_sub', [...this.as, '-t', this.topic + 'command'], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.ended = new Promise((done) => this.child.once('exit', done));
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  /** next waits for a command. */
  async next() { return JSON.parse((await this.lines.next()).value); }

  /** answer says what became of a command; result is JSON. */
  async answer(id, status, result = 'null') {
    await run('mosquitto_pub', [...this.as, '-t', this.topic + 'cmdres', '-m', `{"id":"${id}","status":"${status}","result":${result}}`]);
  }

  /** go ends the connection, if there is one. */
  async go() {
    this.child?.kill();
    await this.ended;
  }
}
