import { parseArgs } from 'node:util';
import { WORKLOAD_NAMES, WORKLOADS } from './load/workloads';

/** What can be measured. */
export const PARTS = [...WORKLOAD_NAMES, 'latency', 'processes', 'growth', 'memory', 'profile'] as const;
export type Part = (typeof PARTS)[number];

export interface Options {
  rounds: number;
  events: number;
  only: readonly Part[];
  seed: number;
  quick: boolean;
  /** Write docs/performance.json and docs/performance.svg as well. */
  keep: boolean;
  /** Seconds of load in each measurement of latency. */
  seconds: number;
  /** In the database before a run, at least. */
  contacts: number;
  sizes: readonly number[];
  /** Use filled databases that are on the server, and leave them there. */
  reuse: boolean;
  backlog: number;
  /** Concurrency of the baseline; unknown: the best is looked for. */
  baseline: number | undefined;
  /** Environment of OneContact's worker, beside the defaults. */
  set: Record<string, string>;
}

const DEFAULT_PARTS: readonly Part[] = [...WORKLOAD_NAMES, 'latency', 'processes'];
const QUICK_PARTS: readonly Part[] = ['new', 'mix-10'];

export const HELP = `npm run bench -- [OPTION ...]

Measures OneContact on a real RabbitMQ (quorum queues) and a real, durable PostgreSQL, beside an idiomatic baseline, the
limit of the database and the limit of the broker, in interleaved rounds. Needs nothing but the checkout: the servers come
as for the tests (TEST_AMQP_URL and TEST_DATABASE_URL, Docker, installed ones, fetched ones).

  --rounds N        rounds, of which the medians count (3; with --quick 1)
  --events N        messages of OneContact in each run (20000; with --quick 5000); the baseline gets a tenth
  --only A,B        what to measure:
${WORKLOAD_NAMES.map((name) => `                      ${name.padEnd(10)} ${WORKLOADS[name].title}`).join('\n')}
                      latency    at 1,000 events a second, and one event at a time
                      processes  1, 2 and 4 worker processes on the same queues
                      growth     throughput with more and more contacts in the database (not by default)
                      memory     memory of a worker at a large backlog (not by default)
                      profile    where the time goes: processor profile, statements (not by default)
  --contacts N      contacts in the database (10000)
  --sizes N,M       contacts in the database, for growth (10000,1000000)
  --reuse           use filled databases that are on the server already, and leave them there: for large ones, with
                    TEST_DATABASE_URL (ten million contacts take some twenty minutes to fill in)
  --backlog N       messages, for memory (1000000)
  --seconds N       load in each measurement of latency (10)
  --baseline N      concurrency of the baseline (the best of 4, 8, 16, 32; with --quick 16)
  --set NAME=VALUE  environment of OneContact's worker, to try a setting; as often as needed
  --seed N          of the generated people and events (1)
  --quick           under a minute, for CI: fails unless OneContact has at least 5 times the baseline's throughput
  --keep            write docs/performance.json and docs/performance.svg too, not only bench/results
  --help

Exit: 0 measured (with --quick: and fast enough), 1 failed, 2 bad usage.`;

/** @throws Error that says what is wrong */
export function readOptions(args: string[]): Options | 'help' {
  const { values } = parseArgs({
    args,
    options: {
      ...{ rounds: { type: 'string' }, events: { type: 'string' }, only: { type: 'string' }, seed: { type: 'string' } },
      ...{
        baseline: { type: 'string' },
        contacts: { type: 'string' },
        sizes: { type: 'string' },
        backlog: { type: 'string' },
        seconds: { type: 'string' },
      },
      set: { type: 'string', multiple: true },
      ...{
        quick: { type: 'boolean' },
        keep: { type: 'boolean' },
        reuse: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    },
  });
  if (values.help) return 'help';
  const quick = values.quick ?? false;
  return {
    quick,
    keep: values.keep ?? false,
    reuse: values.reuse ?? false,
    rounds: number('rounds', values.rounds, quick ? 1 : 3),
    events: number('events', values.events, quick ? 5_000 : 20_000),
    only: parts(values.only, quick ? QUICK_PARTS : DEFAULT_PARTS),
    seed: number('seed', values.seed, 1),
    contacts: number('contacts', values.contacts, 10_000),
    sizes: (values.sizes ?? '10000,1000000').split(',').map((size) => number('sizes', size, 0)),
    backlog: number('backlog', values.backlog, 1_000_000),
    seconds: number('seconds', values.seconds, 10),
    baseline: values.baseline === undefined && !quick ? undefined : number('baseline', values.baseline, 16),
    set: Object.fromEntries((values.set ?? []).map(assignment)),
  };
}

function number(name: string, text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${name} must be a whole number from 1`);
  return value;
}

function assignment(text: string): [string, string] {
  const [name, ...value] = text.split('=');
  if (!name || value.length === 0) throw new Error('--set is NAME=VALUE');
  return [name, value.join('=')];
}

function parts(text: string | undefined, otherwise: readonly Part[]): readonly Part[] {
  if (text === undefined) return otherwise;
  const names = text.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !PARTS.some((part) => part === name));
  if (unknown !== undefined) throw new Error(`--only knows ${PARTS.join(', ')}; not ${unknown}`);
  return PARTS.filter((part) => names.includes(part));
}
