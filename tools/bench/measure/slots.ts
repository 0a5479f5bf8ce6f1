import type { Bench } from '../bench';
import { onecontact } from '../contenders/contender';
import { loadOf, measureRun, type Run } from './run';
import { inRounds } from './throughput';

export interface Slots {
  concurrency: number;
  runs: Run[];
}

/** One slot and two, on accounts that take each other's addresses: each batch changes what the other one needs. */
export async function measureSlots(bench: Bench): Promise<Slots[]> {
  const results = [1, 2].map((concurrency): Slots => ({ concurrency, runs: [] }));
  await inRounds(bench, results, async ({ concurrency, runs }) => {
    const program = onecontact({ ...bench.options.set, CONCURRENCY: `${concurrency}` });
    const run = await measureRun(bench, program, loadOf(bench, 'dense'));
    runs.push(run);
    return `CONCURRENCY=${concurrency}: ${Math.round(run.throughput)} events/s, warnings ${JSON.stringify(run.warnings)}`;
  });
  return results;
}
