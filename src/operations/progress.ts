import type { Terminal } from './context';

/** One line that is written over and over, where somebody sees it. */
export function makeProgress(sink: Terminal['stderr']): { show(text: string): void; clear(): void } {
  const put = (text: string): void => {
    if (sink.isTTY) sink.write(`\r\x1b[K${text}`);
  };
  return { show: put, clear: () => put('') };
}

/** Whole things a second, for people. */
export const perSecond = (n: number, seconds: number): string =>
  `${Math.round(seconds > 0 ? n / seconds : 0).toLocaleString('en')}/s`;

/**
 * Begins to measure with the first call.
 *
 * @returns a function of how many are done and what share of the whole that is (0 to 1; null where nobody knows), which
 *   tells the rate since the beginning and the time left
 */
export function makePace(now: () => number = () => performance.now()): (done: number, share: number | null) => string {
  let first: { at: number; done: number; share: number } | undefined;
  return (done, share) => {
    first ??= { at: now(), done, share: share ?? 0 };
    const seconds = (now() - first.at) / 1_000;
    const rate = perSecond(done - first.done, seconds);
    if (share === null) return rate;
    const percent = `${Math.floor(Math.min(share, 1) * 100)} %`;
    const gone = share - first.share;
    if (gone <= 0) return percent;
    return `${percent}, ${rate}, ${duration(((1 - Math.min(share, 1)) / gone) * seconds)} left`;
  };
}

function duration(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  if (seconds < 90 * 60) return `${Math.ceil(seconds / 60)} min`;
  return `${(seconds / 3_600).toFixed(1)} h`;
}
