import { setImmediate } from 'node:timers/promises';

/** Too short for a health check or a heartbeat of the broker to notice. */
const LONGEST_MS = 10;

/** Lets the rest of the process work during a long loop: await the returned function once per step. */
export function turns(): () => Promise<void> {
  let begin = performance.now();
  return async () => {
    if (performance.now() - begin < LONGEST_MS) return;
    await setImmediate();
    begin = performance.now();
  };
}
