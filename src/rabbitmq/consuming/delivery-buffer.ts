import type { Delivery } from './delivery';

/** How long a taker waits for more deliveries to arrive. */
const PATIENCE_MS = 50;

/**
 * Buffers deliveries between the consumer, which pushes them, and the worker, which takes them.
 *
 * States: *open* -> *closed*. Nothing in it is acknowledged, so the consumer's prefetch and the connection's read limit
 * bound its size. Deliveries whose channel has closed are dropped: the broker delivers them again, and an ack of these
 * would have no effect.
 */
export class DeliveryBuffer {
  #waiting: Delivery[] = [];
  #takers: (() => void)[] = [];
  #closed = false;

  /** Deliveries that can be taken now. */
  get size(): number {
    this.#dropDead();
    return this.#waiting.length;
  }

  /** The consumer's `onMessage`. After {@link close} the message is not kept and stays unacknowledged. */
  readonly push = (delivery: Delivery): void => {
    if (this.#closed) return;
    // This is the first delivery of a new channel: deliveries of the old one are dead, and must not pile up.
    if (this.#waiting.length > 0 && !this.#waiting[0]!.alive) this.#dropDead();
    this.#waiting.push(delivery);
    this.#takers.shift()?.();
  };

  /**
   * Resolves with the deliveries pushed so far: at least one, at most `max`, in order; it never waits to fill a batch.
   * Deliveries read from the socket together stay together. Resolves with none only once closed. Several takers may wait
   * at once; each delivery goes to one of them.
   *
   * @param worth how many deliveries are worth taking now, at least 1; fewer are left for another taker, for up to
   * {@link PATIENCE_MS}
   * @param maxBytes the limit for the content of several deliveries together; a single one may be larger
   */
  async take(max: number, worth: () => number = () => 1, maxBytes = Number.POSITIVE_INFINITY): Promise<Delivery[]> {
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
        if (this.#waiting.length >= (isOver ? 1 : worth())) return this.#splice(max, maxBytes);
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

  /** Ends every take, now and later. Unacknowledged deliveries return to the queue when their channel closes. */
  close(): void {
    this.#closed = true;
    this.#waiting = [];
    for (const wake of this.#takers.splice(0)) wake();
  }

  #splice(max: number, maxBytes: number): Delivery[] {
    let bytes = this.#waiting[0]!.content.length;
    let end = 1;
    while (end < Math.min(max, this.#waiting.length)) {
      bytes += this.#waiting[end]!.content.length;
      if (bytes > maxBytes) break;
      end += 1;
    }
    return this.#waiting.splice(0, end);
  }

  #dropDead(): void {
    // Channels of one consumer follow each other, so the dead ones are at the front.
    if (this.#waiting.length > 0 && !this.#waiting[0]!.alive) {
      this.#waiting = this.#waiting.filter((delivery) => delivery.alive);
    }
  }
}
