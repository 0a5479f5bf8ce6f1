import type { Bench } from '../bench';
import type { Run } from './run';
import { runOnecontact } from './throughput';

export interface Processes {
  processes: number;
  runs: Run[];
}

/** The mix with the most collisions: it is the one in which batches want the same rows. */
const WORKLOAD = 'mix-10';

/** Several worker processes on the same queues. */
export async function measureProcesses(bench: Bench): Promise<Processes[]> {
  const { options, say } = bench;
  const results = [1, 2, 4].map((processes): Processes => ({ processes, runs: [] }));
  for (let round = 1; round <= options.rounds; round++) {
    for (const { processes, runs } of results) {
      const run = await runOnecontact(bench, WORKLOAD, options.events, { processes });
      runs.push(run);
      const warnings = JSON.stringify(run.warnings);
      say(
        `  round ${round}/${options.rounds}  ${processes} processes: ${Math.round(run.throughput)} events/s, warnings ${warnings}`,
      );
    }
  }
  return results;
}
