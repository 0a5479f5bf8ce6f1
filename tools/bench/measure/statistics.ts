import type { Run } from './run';

export const median = (values: readonly number[]): number => percentile(values, 50);

/** Interpolates linearly between the two nearest ranks. */
export function percentile(values: readonly number[], percent: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const place = ((sorted.length - 1) * percent) / 100;
  const [low, high] = [sorted[Math.floor(place)] as number, sorted[Math.ceil(place)] as number];
  return low + (high - low) * (place % 1);
}

type Measured = Pick<Run, 'throughput'>;

export const throughputOf = (runs: readonly Measured[]): number => median(runs.map(({ throughput }) => throughput));

/** The median of the rounds' own ratios. */
export function ratioOf(runs: readonly Measured[], others: readonly Measured[]): number {
  return median(runs.map(({ throughput }, round) => throughput / (others[round]?.throughput ?? Number.NaN)));
}
