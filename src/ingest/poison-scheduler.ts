import { setTimeout as delay } from 'node:timers/promises';
import { within } from '../foundation/timeout';
import { isNoMoreSuspect } from './suspects';

/** Once all queues are consumed, the broker's first messages arrive within this time. */
const GATHER_MS = 500;
/** The longest wait for another slot's suspects, which may be waiting for the broker to take a dead letter. */
const LONGEST_MS = 10_000;

interface Suspects {
  /** How often these messages were delivered before. */
  deliveryCount: number;
  /** How many batches with about this count the slot still has, this one included: the weight of the slot. */
  batches: number;
}

/**
 * Runs the suspects of all slots and all queues of a process, one batch at a time.
 *
 * A message that kills the process also interrupts the batches of the other slots. If slots ran independently, each crash
 * would also redeliver the other queue's healthy messages until they reach the delivery limit.
 *
 * The lowest delivery counts run first. Among batches of about the same count the choice is random, so each time
 * before the process is killed, about half of the healthy batches are done.
 *
 * Nothing runs before all queues are consumed: otherwise a process that is slow to start would be killed each time before
 * the other queue's messages had a chance.
 *
 * States: *new* -> *gathering* (from the first suspect until all queues have delivered) -> *free* <-> *running*.
 */
export class PoisonScheduler {
  readonly #waiting: (Suspects & { start(): void })[] = [];
  #gathered: Promise<void> | undefined;
  #isFree = false;
  #expectedQueues = 0;
  #allConsuming = (): void => undefined;

  constructor(
    private readonly random: () => number = Math.random,
    private readonly gatherMs = GATHER_MS,
  ) {}

  /** Announces a queue that will be consumed. @returns a function to call once it is consumed */
  expectQueue(): () => void {
    this.#expectedQueues += 1;
    let isConsuming = false;
    return () => {
      if (isConsuming) return;
      isConsuming = true;
      this.#expectedQueues -= 1;
      if (this.#expectedQueues === 0) this.#allConsuming();
    };
  }

  /** Runs the work once its suspects are chosen. */
  async run(suspects: Suspects, work: () => Promise<void>): Promise<void> {
    this.#gathered ??= this.#gather();
    await new Promise<void>((start) => {
      this.#waiting.push({ ...suspects, start });
      this.#startNext();
    });
    const working = work();
    try {
      await within(LONGEST_MS, working, undefined);
    } finally {
      this.#isFree = true;
      // Not at once: the same slot may want to run its next batch.
      setImmediate(() => this.#startNext());
    }
    await working;
  }

  async #gather(): Promise<void> {
    if (this.#expectedQueues > 0) {
      const allConsuming = new Promise<void>((resolve) => {
        this.#allConsuming = resolve;
      });
      await within(LONGEST_MS, allConsuming, undefined);
    }
    await delay(this.gatherMs);
    this.#isFree = true;
    this.#startNext();
  }

  #startNext(): void {
    if (!this.#isFree || this.#waiting.length === 0) return;
    const least = Math.min(...this.#waiting.map(({ deliveryCount }) => deliveryCount));
    const candidates = this.#waiting.filter(({ deliveryCount }) => isNoMoreSuspect(deliveryCount, least));
    let place = this.random() * candidates.reduce((sum, { batches }) => sum + batches, 0);
    const chosen = candidates.find(({ batches }) => {
      place -= batches;
      return place < 0;
    });
    const next = chosen ?? candidates[0]!;
    this.#waiting.splice(this.#waiting.indexOf(next), 1);
    this.#isFree = false;
    next.start();
  }
}
