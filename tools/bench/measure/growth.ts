import type { Bench } from '../bench';
import type { Run } from './run';
import { runDatabaseLimit, runOnecontact } from './throughput';

export interface Growth {
  workload: 'new' | 'known';
  contacts: number;
  runs: Run[];
  /** Of the database's limit, at the same size. */
  limit: Run[];
}

/** The same load with more and more contacts in the database. */
export async function measureGrowth(bench: Bench): Promise<Growth[]> {
  const { options, say } = bench;
  const sizes = options.sizes.map((size) => Math.ceil(size / 8) * 8);
  for (const size of sizes) await bench.databases.template(size); // not in the middle of a round
  const results = (['new', 'known'] as const).flatMap((workload) =>
    sizes.map((contacts): Growth => ({ workload, contacts, runs: [], limit: [] })),
  );
  for (let round = 1; round <= options.rounds; round++) {
    for (const { workload, contacts, runs, limit } of results) {
      const run = await runOnecontact(bench, workload, options.events, { contacts });
      runs.push(run);
      const most = await runDatabaseLimit(bench, workload, { contacts });
      limit.push(most);
      const shown = `onecontact ${Math.round(run.throughput)}, database ${Math.round(most.throughput)} events/s`;
      say(`  round ${round}/${options.rounds}  ${contacts.toLocaleString('en')} contacts, ${workload}: ${shown}`);
    }
  }
  return results;
}
