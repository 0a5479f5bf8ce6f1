/** The contenders that run as processes of their own, controlled by the benchmark. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { HeapProfiler, Profiler } from 'node:inspector';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { peakMemory } from '../../program/peak-memory';
import type { Question, Report } from './probe';

const START_MS = 60_000;
/** The interval between questions. It does not blur the figures: the contender itself records the time of its last ack. */
const ASK_MS = 25;

/** Everything that is allocated, not only what is still there at the end. */
const ALLOCATIONS = {
  samplingInterval: 64 * 1_024,
  includeObjectsCollectedByMajorGC: true,
  includeObjectsCollectedByMinorGC: true,
};

export interface Program {
  name: string;
  /** The compiled program in the contenders' folder, without its suffix. */
  file: string;
  args: string[];
  env?: Record<string, string>;
  /** The rows that it writes: the baseline merges nothing, the broker's limit writes nothing. */
  writes: 'all' | 'no merges' | 'nothing';
}

/** OneContact's defaults. The database's limit gets as many connections and the same batches. */
export const BATCH_SIZE = 500;
export const CONCURRENCY = 2;
export const PREFETCH = 1_000;

/** @param set environment variables beside the defaults */
export const onecontact = (set: Record<string, string> = {}): Program => ({
  name: 'OneContact',
  file: 'onecontact',
  args: ['start'],
  env: {
    ...{ BATCH_SIZE: `${BATCH_SIZE}`, CONCURRENCY: `${CONCURRENCY}`, PREFETCH: `${PREFETCH}` },
    // The generated events are old: maintenance would remove rows that are counted afterwards.
    COMPACTION_OLDER_THAN: '36500d',
    ...set,
  },
  writes: 'all',
});

export const baseline = (concurrency: number): Program => ({
  name: 'baseline',
  file: 'baseline',
  args: [`${concurrency}`],
  writes: 'no merges',
});

export const minimal: Program = {
  name: 'minimal consumer',
  file: 'minimal',
  args: [BATCH_SIZE, CONCURRENCY, PREFETCH].map(String),
  writes: 'no merges',
};

export const brokerLimit: Program = {
  name: 'broker limit',
  file: 'broker-limit',
  args: [`${PREFETCH}`],
  writes: 'nothing',
};

/** Resolves when the contenders have acknowledged this many messages since their start. @returns the time of the last */
export async function untilAcked(
  contenders: readonly Contender[],
  count: number,
  onProgress: (acked: number) => void = () => undefined,
): Promise<number> {
  for (;;) {
    const reports = await Promise.all(contenders.map((contender) => contender.report()));
    const acked = reports.reduce((sum, report) => sum + report.acked, 0);
    if (acked >= count) return Math.max(...reports.map(({ lastAckAt }) => lastAckAt));
    onProgress(acked);
    await delay(ASK_MS);
  }
}

export class Contender {
  /** The number of each warning and error in its log. */
  readonly warnings = new Map<string, number>();
  /** Rejects when the process ends by itself. */
  readonly #ended: Promise<never>;
  #stderr = '';
  #asked: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly name: string,
    private readonly child: ChildProcess,
  ) {
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-4_000);
    });
    this.#ended = once(child, 'exit').then(() => {
      throw new Error(`${this.name} ended: ${this.#stderr}`);
    });
    this.#ended.catch(() => undefined); // expected after stop()
  }

  /** Resolves when it consumes. @param folder the compiled contenders */
  static async start(
    { name, file, args, env = {} }: Program,
    { folder, amqpUrl }: { folder: string; amqpUrl: string },
    databaseUrl: string,
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

  report = (): Promise<Report> => this.#ask('report');

  async startProfile(): Promise<void> {
    await this.#ask({ method: 'Profiler.enable' });
    await this.#ask({ method: 'Profiler.setSamplingInterval', params: { interval: 500 } });
    await this.#ask({ method: 'HeapProfiler.startSampling', params: ALLOCATIONS });
    await this.#ask({ method: 'Profiler.start' });
  }

  async stopProfile(): Promise<{ time: Profiler.Profile; allocated: HeapProfiler.SamplingHeapProfile }> {
    const { profile: time } = await this.#ask<Profiler.StopReturnType>({ method: 'Profiler.stop' });
    const { profile } = await this.#ask<HeapProfiler.StopSamplingReturnType>({ method: 'HeapProfiler.stopSampling' });
    return { time, allocated: profile };
  }

  /** Pauses the process, so that the backlog can be published first. */
  suspend(): void {
    this.child.kill('SIGSTOP');
  }

  resume(): void {
    this.child.kill('SIGCONT');
  }

  /** Its peak memory in MB; null where the system does not report it. */
  peakMemory(): number | null {
    const bytes = peakMemory(this.child.pid);
    return bytes && bytes / 2 ** 20;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exit = once(this.child, 'exit');
    this.child.kill('SIGCONT');
    this.child.kill('SIGTERM');
    await exit;
  }

  /** Asks one question at a time. */
  #ask<T>(question: Question): Promise<T> {
    const answer = this.#asked.then(async (): Promise<T> => {
      const message = once(this.child, 'message');
      this.child.send(question);
      return (await Promise.race([message, this.#ended]))[0];
    });
    this.#asked = answer;
    return answer;
  }

  async #up(): Promise<void> {
    const up = new Promise<void>((resolve) => {
      createInterface({ input: this.child.stdout! }).on('line', (line) => {
        const { level = '', msg = '', failure } = line.startsWith('{') ? (JSON.parse(line) as LogLine) : {};
        if (msg === 'service is up') resolve();
        if (!['warn', 'error', 'fatal'].includes(level)) return;
        const text = failure ? `${msg} (${failure.code})` : msg;
        this.warnings.set(text, (this.warnings.get(text) ?? 0) + 1);
      });
    });
    const limit = delay(START_MS, undefined, { ref: false }).then(() => {
      throw new Error(`${this.name} was not up within ${START_MS / 1_000} s: ${this.#stderr}`);
    });
    await Promise.race([up, this.#ended, limit]);
  }
}

interface LogLine {
  level?: string;
  msg?: string;
  failure?: { code: string };
}
