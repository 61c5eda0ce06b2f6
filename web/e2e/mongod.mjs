// A real MongoDB server in a folder of its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const fetched = '.cache/mongod/lib';

/** programs are the server that TIDEGATE_MONGOD names, else the one that make deps fetches. */
function programs() {
  if (process.env.TIDEGATE_MONGOD) return [process.env.TIDEGATE_MONGOD];
  return (existsSync(fetched) ? readdirSync(fetched) : []).map((python) => join(fetched, python, 'site-packages/fiftyone/db/bin/mongod'));
}

/** Mongod listens on the same port in all of its life. */
export class Mongod {
  /** find answers a server that does not run yet; null: this machine has none, which CI does not let pass where there is one for it. */
  static find() {
    const bin = programs().find((p) => existsSync(p));
    if (bin) return new Mongod(bin);
    if (process.env.CI === 'true' && `${process.platform} ${process.arch}` === 'linux x64') throw new Error('no mongod: make deps fetches one');
    return null;
  }

  constructor(bin) { this.bin = bin; }

  get uri() { return `mongodb://127.0.0.1:${this.port}/page`; }

  async start() {
    this.dir ??= await mkdtemp(join(tmpdir(), 'page-mongod-'));
    this.port ??= await freePort();
    this.process = spawn(this.bin, ['--port', this.port, '--bind_ip', '127.0.0.1', '--dbpath', this.dir, '--quiet'], { stdio: 'ignore' });
    const deadline = Date.now() + 30_000;
    while (!(await answers(this.port))) {
      if (this.process.exitCode !== null || Date.now() > deadline) throw new Error(`mongod does not listen at ${this.port}`);
      await new Promise((done) => setTimeout(done, 100));
    }
  }

  /** kill ends it as a power cut would. */
  async kill() {
    if (!this.process) return;
    const gone = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await gone;
    this.process = null;
  }

  async remove() {
    await this.kill();
    if (this.dir) await rm(this.dir, { recursive: true, force: true });
  }
}

/** freePort is one that nobody listened at a moment ago. */
async function freePort() {
  const s = createServer().listen(0, '127.0.0.1');
  await once(s, 'listening');
  const { port } = s.address();
  await new Promise((done) => s.close(done));
  return port;
}

/** answers says whether somebody listens. */
function answers(port) {
  return new Promise((done) => {
    const c = connect(port, '127.0.0.1', () => { c.destroy(); done(true); }).on('error', () => done(false));
  });
}
