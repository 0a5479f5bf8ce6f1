/** Runs `onecontact start` as processes, built as in the package, which start in a fraction of a second. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { buildCli } from '../../tools/program/build';

const CHECKOUT = resolve(__dirname, '../..');

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
  /** A module that is loaded before the program. */
  preload?: string;
}

/** One process. It ends when this one ends, however that happens. */
export class ServiceProcess {
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  out = '';
  err = '';

  constructor(program: Program, { args = [], env, preload }: StartOptions) {
    const modules = [join(CHECKOUT, 'tools/program/exit-with-parent.cjs'), ...(preload ? [preload] : [])];
    this.child = spawn(
      process.execPath,
      [...modules.flatMap((module) => ['--require', module]), program.path, 'start', ...args],
      { env: { PATH: process.env.PATH, HOME: process.env.HOME, HTTP_PORT: '0', ...env } },
    );
    this.child.stdin?.on('error', () => undefined);
    this.child.stdout?.setEncoding('utf8').on('data', (text) => {
      this.out += text;
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text) => {
      this.err += text;
    });
    this.ended = new Promise((settle) => {
      this.child.once('close', (code, signal) => settle({ code, signal }));
    });
  }

  get isUp(): boolean {
    const { exitCode, signalCode } = this.child;
    return exitCode === null && signalCode === null && this.out.includes('service is up');
  }

  /** At any time. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ended;
  }
}

/**
 * Restarts a process whenever it ends, as a supervisor does.
 *
 * States: *running* -> *stopping* -> *stopped*.
 */
export class SupervisedProcess {
  /** How processes ended without being stopped. */
  readonly deaths: string[] = [];
  #life: ServiceProcess;
  #stopping = false;

  constructor(
    private readonly program: Program,
    private readonly options: StartOptions,
  ) {
    this.#life = this.#start();
  }

  /** Whether the current process is up; before that it may not handle signals yet. */
  get isUp(): boolean {
    return this.#life.isUp;
  }

  /** SIGTERM. @returns the exit code */
  async stop(): Promise<number | null> {
    this.#stopping = true;
    this.#life.child.kill('SIGTERM');
    return (await this.#life.ended).code;
  }

  /** At any time. */
  async kill(): Promise<void> {
    this.#stopping = true;
    await this.#life.kill();
  }

  #start(): ServiceProcess {
    const life = new ServiceProcess(this.program, this.options);
    void life.ended.then(({ code, signal }) => {
      if (this.#stopping) return;
      this.deaths.push(signal ?? `exit code ${code}: ${life.err}`);
      this.#life = this.#start();
    });
    return life;
  }
}
