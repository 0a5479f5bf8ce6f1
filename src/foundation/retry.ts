import { setTimeout as delay } from 'node:timers/promises';

/**
 * Growing pauses between attempts, with jitter over their upper half, so that many processes that lost the same broker
 * do not all come back at the same moment.
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

  /** Call it after a success: the next pause is short again. */
  reset(): void {
    this.#attempt = 0;
  }
}

/** Waits; an abort ends the wait early. Never rejects: the caller checks its own state afterwards. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}

export interface RetryOptions {
  /** How often the work is tried, the first time included. */
  attempts: number;
  /** Whether the work may succeed if it is repeated after this error; asked after each failure. */
  when(error: unknown): boolean;
  /** The pauses between attempts; without it, there are none. */
  backoff?: Backoff;
}

/** Repeats work that fails by chance. Rejects with the last error, or with the first error that `when` does not accept. */
export async function retry<T>(work: () => Promise<T>, { attempts, when, backoff }: RetryOptions): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!when(error) || attempt >= attempts) throw error;
      if (backoff) await delay(backoff.next());
    }
  }
}
