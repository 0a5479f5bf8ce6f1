import type { Stage } from './metrics';

/** Reports how long each stage of a batch took: the time since the previous lap. */
export class Stopwatch {
  #since = performance.now();

  constructor(private readonly observe: (stage: Stage, seconds: number) => void) {}

  /** Discards the time since the last lap, which was a wait or a failed attempt. */
  restart(): void {
    this.#since = performance.now();
  }

  lap(stage: Stage): void {
    const now = performance.now();
    this.observe(stage, (now - this.#since) / 1_000);
    this.#since = now;
  }
}
