import { setTimeout as delay } from 'node:timers/promises';
import type { Bench } from '../bench';
import { now } from '../contenders/clock';
import { Contender, type Program } from '../contenders/contender';
import { baseline, onecontact } from '../contenders/programs';
import { messageOf } from '../load/acts';
import { supplyOf } from '../load/workloads';
import { percentile } from '../report/statistics';
import { contactsFor } from './throughput';

export interface Latency {
  contender: 'onecontact' | 'baseline';
  /** Events a second. */
  rate: number;
  /** Percentiles of each round, in milliseconds. */
  rounds: { events: number; p50: number; p90: number; p99: number; max: number }[];
}

/** What the target names, and so few that none waits for another. */
const RATE = 1_000;
const SINGLE_RATE = 50;
const TICK_MS = 1;

/**
 * Milliseconds from the moment that a message was due to its ack, with sign-ups of new readers. The load is open: what is
 * due is sent, whatever became of that before it, and a message that is sent late counts from when it was due.
 *
 * @param baselineBest the baseline's own throughput: it gets half of that, for its load
 */
export async function measureLatency(bench: Bench, concurrency: number, baselineBest: number): Promise<Latency[]> {
  const { options, say } = bench;
  const half = Math.floor(baselineBest / 2);
  const plans: [Latency, Program][] = [
    [{ contender: 'onecontact', rate: RATE, rounds: [] }, onecontact(options.set)],
    [{ contender: 'baseline', rate: half, rounds: [] }, baseline(concurrency)],
    [{ contender: 'onecontact', rate: SINGLE_RATE, rounds: [] }, onecontact(options.set)],
    [{ contender: 'baseline', rate: Math.min(SINGLE_RATE, half), rounds: [] }, baseline(concurrency)],
  ];
  for (let round = 1; round <= options.rounds; round++) {
    for (const [latency, program] of plans) {
      const values = await latenciesOf(bench, program, latency.rate);
      const [p50, p90, p99, max] = [50, 90, 99, 100].map((p) => percentile(values, p)) as [
        number,
        number,
        number,
        number,
      ];
      latency.rounds.push({ events: values.length, p50, p90, p99, max });
      say(
        `  round ${round}/${options.rounds}  ${program.name} at ${latency.rate}/s: p50 ${p50.toFixed(1)}, p99 ${p99.toFixed(1)} ms`,
      );
    }
  }
  return plans.map(([latency]) => latency);
}

async function latenciesOf(bench: Bench, program: Program, rate: number): Promise<number[]> {
  const { broker, databases, options } = bench;
  await broker.purge();
  const contacts = contactsFor(rate * options.seconds, options);
  const database = await databases.clone(contacts);
  const contender = await Contender.start(program, { ...bench, databaseUrl: database.url });
  try {
    const supply = supplyOf('new', contacts, options.seed);
    const warmUp = supply(5 * rate);
    await broker.publish(warmUp.map(messageOf));
    await contender.untilAcked(warmUp.length);
    await contender.report();
    const messages = supply(rate * options.seconds).map(messageOf);
    const begin = now();
    for (let sent = 0; sent < messages.length; ) {
      const due = Math.min(messages.length, Math.floor(((now() - begin) * rate) / 1_000));
      for (; sent < due; sent++)
        broker.send(messages[sent] as (typeof messages)[number], begin + (sent * 1_000) / rate);
      await delay(TICK_MS);
    }
    await broker.confirmed();
    return await allLatencies(contender, messages.length);
  } finally {
    await contender.stop();
    await database.drop();
  }
}

async function allLatencies(contender: Contender, count: number): Promise<number[]> {
  const all: number[] = [];
  for (;;) {
    all.push(...(await contender.report()).latencies);
    if (all.length >= count) return all;
    await delay(25);
  }
}
