import { setImmediate } from 'node:timers/promises';

/** Well below what a health check or a heartbeat of the broker notices. */
const LONGEST_MS = 10;

/** Lets the rest of the process work whenever a long loop has worked for a while: await its result once a step. */
export function turns(): () => Promise<void> {
  let begin = performance.now();
  return async () => {
    if (performance.now() - begin < LONGEST_MS) return;
    await setImmediate();
    begin = performance.now();
  };
}
