/** A contender as a process of its own, held and asked by the benchmark. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Profiler } from 'node:inspector';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { Question, Report } from './probe';

const START_MS = 60_000;
/** How often a contender is asked how far it is. What counts is the time of the last ack, which it notes itself. */
const ASK_MS = 25;

export interface Program {
  name: string;
  /** Among the built contenders, without its suffix. */
  file: string;
  args: string[];
  env?: Record<string, string>;
}

export interface Surroundings {
  /** Where the built contenders are. */
  folder: string;
  amqpUrl: string;
  databaseUrl: string;
}

export class Contender {
  /** Warnings and errors in its log, each with how often it came. */
  readonly warnings = new Map<string, number>();
  readonly #child: ChildProcess;
  readonly #name: string;
  /** Rejects when it ends by itself: it must not. */
  readonly #ended: Promise<never>;
  #stderr = '';
  #asked: Promise<unknown> = Promise.resolve();

  private constructor(name: string, child: ChildProcess) {
    this.#name = name;
    this.#child = child;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-4_000);
    });
    this.#ended = once(child, 'exit').then(() => {
      throw new Error(`${this.#name} ended: ${this.#stderr}`);
    });
    this.#ended.catch(() => undefined); // as it should when it is told to stop
  }

  /** Resolves when it consumes. */
  static async start(
    { name, file, args, env = {} }: Program,
    { folder, amqpUrl, databaseUrl }: Surroundings,
  ): Promise<Contender> {
    const { PATH, HOME, TMPDIR } = process.env;
    const child = spawn(process.execPath, [join(folder, `${file}.js`), ...args], {
      env: {
        ...{ PATH, HOME, TMPDIR, NODE_ENV: 'production', HTTP_PORT: '0' },
        ...{ AMQP_URL: amqpUrl, DATABASE_URL: databaseUrl },
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const contender = new Contender(name, child);
    await contender.#up();
    return contender;
  }

  report(): Promise<Report> {
    return this.#ask('report') as Promise<Report>;
  }

  async startProfile(): Promise<void> {
    await this.#ask('start profile');
  }

  stopProfile(): Promise<Profiler.Profile> {
    return this.#ask('stop profile') as Promise<Profiler.Profile>;
  }

  /** Resolves when so many messages were acknowledged since the start. @returns when, by the machine's clock */
  async untilAcked(count: number, onProgress: (acked: number) => void = () => undefined): Promise<number> {
    for (;;) {
      const { acked, lastAckAt } = await this.report();
      if (acked >= count) return lastAckAt;
      onProgress(acked);
      await delay(ASK_MS);
    }
  }

  /** Stands still: the backlog can be published before it goes on. */
  suspend(): void {
    this.#child.kill('SIGSTOP');
  }

  resume(): void {
    this.#child.kill('SIGCONT');
  }

  /** Most memory that it ever had, in MB; null where the system does not tell. */
  peakMemory(): number | null {
    try {
      const [, kb] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.#child.pid}/status`, 'utf8')) ?? [];
      return kb === undefined ? null : Number(kb) / 1_024;
    } catch {
      return null;
    }
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGCONT');
    this.#child.kill('SIGTERM');
    await exit;
  }

  /** One question after the other. */
  #ask(question: Question): Promise<unknown> {
    this.#asked = this.#asked.then(async () => {
      const answer = once(this.#child, 'message');
      this.#child.send(question);
      return (await Promise.race([answer, this.#ended]))[0];
    });
    return this.#asked;
  }

  async #up(): Promise<void> {
    const up = new Promise<void>((resolve) => {
      createInterface({ input: this.#child.stdout! }).on('line', (line) => {
        const { level = '', msg = '', failure } = line.startsWith('{') ? (JSON.parse(line) as LogLine) : {};
        if (msg === 'service is up') resolve();
        if (!['warn', 'error', 'fatal'].includes(level)) return;
        const what = failure ? `${msg} (${failure.code})` : msg;
        this.warnings.set(what, (this.warnings.get(what) ?? 0) + 1);
      });
    });
    const limit = delay(START_MS, undefined, { ref: false }).then(() => {
      throw new Error(`${this.#name} was not up within ${START_MS / 1_000} s: ${this.#stderr}`);
    });
    await Promise.race([up, this.#ended, limit]);
  }
}

interface LogLine {
  level?: string;
  msg?: string;
  failure?: { code: string };
}
