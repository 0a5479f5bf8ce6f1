import type { Logger } from 'pino';

/**
 * Longer synchronous work is logged, because it holds up everything else: other slots, health checks, heartbeats to the
 * broker.
 */
const LONG_MS = 1_000;

/** Runs synchronous work whose size depends on received data. */
export type Blocking = <T>(what: string, sizes: () => Record<string, number>, work: () => T) => T;

/** Logs which work took long, and its sizes. */
export const watchBlocking =
  (log: Logger, now: () => number = () => performance.now()): Blocking =>
  (what, sizes, work) => {
    const begin = now();
    const result = work();
    const ms = Math.round(now() - begin);
    if (ms > LONG_MS) log.warn({ work: what, ms, ...sizes() }, 'the process was blocked');
    return result;
  };
