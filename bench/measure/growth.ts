import type { Bench } from '../bench';
import type { Run } from './run';
import { runOnecontact } from './throughput';

export interface Growth {
  workload: 'new' | 'known';
  contacts: number;
  runs: Run[];
}

/** The same load with more and more contacts in the database. */
export async function measureGrowth(bench: Bench): Promise<Growth[]> {
  const { options, say } = bench;
  const sizes = options.sizes.map((size) => Math.ceil(size / 8) * 8);
  for (const size of sizes) await bench.databases.template(size); // not in the middle of a round
  const results = (['new', 'known'] as const).flatMap((workload) =>
    sizes.map((contacts): Growth => ({ workload, contacts, runs: [] })),
  );
  for (let round = 1; round <= options.rounds; round++) {
    for (const { workload, contacts, runs } of results) {
      const run = await runOnecontact(bench, workload, options.events, { contacts });
      runs.push(run);
      say(
        `  round ${round}/${options.rounds}  ${contacts.toLocaleString('en')} contacts, ${workload}: ${Math.round(run.throughput)} events/s`,
      );
    }
  }
  return results;
}
