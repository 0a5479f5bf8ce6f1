import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Kept, keep, type Owner, type Step } from '../../services/keep';

/** A server that takes longer to end is killed. */
const END_MS = 20_000;

/**
 * A server that can be stopped and restarted with the same data. It ends with this process (tools/services/keep).
 *
 * States: *down* -> *up* -> *down* ...
 */
export class Restartable {
  #running: Kept | undefined;
  #starts = 0;

  constructor(
    private readonly folder: string,
    private readonly step: Step,
    private readonly owner: Owner | undefined,
  ) {}

  get up(): boolean {
    return this.#running !== undefined;
  }

  /** Resolves with its output when it accepts connections. */
  async start(): Promise<string> {
    this.#starts += 1;
    this.#running = await keep({
      folder: join(this.folder, `start-${this.#starts}`), // removed after each start; the data are elsewhere
      ...(this.owner && { owner: this.owner }),
      directories: [],
      files: [],
      copies: [],
      steps: [this.step],
    });
    return this.#running.output;
  }

  /** Sends the signal to the server's own process and waits until it has ended. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const running = this.#running;
    if (running?.pid === undefined) return;
    process.kill(running.pid, signal);
    const deadline = performance.now() + END_MS;
    while (isRunning(running.pid) && performance.now() < deadline) await delay(20);
    await this.stop();
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    await running?.stop();
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
