/** How long a worker counts as busy after a large batch: while messages wait, small batches come between the large ones. */
const QUIET_MS = 500;

/** Whether a worker has all it can do, by the sizes of its batches. */
export class Load {
  readonly #large: number;
  #inFlight = 0;
  #busyUntil = Number.NEGATIVE_INFINITY;

  /** @param batchSize of a full batch: half of it is large */
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
