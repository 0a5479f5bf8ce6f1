import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Kept, keep, type Owner, type Step } from '../../services/keep';

/** How long a server may take to end by itself. One that takes longer is killed. */
const END_MS = 20_000;

/**
 * A server that is stopped and started over and over, with its data where it was. Each of its lives is kept by a process
 * that ends it when this one is gone, in whatever way (tools/services/keep).
 *
 * States: *down* -> *up* -> *down* ...
 */
export class Restartable {
  #life: Kept | undefined;
  #lives = 0;

  constructor(
    private readonly folder: string,
    private readonly step: Step,
    private readonly owner: Owner | undefined,
  ) {}

  get up(): boolean {
    return this.#life !== undefined;
  }

  /** Resolves when it takes connections, with what it wrote until then. */
  async start(): Promise<string> {
    this.#lives += 1;
    this.#life = await keep({
      folder: join(this.folder, `life-${this.#lives}`), // the data are elsewhere: this one goes with each life
      ...(this.owner && { owner: this.owner }),
      directories: [],
      files: [],
      copies: [],
      steps: [this.step],
    });
    return this.#life.output;
  }

  /** Sends a signal to the server's own process, and waits until it is gone. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const life = this.#life;
    if (life?.pid === undefined) return;
    process.kill(life.pid, signal);
    const deadline = performance.now() + END_MS;
    while (isRunning(life.pid) && performance.now() < deadline) await delay(20);
    await this.stop();
  }

  /** At the end, or when it does not end by itself. */
  async stop(): Promise<void> {
    const life = this.#life;
    this.#life = undefined;
    await life?.stop();
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
