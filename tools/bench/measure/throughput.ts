import type { Bench } from '../bench';
import { DatabaseLimit } from '../contenders/database-limit';
import { baseline, brokerLimit, onecontact } from '../contenders/programs';
import { contactsNeeded, supplyOf, WORKLOADS, type WorkloadName } from '../load/workloads';
import { measureRun, type Run } from './run';

export const CONTENDERS = ['onecontact', 'baseline', 'database', 'broker'] as const;
export type ContenderName = (typeof CONTENDERS)[number];

export interface Throughput {
  workload: WorkloadName;
  /** A run of each round; a contender that does not take part has none. */
  runs: Record<ContenderName, Run[]>;
}

const GRID = [4, 8, 16, 32];
const GRID_EVENTS = 1_000;

/** Each contender handles as many messages before it is measured: compilers, caches and plans are warm then. */
export const contactsFor = (events: number, { contacts }: Bench['options']): number =>
  Math.max(contacts, contactsNeeded(2 * events));

/** The baseline is some dozen times slower: with as many messages it would take all of the time. */
const slowShare = (count: number): number => Math.ceil(count / 10);

/** Which concurrency (prefetch and pool) is best for the baseline. */
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

/** All contenders take their poisonScheduler within each round: A B C A B C. */
export async function measureThroughput(
  bench: Bench,
  workloads: readonly WorkloadName[],
  concurrency: number,
): Promise<Throughput[]> {
  const { options, say } = bench;
  const results = workloads.map(
    (workload): Throughput => ({
      workload,
      runs: { onecontact: [], baseline: [], database: [], broker: [] },
    }),
  );
  for (let round = 1; round <= options.rounds; round++) {
    for (const { workload, runs } of results) {
      runs.onecontact.push(await runOnecontact(bench, workload, options.events));
      runs.baseline.push(await runBaseline(bench, workload, concurrency));
      if (hasLimit(workload)) runs.database.push(await runDatabaseLimit(bench, workload));
      if (workload === 'new') runs.broker.push(await runBrokerLimit(bench, workload));
      const shown = CONTENDERS.flatMap((name) => {
        const run = runs[name].at(-1);
        return run ? `${name} ${Math.round(run.throughput)}` : [];
      });
      say(`  round ${round}/${options.rounds}  ${WORKLOADS[workload].title}: ${shown.join(', ')} events/s`);
    }
  }
  return results;
}

/** Which rows a merge writes is not known beforehand. */
const hasLimit = (workload: WorkloadName): boolean => !workload.startsWith('mix');

export function runOnecontact(
  bench: Bench,
  workload: WorkloadName,
  events: number,
  { processes = 1, contacts = contactsFor(events, bench.options) }: { processes?: number; contacts?: number } = {},
): Promise<Run> {
  const supply = supplyOf(workload, contacts, bench.options.seed);
  const warmUp = supply(events);
  return measureRun(bench, {
    program: onecontact(bench.options.set),
    contacts,
    warmUp,
    acts: supply(events),
    processes,
    writes: 'all',
  });
}

export function runBaseline(
  bench: Bench,
  workload: WorkloadName,
  concurrency: number,
  events = slowShare(bench.options.events),
): Promise<Run> {
  const contacts = contactsFor(bench.options.events, bench.options);
  const supply = supplyOf(workload, contacts, bench.options.seed);
  const warmUp = supply(events);
  const program = baseline(concurrency);
  return measureRun(bench, { program, contacts, warmUp, acts: supply(events), writes: 'no merges' });
}

function runBrokerLimit(bench: Bench, workload: WorkloadName): Promise<Run> {
  const { events, seed } = bench.options;
  const contacts = contactsFor(events, bench.options);
  const supply = supplyOf(workload, contacts, seed);
  const warmUp = supply(events);
  return measureRun(bench, { program: brokerLimit(), contacts, warmUp, acts: supply(events), writes: 'nothing' });
}

export async function runDatabaseLimit(
  bench: Bench,
  workload: WorkloadName,
  { contacts = contactsFor(bench.options.events, bench.options) }: { contacts?: number } = {},
): Promise<Run> {
  const { events, seed } = bench.options;
  const supply = supplyOf(workload, contacts, seed);
  const database = await bench.databases.clone(contacts);
  const limit = await DatabaseLimit.open(database.url);
  try {
    await limit.write(supply(events));
    await database.client.query('CHECKPOINT');
    const elapsed = await limit.write(supply(events));
    return { events, elapsed, throughput: (events / elapsed) * 1_000, cpu: 0, ackFrames: 0, warnings: {} };
  } finally {
    await limit.close();
    await database.drop();
  }
}
