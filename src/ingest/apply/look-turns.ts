import { within } from '../../foundation/timeout';

/**
 * How many batches that kept their look outweigh a batch that lost it. Two slots lose in turn, each after two batches that
 * kept theirs.
 */
const LOST_WEIGHT = 3;
/** A single batch can reach this level, which proves nothing. */
const HARMLESS_LEVEL = LOST_WEIGHT;
const MAX_LEVEL = 8;
/** A batch that takes longer waits for something: it must not hold up the other slots for as long. */
const TURN_MS = 10_000;

/**
 * Decides which batches of a worker look alone from the start. If the events are about a few connected accounts, every
 * batch that looks at the same time as another may lose its look and be read again. Then it takes less time to wait first.
 *
 * The more batches have lost their looks lately, the more of the next batches look alone before one tries to look together
 * with others again.
 */
export class LookTurns {
  #level = 0;
  #aloneLeft = 0;
  #lastTurn: Promise<unknown> = Promise.resolve();

  /**
   * Runs a slot's work on its next batch: while batches look alone, after that of the slots before it. Two batches would
   * only wait for each other, and would share the messages that make one large batch.
   */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#aloneLeft === 0) return work();
    const turn = within(TURN_MS, this.#lastTurn, undefined).then(work);
    this.#lastTurn = turn.catch(() => undefined);
    return turn;
  }

  /** @returns whether the next batch looks alone */
  next(): boolean {
    if (this.#aloneLeft === 0) return false;
    this.#aloneLeft -= 1;
    return true;
  }

  /** Call it when a batch that looked together with others is done. */
  lookedTogether(lostLooks: number): void {
    if (lostLooks === 0) {
      this.#level = Math.max(this.#level - 1, 0);
      return;
    }
    this.#level = Math.min(this.#level + LOST_WEIGHT, MAX_LEVEL);
    if (this.#level > HARMLESS_LEVEL) this.#aloneLeft = 2 ** (this.#level - 2);
  }
}
