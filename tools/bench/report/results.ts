import type { Growth } from '../measure/growth';
import type { Latency } from '../measure/latency';
import type { Memory } from '../measure/memory';
import type { Processes } from '../measure/processes';
import type { Run } from '../measure/run';
import type { ContenderName, Throughput } from '../measure/throughput';
import type { Profile } from '../profile/profile';
import { median } from './statistics';

/** All that was measured, as it is written to JSON. */
export interface Results {
  configuration: Record<string, string>;
  /** The concurrency at which the baseline was best, and events a second at each that was tried. */
  baseline?: { concurrency: number; grid: Record<number, number> };
  throughput?: Throughput[];
  latency?: Latency[];
  processes?: Processes[];
  growth?: Growth[];
  memory?: Memory;
  profile?: Profile[];
}

export const throughputOf = (runs: readonly Run[]): number => median(runs.map(({ throughput }) => throughput));

/** Of two that were measured in the same rounds: the median of the rounds' ratios. */
export function ratioOf(runs: readonly Run[], others: readonly Run[]): number {
  return median(runs.map(({ throughput }, round) => throughput / (others[round]?.throughput ?? Number.NaN)));
}

export function runsOf({ throughput = [] }: Results, workload: string, name: ContenderName): readonly Run[] {
  return throughput.find((it) => it.workload === workload)?.runs[name] ?? [];
}
