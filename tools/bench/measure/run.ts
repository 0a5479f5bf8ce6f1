import { setTimeout as delay } from 'node:timers/promises';
import { MAILER_QUEUE } from '../../../src/rabbitmq/names';
import type { Bench } from '../bench';
import { now } from '../broker';
import { Contender, type Program, untilAcked } from '../contenders/contender';
import type { Collected } from '../contenders/probe';
import type { RunDatabase } from '../databases';
import { type Act, messageOf, type Rows, rowsOf } from '../load/acts';
import { contactsNeeded, earlierDaysOf, supplyOf, type WorkloadName } from '../load/workloads';
import { type ServerTime, serverTime, spentBetween } from './server-costs';

export interface Run {
  events: number;
  /** Milliseconds from the first delivery to the last ack and an empty outbox. */
  elapsed: number;
  /** Events a second. */
  throughput: number;
  /** Milliseconds from the first delivery to the last ack: messages may still wait in the outbox. */
  acked: number;
  /** Seconds of processor time of the contender's processes. */
  cpu: number;
  /** Seconds of processor time of the servers. */
  servers: ServerTime;
  ackFrames: number;
  /** Milliseconds of the garbage collector. */
  collected: Collected;
  /** The number of each warning in the contenders' logs. */
  warnings: Record<string, number>;
}

export interface Load {
  /** In the database beforehand. */
  contacts: number;
  /** Days on which each account logged in beforehand. */
  earlierDays: number;
  /** As many acts as are measured: compilers, caches and plans are warm then. */
  warmUp: readonly Act[];
  acts: readonly Act[];
}

/** The least number of contacts that a load of this many events, and as many to warm up, needs. */
export const contactsFor = (events: number, { contacts }: Bench['options']): number =>
  Math.max(contacts, contactsNeeded(2 * events));

export function loadOf(
  { options }: Bench,
  workload: WorkloadName,
  events = options.events,
  contacts = contactsFor(events, options),
): Load {
  const supply = supplyOf(workload, contacts, options.seed);
  return { contacts, earlierDays: earlierDaysOf(workload), warmUp: supply(events), acts: supply(events) };
}

export interface RunOptions {
  /** Processes that consume the same queues. */
  processes?: number;
  /** Statements that change the schema before the contender starts. */
  alter?: readonly string[];
  /** Called before the contender is suspended, before it is resumed, and when it is done. With one process. */
  hooks?: Record<'prepare' | 'begin' | 'end', (database: RunDatabase, contender: Contender) => Promise<void>>;
}

/**
 * Measures one throughput: the contender is started and warmed up, then suspended (SIGSTOP) while the backlog is
 * published and confirmed, and resumed. The run ends when the last message is acknowledged and the outbox is empty. The
 * rows are counted afterwards, so that a contender that skipped work fails.
 */
export async function measureRun(
  bench: Bench,
  program: Program,
  { contacts, earlierDays, warmUp, acts }: Load,
  { processes = 1, alter = [], hooks }: RunOptions = {},
): Promise<Run> {
  const { broker, databases } = bench;
  await broker.purge();
  const database = await databases.clone(contacts, earlierDays);
  const contenders: Contender[] = [];
  try {
    for (const statement of alter) await database.client.query(statement);
    for (let i = 0; i < processes; i++) contenders.push(await Contender.start(program, bench, database.url));
    const [first] = contenders as [Contender];
    await broker.publish(warmUp.map(messageOf));
    await untilAcked(contenders, warmUp.length);
    await untilRelayed(database);
    const rowsBefore = await database.rows();
    const notificationsBefore = await broker.ready(MAILER_QUEUE);
    const before = await totals(contenders);

    await hooks?.prepare(database, first);
    for (const contender of contenders) contender.suspend();
    await broker.publish(acts.map(messageOf));
    await database.client.query('CHECKPOINT');
    await hooks?.begin(database, first);
    const serversBefore = await serverTime(database.client, bench.amqpUrl);
    const begin = now();
    for (const contender of contenders) contender.resume();
    const lastAckAt = await untilAcked(contenders, warmUp.length + acts.length);
    const relayedAt = program.writes === 'all' ? await untilRelayed(database) : 0;
    const elapsed = Math.max(lastAckAt, relayedAt) - begin;

    const serversAfter = await serverTime(database.client, bench.amqpUrl);
    await hooks?.end(database, first);
    const after = await totals(contenders);
    verifyRows(program, acts, rowsBefore, await database.rows());
    const notifications = (await broker.ready(MAILER_QUEUE)) - notificationsBefore;
    const collisions = acts.filter(({ kind }) => kind === 'collision').length;
    // At least one each; a merge and a changed address within one batch may be one notification.
    if (program.writes === 'all' && notifications < collisions)
      throw new Error(`${notifications} notifications of ${collisions} merges`);
    const leftovers = await broker.leftovers();
    if (leftovers.length > 0) throw new Error(`${program.name} left ${leftovers.join(', ')}`);
    return {
      events: acts.length,
      elapsed,
      throughput: (acts.length / elapsed) * 1_000,
      acked: lastAckAt - begin,
      servers: spentBetween(serversBefore, serversAfter),
      cpu: after.cpu - before.cpu,
      ackFrames: after.ackFrames - before.ackFrames,
      collected: { young: after.young - before.young, old: after.old - before.old },
      warnings: warningsOf(contenders),
    };
  } finally {
    await Promise.all(contenders.map((contender) => contender.stop()));
    await database.drop();
  }
}

type Totals = Record<'cpu' | 'ackFrames' | 'young' | 'old', number>;

async function totals(contenders: readonly Contender[]): Promise<Totals> {
  const sum: Totals = { cpu: 0, ackFrames: 0, young: 0, old: 0 };
  for (const { cpu, ackFrames, collected } of await Promise.all(contenders.map((contender) => contender.report()))) {
    sum.cpu += cpu;
    sum.ackFrames += ackFrames;
    sum.young += collected.young;
    sum.old += collected.old;
  }
  return sum;
}

/** @returns the time at which the outbox was seen empty */
async function untilRelayed(database: RunDatabase): Promise<number> {
  while (!(await database.outboxIsEmpty())) await delay(5);
  return now();
}

function warningsOf(contenders: readonly Contender[]): Record<string, number> {
  const all: Record<string, number> = {};
  for (const { warnings } of contenders) {
    for (const [text, count] of warnings) all[text] = (all[text] ?? 0) + count;
  }
  return all;
}

function verifyRows({ name, writes }: Program, acts: readonly Act[], before: Rows, after: Rows): void {
  const expected = rowsOf(writes === 'nothing' ? [] : acts);
  if (writes === 'no merges') {
    expected.contacts += expected.merges;
    expected.tokens += expected.merges;
    expected.merges = 0;
  }
  const problems = (Object.keys(expected) as (keyof Rows)[])
    .filter((table) => after[table] - before[table] !== expected[table])
    .map((table) => `${after[table] - before[table]} ${table} instead of ${expected[table]}`);
  if (problems.length > 0) throw new Error(`${name} did not do the work: ${problems.join(', ')}`);
}
