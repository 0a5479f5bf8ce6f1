/** How long a worker counts as busy after a large batch: even while messages wait, some batches are small. */
const QUIET_MS = 500;

/** Tells from the sizes of a worker's batches whether the worker is fully occupied. */
export class Load {
  readonly #large: number;
  #inFlight = 0;
  #busyUntil = Number.NEGATIVE_INFINITY;

  /** @param batchSize the size of a full batch; a batch of half this size counts as large */
  constructor(batchSize: number) {
    this.#large = Math.ceil(batchSize / 2);
  }

  begin(messages: number): void {
    if (messages >= this.#large) this.#inFlight += 1;
  }

  /** @param now in milliseconds, of a clock that is never set back */
  end(messages: number, now: number = performance.now()): void {
    if (messages < this.#large) return;
    this.#inFlight -= 1;
    this.#busyUntil = now + QUIET_MS;
  }

  isBusy(now: number = performance.now()): boolean {
    return this.#inFlight > 0 || now < this.#busyUntil;
  }
}
