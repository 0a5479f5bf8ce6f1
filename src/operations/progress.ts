import type { Terminal } from './context';
import { number } from './render';

/** Shows one line that each call overwrites; only on a terminal. */
export function makeProgress(sink: Terminal['stderr']): { show(text: string): void; clear(): void } {
  const show = (text: string): void => {
    if (sink.isTTY) sink.write(`\r\x1b[K${text}`);
  };
  return { show, clear: () => show('') };
}

/** `1,234/s` */
export const perSecond = (n: number, seconds: number): string =>
  `${number(Math.round(seconds > 0 ? n / seconds : 0))}/s`;

/**
 * Starts measuring with the first call.
 *
 * @returns a function of how many are done and their share of the whole (0 to 1; null when unknown), which renders the
 *   rate since the first call and the time left
 */
export function makePace(now: () => number = () => performance.now()): (done: number, share: number | null) => string {
  let first: { at: number; done: number; share: number } | undefined;
  return (done, share) => {
    first ??= { at: now(), done, share: share ?? 0 };
    const seconds = (now() - first.at) / 1_000;
    const rate = perSecond(done - first.done, seconds);
    if (share === null) return rate;
    const percent = `${Math.floor(Math.min(share, 1) * 100)} %`;
    const progressed = share - first.share;
    if (progressed <= 0) return percent;
    return `${percent}, ${rate}, ${timeLeft(((1 - Math.min(share, 1)) / progressed) * seconds)} left`;
  };
}

function timeLeft(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  if (seconds < 90 * 60) return `${Math.ceil(seconds / 60)} min`;
  return `${(seconds / 3_600).toFixed(1)} h`;
}
