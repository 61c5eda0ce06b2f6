// A real server in a folder of its own.
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const admin = { email: 'ann@example.org', password: 'correct horse battery' };

/** Server is one data folder and the process that serves it. */
export class Server {
  /**
   * @param {string} bin
   * @param {Record<string, string>} [env] settings
   */
  constructor(bin, env = {}) {
    this.bin = bin;
    this.env = env;
    this.log = '';
    this.listen = { http: '127.0.0.1:0', mqtt: '127.0.0.1:0' };
  }

  /** cli runs a verb and answers its JSON. */
  async cli(args, input) {
    const child = run(this.bin, [...args, '--data', this.dir, '-o', 'json'], { env: { ...process.env, ...this.env } });
    child.child.stdin.end(input);
    const { stdout } = await child;
    return stdout ? JSON.parse(stdout) : null;
  }

  /** folder makes an empty data folder. */
  async folder() { this.dir = await mkdtemp(join(tmpdir(), 'page-')); }

  /** init makes a folder with its first user. */
  async init() {
    await this.folder();
    await this.cli(['init', '--admin-email', admin.email, '--admin-password-stdin'], admin.password + '\n');
  }

  /** configure writes its configuration file; what that says of the addresses counts. */
  async configure(text) {
    await writeFile(join(this.dir, 'config.yaml'), text);
    this.listen = {};
  }

  /** start serves, on the same ports as before, and answers when it is ready. */
  async start() {
    // What is no setting of this version: the server would warn.
    const rest = Object.fromEntries(Object.entries(process.env).filter(([name]) => name !== 'TIDEGATE_BIN' && !name.startsWith('AWS_')));
    const env = { ...rest, ...this.env };
    if (this.listen.http) env.TIDEGATE_HTTP_LISTEN = this.listen.http;
    if (this.listen.mqtt) env.TIDEGATE_MQTT_LISTEN = this.listen.mqtt;
    this.process = spawn(this.bin, ['serve', '--data', this.dir], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const out of [this.process.stdout, this.process.stderr]) out.on('data', (b) => { this.log += b; });
    this.ended = new Promise((done) => this.process.once('exit', done));
    const deadline = Date.now() + 20_000;
    for (;;) {
      try {
        const status = await this.cli(['status']);
        if (status.ready) {
          this.listen = { http: status.http, mqtt: status.mqtt };
          this.base = 'http://' + status.http;
          return;
        }
      } catch (e) {
        if (this.process.exitCode !== null || Date.now() > deadline) throw new Error(`the server is not ready: ${e.message}\n${this.log}`);
      }
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  /** @param {NodeJS.Signals} [signal] */
  async stop(signal = 'SIGTERM') {
    if (!this.process) return;
    this.process.kill(signal);
    await this.ended;
    this.process = null;
  }

  async remove() {
    await this.stop('SIGKILL');
    if (this.dir) await rm(this.dir, { recursive: true, force: true });
  }

  /** publish sends readings as a device, over HTTP. */
  async publish(device, secret, body) {
    const answer = await fetch(this.base + '/api/v1/telemetry', {
      method: 'POST', body: JSON.stringify(body),
      headers: { Authorization: 'Basic ' + Buffer.from(`${device}:${secret}`).toString('base64'), 'Content-Type': 'application/json' },
    });
    if (answer.status !== 202) throw new Error(`telemetry: ${answer.status} ${await answer.text()}`);
  }
}
