import { setTimeout as delay } from 'node:timers/promises';

/**
 * Growing pauses between attempts, with full jitter over their upper half, so that many processes that lost one broker
 * do not all come back in the same moment.
 */
export class Backoff {
  #attempt = 0;

  constructor(
    private readonly firstMs = 100,
    private readonly maxMs = 15_000,
  ) {}

  /** The next pause in ms: between half of and the whole of `firstMs`, then of twice that, and so on up to `maxMs`. */
  next(): number {
    const ceiling = Math.min(this.maxMs, this.firstMs * 2 ** this.#attempt);
    if (ceiling < this.maxMs) this.#attempt += 1;
    return Math.round(ceiling / 2 + (Math.random() * ceiling) / 2);
  }

  /** Call it when something has worked: the next pause is short again. */
  reset(): void {
    this.#attempt = 0;
  }
}

/** Waits; an abort ends the wait early. Never rejects: the caller looks at its own state afterwards. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}
