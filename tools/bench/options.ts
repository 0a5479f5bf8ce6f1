import { parseArgs } from 'node:util';
import { wholeNumber } from '../options';
import { WORKLOAD_NAMES, WORKLOADS } from './load/workloads';

const PARTS = [
  ...WORKLOAD_NAMES,
  'latency',
  'processes',
  'slots',
  'intake',
  'notify',
  'console',
  'growth',
  'memory',
  'sizes',
  'profile',
] as const;
export type Part = (typeof PARTS)[number];

export interface Options {
  rounds: number;
  events: number;
  only: readonly Part[];
  seed: number;
  quick: boolean;
  /** Also write docs/performance.json and docs/performance.svg. */
  keep: boolean;
  /** Seconds of load in each measurement of latency. */
  seconds: number;
  /** The least number of contacts in the database before a run. */
  contacts: number;
  sizes: readonly number[];
  /** Use filled databases that are on the server, and keep them. */
  reuse: boolean;
  backlog: number;
  /** The baseline's concurrency; undefined: find the best one. */
  baseline: number | undefined;
  /** More environment variables for OneContact's worker. */
  set: Record<string, string>;
}

const DEFAULT_PARTS: readonly Part[] = [...WORKLOAD_NAMES, 'latency', 'processes', 'slots', 'notify'];
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
                      slots      CONCURRENCY 1 and 2 on few accounts, all connected
                      intake     events over HTTP, taken by one process, beside what one worker consumes (not by default)
                      notify     what the change feed and NOTIFY_CHANGES cost sign-ups, and a real-life mix
                      console    pages of the console beside a look-up, with a million contacts and 300,000 merges (not
                                 by default)
                      growth     throughput with more and more contacts in the database (not by default)
                      memory     peak memory of a worker at a large backlog, and of commands (not by default)
                      sizes      bytes a row of each table, with --contacts in the database (not by default)
                      profile    where the time goes, in all workloads or in those named beside it, which are then only
                                 profiled: processor, allocations, statements (not by default)
  --contacts N      contacts in the database (10000)
  --sizes N,M       contacts in the database, for growth (10000,1000000)
  --reuse           use filled databases that are on the server already, and leave them there: for large ones, with
                    TEST_DATABASE_URL (ten million contacts take some twenty minutes to fill in)
  --backlog N       messages, for memory (1000000)
  --seconds N       load in each measurement of latency (10)
  --baseline N      concurrency of the baseline (the best of 4, 8, 16, 32; with --quick 16)
  --set NAME=VALUE  environment of OneContact's worker, to try a setting; as often as needed
  --seed N          of the generated people and events (1)
  --quick           under a minute: fails unless OneContact has at least 5 times the baseline's throughput
  --keep            write docs/performance.json and docs/performance.svg too, not only tools/bench/results
  --help

Exit: 0 measured (with --quick: and fast enough), 1 failed, 2 bad usage.`;

const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;

/** @throws Error that names the wrong option */
export function readOptions(args: string[]): Options | 'help' {
  const numbers = {
    rounds: text,
    events: text,
    seed: text,
    baseline: text,
    contacts: text,
    backlog: text,
    seconds: text,
  };
  const flags = { quick: flag, keep: flag, reuse: flag, help: flag };
  const { values } = parseArgs({
    args,
    options: { ...numbers, ...flags, only: text, sizes: text, set: { ...text, multiple: true } },
  });
  if (values.help) return 'help';
  const { quick = false, keep = false, reuse = false } = values;
  const number = (name: keyof typeof numbers, otherwise: number): number =>
    wholeNumber(name, values[name] ?? `${otherwise}`, 1);
  return {
    quick,
    keep,
    reuse,
    rounds: number('rounds', quick ? 1 : 3),
    events: number('events', quick ? 5_000 : 20_000),
    only: parts(values.only, quick ? QUICK_PARTS : DEFAULT_PARTS),
    seed: number('seed', 1),
    contacts: number('contacts', 10_000),
    sizes: (values.sizes ?? '10000,1000000').split(',').map((size) => wholeNumber('sizes', size, 1)),
    backlog: number('backlog', 1_000_000),
    seconds: number('seconds', 10),
    baseline: values.baseline === undefined && !quick ? undefined : number('baseline', 16),
    set: Object.fromEntries((values.set ?? []).map(assignment)),
  };
}

function assignment(written: string): [string, string] {
  const [name, ...value] = written.split('=');
  if (!name || value.length === 0) throw new Error('--set is NAME=VALUE');
  return [name, value.join('=')];
}

function parts(written: string | undefined, otherwise: readonly Part[]): readonly Part[] {
  if (written === undefined) return otherwise;
  const names = written.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !PARTS.some((part) => part === name));
  if (unknown !== undefined) throw new Error(`--only knows ${PARTS.join(', ')}; not ${unknown}`);
  return PARTS.filter((part) => names.includes(part));
}
