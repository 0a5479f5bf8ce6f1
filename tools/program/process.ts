/** `onecontact start` as a process of its own, compiled as in the package: that starts in a fraction of a second. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { buildCli } from './build';

/** How long SIGTERM may take: the service's own limit, and some time to start and to exit. */
const STOP_MS = 40_000;

export interface Program {
  path: string;
  remove(): Promise<void>;
}

export async function buildProgram(): Promise<Program> {
  const folder = await mkdtemp(join(tmpdir(), 'onecontact-test-'));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    return { path: await buildCli(join(folder, 'app')), remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

export interface StartOptions {
  /** Options of the command. */
  args?: readonly string[];
  env: Readonly<Record<string, string>>;
  /** A module to load before the program. */
  preload?: string;
}

/** One process. It ends with its parent, however the parent ends. */
export class ServiceProcess {
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  out = '';
  err = '';
  /** Where it serves HTTP, once it is up. */
  url: string | undefined;
  #cameUp = false;

  constructor(program: Pick<Program, 'path'>, { args = [], env, preload }: StartOptions) {
    const modules = [join(__dirname, 'exit-with-parent.cjs'), ...(preload ? [preload] : [])];
    this.child = spawn(
      process.execPath,
      ['--enable-source-maps', ...modules.flatMap((module) => ['--require', module]), program.path, 'start', ...args],
      { env: { PATH: process.env.PATH, HOME: process.env.HOME, HTTP_PORT: '0', ...env } },
    );
    const { stdin, stdout, stderr } = this.child;
    stdin?.on('error', () => undefined);
    stdout?.setEncoding('utf8').on('data', (text) => {
      this.out += text;
    });
    stderr?.setEncoding('utf8').on('data', (text) => {
      this.err += text;
    });
    if (stdout) createInterface({ input: stdout }).on('line', (line) => this.#read(line));
    this.ended = new Promise((resolve) => {
      this.child.once('close', (code, signal) => resolve({ code, signal }));
    });
  }

  /** Whether it runs and has come up: a signal before that may find no handler. */
  get isUp(): boolean {
    const { exitCode, signalCode } = this.child;
    return exitCode === null && signalCode === null && this.#cameUp;
  }

  /** Whether it ever came up. */
  get cameUp(): boolean {
    return this.#cameUp;
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ended;
  }

  /** SIGTERM, and SIGKILL if that takes too long. */
  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS);
    await this.ended;
    clearTimeout(timer);
  }

  #read(line: string): void {
    if (!line.includes('service is up')) return;
    this.#cameUp = true;
    this.url = (JSON.parse(line) as { url?: string }).url;
  }
}

/** How one process of a supervised service ended. */
export interface Ending {
  how: 'killed' | 'stopped' | 'by itself';
  wasUp: boolean;
  code: number | null;
  signal: NodeJS.Signals | null;
  /** Milliseconds from the signal to its end. */
  took: number;
  /** Milliseconds since 1970. */
  at: number;
}

/**
 * Restarts a service whenever it ends by itself, like a supervisor in production.
 *
 * States: *ended* -> *running* -> *ended* ...; after `kill()` and `stop()` it stays *ended* until `start()`.
 */
export class Supervised {
  readonly endings: Ending[] = [];
  protected running: ServiceProcess | undefined;
  #signalled: { how: 'killed' | 'stopped'; since: number } | undefined;

  constructor(
    private readonly program: Pick<Program, 'path'>,
    private readonly options: StartOptions & { restartMs?: number },
  ) {}

  get isUp(): boolean {
    return this.running?.isUp ?? false;
  }

  /** Does nothing if it is running. */
  start(): this {
    if (this.running) return this;
    const started = new ServiceProcess(this.program, this.options);
    this.running = started;
    this.#signalled = undefined;
    this.onStart(started);
    void started.ended.then(({ code, signal }) => {
      const { how, since } = this.#signalled ?? { how: 'by itself' as const, since: performance.now() };
      const now = { took: performance.now() - since, at: Date.now() };
      this.endings.push({ how, wasUp: started.cameUp, code, signal, ...now });
      this.running = undefined;
      if (how === 'by itself') void delay(this.options.restartMs ?? 0).then(() => this.#signalled ?? this.start());
    });
    return this;
  }

  async kill(): Promise<void> {
    this.#signalled = { how: 'killed', since: performance.now() };
    await this.running?.kill();
  }

  /** @returns the exit code */
  async stop(): Promise<number | null> {
    this.#signalled = { how: 'stopped', since: performance.now() };
    await this.running?.stop();
    return this.endings.at(-1)?.code ?? null;
  }

  /** For subclasses that observe each process. */
  protected onStart(_process: ServiceProcess): void {}
}
