import type { Stage } from './metrics';

/** Tells how long each stage of a batch took: the time since the one before it. */
export class Stopwatch {
  readonly #observe: (stage: Stage, seconds: number) => void;
  #since = performance.now();

  constructor(observe: (stage: Stage, seconds: number) => void) {
    this.#observe = observe;
  }

  /** What was before belongs to no stage: a wait, or an attempt that failed. */
  restart(): void {
    this.#since = performance.now();
  }

  lap(stage: Stage): void {
    const now = performance.now();
    this.#observe(stage, (now - this.#since) / 1_000);
    this.#since = now;
  }
}
