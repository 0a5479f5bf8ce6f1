import { setTimeout as delay } from 'node:timers/promises';

/** So long after all queues are being consumed, what the broker pushes at first has arrived. */
const GATHER_MS = 500;
/** Nobody waits longer than this for another's suspects: they may be waiting for the broker to take a dead letter. */
const LONGEST_MS = 10_000;

interface Waiting {
  /** How often its messages came before. */
  count: number;
  /** Batches that came as often and wait behind it in its slot, itself included. */
  alike: number;
  go(): void;
}

/**
 * Whose suspects are next, in one process: all slots of all its queues ask here, and one goes at a time. A message that
 * kills the process ends what the others have in hand too. Did each slot go on by itself, then innocent messages of the
 * other queue would be delivered and lost with it every time, until they had come too often and went to the dead letters.
 *
 * Those that came least often are first, and of those that came as often every one has the same chance: so with each
 * life of the process about half of the innocent ones get done before the one that ends it.
 *
 * Nobody goes before all queues are being consumed: a process that is slow to start would else be killed each time before
 * the other queue's messages had a chance.
 *
 * States: *new* -> *gathering* (from the first suspect on, until all have come) -> *free* <-> *taken*.
 */
export class PoisonScheduler {
  readonly #waiting: Waiting[] = [];
  #gathered: Promise<void> | undefined;
  #isFree = false;
  #starting = 0;
  #allStarted = (): void => undefined;

  constructor(
    private readonly random: () => number = Math.random,
    private readonly gatherMs = GATHER_MS,
  ) {}

  /** A queue is going to be consumed. @returns to be called when it is */
  join(): () => void {
    this.#starting += 1;
    let isStarted = false;
    return () => {
      if (isStarted) return;
      isStarted = true;
      this.#starting -= 1;
      if (this.#starting === 0) this.#allStarted();
    };
  }

  /** Runs the work when it is its turn. */
  async take({ count, alike }: Omit<Waiting, 'go'>, work: () => Promise<void>): Promise<void> {
    this.#gathered ??= this.#gather();
    await new Promise<void>((go) => {
      this.#waiting.push({ count, alike, go });
      this.#next();
    });
    let isOver = false;
    const over = (): void => {
      if (isOver) return;
      isOver = true;
      this.#isFree = true;
      // Not at once: whoever had this turn may want the next one too.
      setImmediate(() => this.#next());
    };
    const limit = setTimeout(over, LONGEST_MS);
    try {
      await work();
    } finally {
      clearTimeout(limit);
      over();
    }
  }

  async #gather(): Promise<void> {
    if (this.#starting > 0) {
      const limit = new AbortController();
      const started = new Promise<void>((resolve) => {
        this.#allStarted = resolve;
      });
      await Promise.race([started, delay(LONGEST_MS, undefined, { signal: limit.signal }).catch(() => undefined)]);
      limit.abort();
    }
    await delay(this.gatherMs);
    this.#isFree = true;
    this.#next();
  }

  #next(): void {
    if (!this.#isFree || this.#waiting.length === 0) return;
    const least = Math.min(...this.#waiting.map(({ count }) => count));
    const all = this.#waiting.filter(({ count }) => count === least);
    let place = this.random() * all.reduce((sum, { alike }) => sum + alike, 0);
    const chosen = all.find(({ alike }) => {
      place -= alike;
      return place < 0;
    });
    const next = chosen ?? (all[0] as Waiting);
    this.#waiting.splice(this.#waiting.indexOf(next), 1);
    this.#isFree = false;
    next.go();
  }
}
