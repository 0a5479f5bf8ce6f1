import { createWriteStream, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { peakMemory } from '../../program/peak-memory';
import { type ServiceProcess, type StartOptions, Supervised } from '../../program/process';
import { parseCounters, type Sample } from '../../prometheus';

/** A worker that ends by itself restarts after this pause. */
const RESTART_MS = 500;

export interface WorkerOptions extends StartOptions {
  number: number;
  /** The compiled command line. */
  program: string;
  folder: string;
}

/** A supervised worker process with a log, counters and a memory figure. */
export class Worker extends Supervised {
  readonly number: number;
  /** The peak memory of all its processes, in bytes. */
  maxMemory = 0;
  readonly #log: WriteStream;
  #earlier: readonly Sample[] = [];
  #present: readonly Sample[] = [];

  constructor({ number, program, folder, ...options }: WorkerOptions) {
    super({ path: program }, { ...options, restartMs: RESTART_MS });
    this.number = number;
    this.#log = createWriteStream(join(folder, `worker-${number}.log`));
    this.start();
  }

  /** It may hold locks and messages that no other process can take. */
  isFrozen = false;

  freeze(): void {
    this.isFrozen = true;
    this.running?.child.kill('SIGSTOP');
  }

  thaw(): void {
    this.running?.child.kill('SIGCONT');
    this.isFrozen = false;
  }

  /** Whether its heartbeat says that all is well. A process that does not answer is not. */
  async isGreen(): Promise<boolean> {
    const url = this.running?.url;
    if (url === undefined) return false;
    const answer = await fetch(`${url}/__heartbeat__`, { signal: AbortSignal.timeout(5_000) }).catch(() => undefined);
    return answer?.status === 200;
  }

  /** Reads the counters and the memory of the running process. */
  async measure(): Promise<void> {
    const { pid } = this.running?.child ?? {};
    this.maxMemory = Math.max(this.maxMemory, peakMemory(pid) ?? 0);
    const { running } = this;
    if (running?.url === undefined) return;
    try {
      const answer = await fetch(`${running.url}/metrics`, { signal: AbortSignal.timeout(1_000) });
      const counters = parseCounters(await answer.text());
      if (running === this.running) this.#present = counters;
    } catch {
      // being killed, or frozen
    }
  }

  /** The counters of all its processes. Counts between the last measurement and a process's end are missing. */
  counters(): Sample[] {
    return [...this.#earlier, ...this.#present];
  }

  protected override onStart({ child, ended }: ServiceProcess): void {
    child.stdout?.on('data', (text) => this.#log.write(text));
    child.stderr?.on('data', (text) => this.#log.write(text));
    void ended.then(({ code, signal }) => {
      this.#log.write(`--- ${new Date().toISOString()} exit code ${code}, signal ${signal}\n`);
      [this.#earlier, this.#present] = [this.counters(), []];
    });
  }
}
