import { setTimeout as delay } from 'node:timers/promises';
import { MAILER_QUEUE } from '../../../src/rabbitmq/names';
import type { Bench } from '../bench';
import { now } from '../contenders/clock';
import { Contender, type Program } from '../contenders/contender';
import { type Act, messageOf, type Rows, rowsOf } from '../load/acts';
import type { RunDatabase } from '../setup/databases';

export interface Run {
  events: number;
  /** Milliseconds from the first delivery to the last ack, and an empty outbox. */
  elapsed: number;
  /** Events a second. */
  throughput: number;
  /** Seconds of processor time of the contender's processes. */
  cpu: number;
  ackFrames: number;
  /** Warnings in the contenders' logs, with how often they came. */
  warnings: Record<string, number>;
}

export interface RunOptions {
  program: Program;
  contacts: number;
  warmUp: readonly Act[];
  acts: readonly Act[];
  /** Processes that consume the same queues. */
  processes?: number;
  /** Which of the rows a contender writes: the baseline merges nothing, the limit of the broker writes nothing. */
  writes: 'all' | 'no merges' | 'nothing';
  /** Before the contender is held, before it is let go, and right after all is done. With one process. */
  watch?: Record<'prepare' | 'begin' | 'end', (database: RunDatabase, contender: Contender) => Promise<void>>;
}

/**
 * One throughput: the contender is started and warmed up, then held (SIGSTOP) while the backlog is published and
 * confirmed, and let go. It is over when the last message is acknowledged and the outbox is empty. Then the rows are
 * counted: what was measured must have been done.
 */
export async function measureRun(bench: Bench, options: RunOptions): Promise<Run> {
  const { broker, databases } = bench;
  const { program, acts, warmUp, processes = 1 } = options;
  await broker.purge();
  const database = await databases.clone(options.contacts);
  const contenders: Contender[] = [];
  try {
    const surroundings = { ...bench, databaseUrl: database.url };
    for (let i = 0; i < processes; i++) contenders.push(await Contender.start(program, surroundings));
    await broker.publish(warmUp.map(messageOf));
    await untilAllAcked(contenders, warmUp.length);
    await untilRelayed(database);
    const before = await database.rows();
    const told = await broker.ready(MAILER_QUEUE);

    const [cpuBefore, framesBefore] = await spent(contenders);
    await options.watch?.prepare(database, contenders[0] as Contender);
    for (const contender of contenders) contender.suspend();
    await broker.publish(acts.map(messageOf));
    await database.client.query('CHECKPOINT');
    await options.watch?.begin(database, contenders[0] as Contender);
    const begin = now();
    for (const contender of contenders) contender.resume();
    const lastAckAt = await untilAllAcked(contenders, warmUp.length + acts.length);
    const relayed = options.writes === 'all' ? await untilRelayed(database) : 0;
    const elapsed = Math.max(lastAckAt, relayed) - begin;

    await options.watch?.end(database, contenders[0] as Contender);
    const [cpuAfter, framesAfter] = await spent(contenders);
    verifyRows(program.name, options, before, await database.rows());
    const notifications = (await broker.ready(MAILER_QUEUE)) - told;
    const collisions = acts.filter(({ kind }) => kind === 'collision').length;
    // Each of them is told of; a merge and a changed address within one batch may be one notification.
    if (options.writes === 'all' && notifications < collisions)
      throw new Error(`${notifications} notifications of ${collisions} merges`);
    const astray = await broker.astray();
    if (astray.length > 0) throw new Error(`${program.name} left ${astray.join(', ')}`);
    const warnings: Record<string, number> = {};
    for (const contender of contenders) {
      for (const [text, count] of contender.warnings) warnings[text] = (warnings[text] ?? 0) + count;
    }
    const throughput = (acts.length / elapsed) * 1_000;
    const [cpu, ackFrames] = [cpuAfter - cpuBefore, framesAfter - framesBefore];
    return { events: acts.length, elapsed, throughput, cpu, ackFrames, warnings };
  } finally {
    await Promise.all(contenders.map((contender) => contender.stop()));
    await database.drop();
  }
}

/** Processor time and ack frames of all of them together. */
async function spent(contenders: readonly Contender[]): Promise<[number, number]> {
  const reports = await Promise.all(contenders.map((contender) => contender.report()));
  return [reports.reduce((sum, { cpu }) => sum + cpu, 0), reports.reduce((sum, { ackFrames }) => sum + ackFrames, 0)];
}

/** @returns when the last ack of all was */
async function untilAllAcked(contenders: readonly Contender[], count: number): Promise<number> {
  const [only] = contenders;
  if (contenders.length === 1 && only) return only.untilAcked(count);
  for (;;) {
    const reports = await Promise.all(contenders.map((contender) => contender.report()));
    const acked = reports.reduce((sum, report) => sum + report.acked, 0);
    if (acked >= count) return Math.max(...reports.map(({ lastAckAt }) => lastAckAt));
    await delay(25);
  }
}

/** @returns when the outbox was seen empty */
async function untilRelayed(database: RunDatabase): Promise<number> {
  while (!(await database.outboxIsEmpty())) await delay(5);
  return now();
}

function verifyRows(name: string, { acts, writes }: RunOptions, before: Rows, after: Rows): void {
  const all = rowsOf(acts);
  const expected =
    writes === 'all'
      ? all
      : writes === 'nothing'
        ? rowsOf([])
        : { ...all, contacts: all.contacts + all.merges, tokens: all.tokens + all.merges, merges: 0 };
  const problems = (Object.keys(expected) as (keyof Rows)[])
    .filter((table) => after[table] - before[table] !== expected[table])
    .map((table) => `${after[table] - before[table]} ${table} instead of ${expected[table]}`);
  if (problems.length > 0) throw new Error(`${name} did not do the work: ${problems.join(', ')}`);
}
