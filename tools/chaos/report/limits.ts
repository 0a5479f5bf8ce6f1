/** How soon a fault must be seen, repaired and made up for. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Outage, Witness } from '../faults/outage';
import type { Worker } from '../servers/worker';
import type { Monitor } from './monitor';

const RED_MS = 10_000;
/** The service looks at its topology every 30 s. */
const DECLARED_MS = 35_000;
const HANDLED_MS = 30_000;
const LOOK_MS = 200;

/** Checks each fault against the limits, and keeps the slowest of each. */
export class Limits implements Witness {
  readonly problems: string[] = [];
  readonly slowest = { redMs: 0, declaredMs: 0, handledMs: 0 };

  constructor(
    private readonly monitor: Monitor,
    private readonly workers: readonly Worker[],
  ) {}

  get summary(): string {
    const [red, declared, handled] = Object.values(this.slowest).map((ms) => `${(ms / 1000).toFixed(1)} s`);
    return `at the latest red after ${red}, declared again after ${declared}, handled ${handled} after a fault's end`;
  }

  async red({ what, red }: Outage, ended: AbortSignal): Promise<void> {
    if (!red) return;
    const { workers, enough = workers.length, once } = red;
    while (once && !ended.aborted && !(await once().catch(() => false))) await delay(LOOK_MS);
    const since = performance.now();
    while (!ended.aborted) {
      const green = await Promise.all(workers.map((worker) => worker.isGreen()));
      const ms = performance.now() - since;
      if (ended.aborted) return;
      if (green.filter((isGreen) => !isGreen).length >= enough) return this.#keep('redMs', ms);
      if (ms > RED_MS) {
        this.problems.push(`${what}: a heartbeat was still green after ${RED_MS / 1000} s`);
        return;
      }
      await delay(LOOK_MS);
    }
  }

  async declared({ what, isDeclaredAgain }: Outage, signal: AbortSignal): Promise<void> {
    if (!isDeclaredAgain) return;
    const ms = await this.#until(isDeclaredAgain, DECLARED_MS, signal);
    if (ms === undefined) this.problems.push(`${what}: not declared again after ${DECLARED_MS / 1000} s`);
    else this.#keep('declaredMs', ms);
  }

  async handled({ what }: Outage, signal: AbortSignal): Promise<void> {
    const since = performance.now();
    const isEmpty = async (): Promise<boolean> => this.monitor.emptyAt > since;
    const isFrozen = (): boolean => this.workers.some((worker) => worker.isFrozen);
    const ms = await this.#until(isEmpty, HANDLED_MS, signal, isFrozen);
    if (ms === undefined) this.problems.push(`${what}: messages still waited ${HANDLED_MS / 1000} s after its end`);
    else this.#keep('handledMs', ms);
  }

  /**
   * @param excused while it is true, time does not count: another worker waits up to 30 s for the locks of a frozen one
   * @returns how long the condition was seen not to hold; undefined if that was longer than the limit. A look may take
   *   seconds on a busy machine, so the time of the look that finds it to hold does not count
   */
  async #until(
    condition: () => Promise<boolean>,
    limitMs: number,
    signal: AbortSignal,
    excused = () => false,
  ): Promise<number | undefined> {
    let last = performance.now();
    for (let ms = 0; ms <= limitMs; ) {
      if (await condition().catch(() => false)) return ms; // rejects while the broker is away
      await delay(LOOK_MS, undefined, { signal });
      const now = performance.now();
      if (!excused()) ms += now - last;
      last = now;
    }
    return undefined;
  }

  #keep(limit: keyof Limits['slowest'], ms: number): void {
    this.slowest[limit] = Math.max(this.slowest[limit], ms);
  }
}
