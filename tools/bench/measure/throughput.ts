/** Everything measured as events a second, in rounds, so that a slow minute of the machine affects every contender. */
import type { Bench } from '../bench';
import { baseline, brokerLimit, minimal, onecontact } from '../contenders/contender';
import { DatabaseLimit } from '../contenders/database-limit';
import { WORKLOADS, type WorkloadName } from '../load/workloads';
import { contactsFor, type Load, loadOf, measureRun, type Run } from './run';

export const CONTENDERS = ['onecontact', 'minimal', 'baseline', 'database', 'broker'] as const;
export type ContenderName = (typeof CONTENDERS)[number];

const DATABASE_WORKLOADS: readonly WorkloadName[] = ['new', 'known', 'logins', 'accounts'];
const GROWTH_WORKLOADS = ['new', 'known', 'logins'] as const;

export interface Throughput {
  workload: WorkloadName;
  /** A run of each round; empty for a contender that does not take part. */
  runs: Record<ContenderName, Run[]>;
}

export interface Growth {
  workload: (typeof GROWTH_WORKLOADS)[number];
  contacts: number;
  runs: Run[];
  /** Runs of the database's limit at the same size. */
  limit: Run[];
}

export interface Processes {
  processes: number;
  runs: Run[];
}

const GRID = [4, 8, 16, 32];
const GRID_EVENTS = 1_000;

/** Measures each item once a round: A B C A B C. @param measure returns what to show */
export async function inRounds<T>(
  { options, say }: Bench,
  items: readonly T[],
  measure: (item: T) => Promise<string>,
): Promise<void> {
  for (let round = 1; round <= options.rounds; round++) {
    for (const item of items) say(`  round ${round}/${options.rounds}  ${await measure(item)}`);
  }
}

/** Finds the baseline's best concurrency (prefetch and pool). */
export async function tuneBaseline(bench: Bench): Promise<{ concurrency: number; grid: Record<number, number> }> {
  const grid: Record<number, number> = {};
  if (bench.options.baseline !== undefined) return { concurrency: bench.options.baseline, grid };
  for (const concurrency of GRID) {
    grid[concurrency] = (await runBaseline(bench, 'new', concurrency, GRID_EVENTS)).throughput;
    bench.say(`  baseline, concurrency ${concurrency}: ${Math.round(grid[concurrency])} events/s`);
  }
  const [best] = Object.entries(grid).sort(([, a], [, b]) => b - a);
  return { concurrency: Number(best?.[0]), grid };
}

/** A tenth of the messages by default: the baseline is some dozen times slower. */
export function runBaseline(
  bench: Bench,
  workload: WorkloadName,
  concurrency: number,
  events = Math.ceil(bench.options.events / 10),
): Promise<Run> {
  const contacts = contactsFor(bench.options.events, bench.options);
  return measureRun(bench, baseline(concurrency), loadOf(bench, workload, events, contacts));
}

export async function measureThroughput(
  bench: Bench,
  workloads: readonly WorkloadName[],
  concurrency: number,
): Promise<Throughput[]> {
  const results = workloads.map(
    (workload): Throughput => ({
      workload,
      runs: { onecontact: [], minimal: [], baseline: [], database: [], broker: [] },
    }),
  );
  await inRounds(bench, results, async ({ workload, runs }) => {
    const load = loadOf(bench, workload);
    runs.onecontact.push(await measureRun(bench, onecontact(bench.options.set), load));
    runs.minimal.push(await measureRun(bench, minimal, load));
    runs.baseline.push(await runBaseline(bench, workload, concurrency));
    // The rows that a merge writes are not known beforehand.
    if (DATABASE_WORKLOADS.includes(workload)) runs.database.push(await runDatabaseLimit(bench, load));
    if (workload === 'new') runs.broker.push(await measureRun(bench, brokerLimit, load));
    const shown = CONTENDERS.flatMap((name) => {
      const run = runs[name].at(-1);
      return run ? `${name} ${Math.round(run.throughput)}` : [];
    });
    return `${WORKLOADS[workload].title}: ${shown.join(', ')} events/s`;
  });
  return results;
}

async function runDatabaseLimit({ databases }: Bench, { contacts, warmUp, acts }: Load): Promise<Run> {
  const database = await databases.clone(contacts);
  const limit = await DatabaseLimit.open(database.url);
  try {
    await limit.write(warmUp);
    await database.client.query('CHECKPOINT');
    const elapsed = await limit.write(acts);
    const throughput = (acts.length / elapsed) * 1_000;
    return {
      events: acts.length,
      elapsed,
      throughput,
      acked: elapsed,
      servers: { postgresql: null, rabbitmq: null },
      cpu: 0,
      ackFrames: 0,
      collected: { young: 0, old: 0 },
      warnings: {},
    };
  } finally {
    await limit.close();
    await database.drop();
  }
}

/** The same load with more and more contacts in the database. */
export async function measureGrowth(bench: Bench): Promise<Growth[]> {
  const { options } = bench;
  const sizes = options.sizes.map((size) => Math.ceil(size / 8) * 8);
  for (const size of sizes) await bench.databases.template(size); // not in the middle of a round
  const results = GROWTH_WORKLOADS.flatMap((workload) =>
    sizes.map((contacts): Growth => ({ workload, contacts, runs: [], limit: [] })),
  );
  await inRounds(bench, results, async ({ workload, contacts, runs, limit }) => {
    const load = loadOf(bench, workload, options.events, contacts);
    const run = await measureRun(bench, onecontact(options.set), load);
    const most = await runDatabaseLimit(bench, load);
    runs.push(run);
    limit.push(most);
    const shown = `onecontact ${Math.round(run.throughput)}, database ${Math.round(most.throughput)} events/s`;
    return `${contacts.toLocaleString('en')} contacts, ${workload}: ${shown}`;
  });
  return results;
}

/** Several worker processes on the same queues. */
export async function measureProcesses(bench: Bench): Promise<Processes[]> {
  const results = [1, 2, 4].map((processes): Processes => ({ processes, runs: [] }));
  await inRounds(bench, results, async ({ processes, runs }) => {
    // The mix with the most collisions, in which batches compete for the same rows.
    const run = await measureRun(bench, onecontact(bench.options.set), loadOf(bench, 'mix-10'), { processes });
    runs.push(run);
    return `${processes} processes: ${Math.round(run.throughput)} events/s, warnings ${JSON.stringify(run.warnings)}`;
  });
  return results;
}
