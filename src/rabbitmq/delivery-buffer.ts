import type { Delivery } from './delivery';

/** Nobody waits longer than this for others to come. */
const PATIENCE_MS = 50;

/**
 * Where deliveries wait between the consumer, which pushes them, and the batch worker, which takes them.
 *
 * States: *open* -> *closed*. It holds at most what the consumer may have outstanding (its prefetch), because nothing
 * here is acknowledged. Deliveries whose channel has closed are dropped unseen: the broker delivers them again, and
 * handling them now would be work whose ack nobody hears.
 */
export class DeliveryBuffer {
  #waiting: Delivery[] = [];
  #takers: (() => void)[] = [];
  #closed = false;

  /** Deliveries that can be taken at this moment. */
  get size(): number {
    this.#dropDead();
    return this.#waiting.length;
  }

  /** The consumer's `onMessage`. After {@link close} nothing is kept: the message stays unacknowledged. */
  readonly push = (delivery: Delivery): void => {
    if (this.#closed) return;
    // The first one of a new channel: the old channel's are dead now, and must not pile up over many losses.
    if (this.#waiting.length > 0 && !this.#waiting[0]!.alive) this.#dropDead();
    this.#waiting.push(delivery);
    this.#takers.shift()?.();
  };

  /**
   * Resolves with what has been pushed so far: at least one, at most `max`, in order. It never waits to fill up. All
   * that arrived in the same read from the socket comes together. Resolves with nothing only once closed, also when
   * something is left. May be called by several takers at once; each delivery goes to one of them.
   *
   * @param worth how many are worth taking now, from 1; fewer are left for another taker, but not for longer than
   *   {@link PATIENCE_MS}
   */
  async take(max: number, worth: () => number = () => 1): Promise<Delivery[]> {
    let wake = (): void => undefined;
    let patience: NodeJS.Timeout | undefined;
    let isOver = false;
    const onOver = (): void => {
      isOver = true;
      this.#takers = this.#takers.filter((taker) => taker !== wake);
      wake();
    };
    try {
      while (!this.#closed) {
        this.#dropDead();
        if (this.#waiting.length >= (isOver ? 1 : worth())) return this.#waiting.splice(0, max);
        if (this.#waiting.length > 0) patience ??= setTimeout(onOver, PATIENCE_MS);
        await new Promise<void>((resolve) => {
          wake = resolve;
          this.#takers.push(wake);
        });
      }
      return [];
    } finally {
      clearTimeout(patience);
    }
  }

  /** Ends every take, now and later. What is left inside is not acknowledged, so closing the channel gives it back. */
  close(): void {
    this.#closed = true;
    this.#waiting = [];
    for (const wake of this.#takers.splice(0)) wake();
  }

  #dropDead(): void {
    // Channels of one consumer follow each other, so the dead ones are at the front.
    if (this.#waiting.length > 0 && !this.#waiting[0]!.alive) {
      this.#waiting = this.#waiting.filter((delivery) => delivery.alive);
    }
  }
}
