/** `onecontact start` as processes of their own, built as a package has it: that starts in a fraction of a second. */
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

/** One process. It is gone when this one is, in whatever way. */
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

  /** However far it is. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ended;
  }
}

/**
 * Starts a process again whenever it ends, at once, as a supervisor does.
 *
 * States: *running* -> *stopping* -> *stopped*.
 */
export class Supervised {
  /** How those ended that nobody told to. */
  readonly deaths: string[] = [];
  #life: ServiceProcess;
  #stopping = false;

  constructor(
    private readonly program: Program,
    private readonly options: StartOptions,
  ) {
    this.#life = this.#start();
  }

  /** Whether the present life has come up: before, a signal may find it without a handler. */
  get isUp(): boolean {
    return this.#life.isUp;
  }

  /** SIGTERM. @returns the exit code */
  async stop(): Promise<number | null> {
    this.#stopping = true;
    this.#life.child.kill('SIGTERM');
    return (await this.#life.ended).code;
  }

  /** However far it is. */
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
