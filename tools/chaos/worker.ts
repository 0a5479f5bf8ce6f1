import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, readFileSync, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { parseCounters } from './counters';

/** What `start` may take to stop by itself: its own limit, and some time to start and to exit. */
const STOP_MS = 40_000;

export interface WorkerOptions {
  number: number;
  /** The built command line. */
  program: string;
  /** `start --only` these. */
  parts: string;
  settings: Record<string, string>;
  folder: string;
}

/** What became of one life of a worker. */
export interface Ending {
  worker: number;
  how: 'killed' | 'stopped' | 'by itself';
  /** Whether the service had come up. */
  wasUp: boolean;
  code: number | null;
  signal: NodeJS.Signals | null;
  /** Milliseconds from the signal to its end. */
  took: number;
  /** When, in milliseconds since 1970. */
  at: number;
}

/**
 * One `onecontact start`, as a process of its own that is started again whenever it ends, as a supervisor would.
 *
 * States: *starting* -> *up* -> *ended* -> *starting* ...; `quit()` leads to *ended* for good.
 */
export class Worker {
  readonly endings: Ending[] = [];
  #child: ChildProcess | undefined;
  #up = false;
  #url: string | undefined;
  #ending: { how: 'killed' | 'stopped'; since: number } | undefined;
  #quit = false;
  #counters = new Map<string, number>();
  readonly #earlier = new Map<string, number>();
  readonly #log: WriteStream;
  /** The most memory that a life of this worker had, in bytes. */
  maxMemory = 0;

  constructor(private readonly options: WorkerOptions) {
    this.#log = createWriteStream(join(options.folder, `worker-${options.number}.log`));
  }

  get parts(): string {
    return this.options.parts;
  }

  get number(): number {
    return this.options.number;
  }

  get isUp(): boolean {
    return this.#up;
  }

  start(): void {
    const { program, parts, settings, folder } = this.options;
    const { AMQP_URL, DATABASE_URL, NODE_OPTIONS, ...env } = process.env; // nothing of the user's own
    const child = spawn(
      process.execPath,
      [
        '--enable-source-maps',
        '--require',
        join(__dirname, '../program/exit-with-parent.cjs'),
        program,
        'start',
        '--only',
        parts,
      ],
      { cwd: folder, env: { ...env, ...settings, HTTP_PORT: '0' }, stdio: ['pipe', 'pipe', 'pipe'] },
    );
    child.stdin.on('error', () => undefined);
    this.#child = child;
    createInterface({ input: child.stdout }).on('line', (line) => this.#read(child, line));
    child.stderr.on('data', (text) => this.#log.write(text));
    child.once('exit', (code, signal) => this.#onExit(code, signal));
  }

  /** SIGKILL. Resolves when it is gone; it is not started before `again()`. */
  async kill(): Promise<void> {
    await this.#end('killed', 'SIGKILL');
  }

  /** SIGTERM. When it does not end in time it is killed, which shows in its ending. */
  async stop(): Promise<void> {
    const child = this.#child;
    const timer = setTimeout(() => child?.kill('SIGKILL'), STOP_MS);
    await this.#end('stopped', 'SIGTERM');
    clearTimeout(timer);
  }

  again(): void {
    if (!this.#quit && this.#child === undefined) this.start();
  }

  freeze(): void {
    this.#child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child?.kill('SIGCONT');
  }

  /** No life after this one. */
  quit(): void {
    this.#quit = true;
  }

  /** Reads the counters and the memory of the present life. */
  async look(): Promise<void> {
    const pid = this.#child?.pid;
    if (pid !== undefined) this.maxMemory = Math.max(this.maxMemory, peakMemory(pid));
    if (this.#url === undefined) return;
    try {
      const answer = await fetch(`${this.#url}/metrics`, { signal: AbortSignal.timeout(1_000) });
      this.#counters = parseCounters(await answer.text());
    } catch {
      // it is being killed, or frozen
    }
  }

  /** Of all lives. What a life did between the last look and its end is missing. */
  counters(): Map<string, number> {
    const all = new Map(this.#earlier);
    for (const [name, value] of this.#counters) all.set(name, (all.get(name) ?? 0) + value);
    return all;
  }

  async #end(how: 'killed' | 'stopped', signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#ending = { how, since: performance.now() };
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  }

  #read(child: ChildProcess, line: string): void {
    this.#log.write(`${line}\n`);
    if (child !== this.#child || !line.includes('service is up')) return;
    this.#up = true;
    this.#url = (JSON.parse(line) as { url?: string }).url;
  }

  #onExit(code: number | null, signal: NodeJS.Signals | null): void {
    const { how, since } = this.#ending ?? { how: 'by itself' as const, since: performance.now() };
    const took = performance.now() - since;
    this.endings.push({ worker: this.number, how, wasUp: this.#up, code, signal, took, at: Date.now() });
    this.#log.write(`--- ${new Date().toISOString()} ${how}: exit code ${code}, signal ${signal}\n`);
    for (const [name, value] of this.counters()) this.#earlier.set(name, value);
    this.#counters = new Map();
    this.#child = undefined;
    this.#ending = undefined;
    this.#up = false;
    this.#url = undefined;
    // One that ended by itself found its database away at the start, or has a defect: the check at the end tells them apart.
    if (how === 'by itself') void delay(500).then(() => this.again());
  }
}

/** Linux says it of every process; elsewhere it stays 0. */
function peakMemory(pid: number): number {
  try {
    return 1024 * Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
