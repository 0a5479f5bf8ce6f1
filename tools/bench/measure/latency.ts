import { setTimeout as delay } from 'node:timers/promises';
import type { Bench } from '../bench';
import { now } from '../broker';
import { baseline, Contender, onecontact, type Program, untilAcked } from '../contenders/contender';
import { type Message, messageOf } from '../load/acts';
import { supplyOf } from '../load/workloads';
import { contactsFor } from './run';
import { percentile } from './statistics';
import { inRounds } from './throughput';

export interface Latency {
  contender: 'onecontact' | 'baseline';
  /** Events a second. */
  rate: number;
  /** Percentiles of each round, in milliseconds. */
  rounds: { events: number; p50: number; p90: number; p99: number; max: number }[];
}

/** The rate that the target names. */
const RATE = 1_000;
/** So slow that no message waits for another. */
const SINGLE_RATE = 50;
const TICK_MS = 1;

/**
 * Measures the milliseconds from due to acknowledged, for sign-ups of new readers. The load is open: a due message is
 * sent whatever became of the earlier ones, and a message that is sent late counts from when it was due.
 *
 * @param baselineBest the baseline's own throughput; its load is half of that
 */
export async function measureLatency(bench: Bench, concurrency: number, baselineBest: number): Promise<Latency[]> {
  const half = Math.floor(baselineBest / 2);
  const plans: readonly [Latency, Program][] = [
    [{ contender: 'onecontact', rate: RATE, rounds: [] }, onecontact(bench.options.set)],
    [{ contender: 'baseline', rate: half, rounds: [] }, baseline(concurrency)],
    [{ contender: 'onecontact', rate: SINGLE_RATE, rounds: [] }, onecontact(bench.options.set)],
    [{ contender: 'baseline', rate: Math.min(SINGLE_RATE, half), rounds: [] }, baseline(concurrency)],
  ];
  await inRounds(bench, plans, async ([{ rate, rounds }, program]) => {
    const values = await latenciesOf(bench, program, rate);
    const at = (percent: number): number => percentile(values, percent);
    const [p50, p99] = [at(50), at(99)];
    rounds.push({ events: values.length, p50, p90: at(90), p99, max: at(100) });
    return `${program.name} at ${rate}/s: p50 ${p50.toFixed(1)}, p99 ${p99.toFixed(1)} ms`;
  });
  return plans.map(([latency]) => latency);
}

async function latenciesOf(bench: Bench, program: Program, rate: number): Promise<number[]> {
  const { broker, databases, options } = bench;
  await broker.purge();
  const contacts = contactsFor(rate * options.seconds, options);
  const database = await databases.clone(contacts);
  const contender = await Contender.start(program, bench, database.url);
  try {
    const supply = supplyOf('new', contacts, options.seed);
    const warmUp = supply(5 * rate);
    await broker.publish(warmUp.map(messageOf));
    await untilAcked([contender], warmUp.length);
    await contender.report(); // forgets the latencies so far
    const messages = supply(rate * options.seconds).map(messageOf);
    const begin = now();
    for (let sent = 0; sent < messages.length; ) {
      const due = Math.min(messages.length, Math.floor(((now() - begin) * rate) / 1_000));
      for (; sent < due; sent++) broker.send(messages[sent] as Message, begin + (sent * 1_000) / rate);
      await delay(TICK_MS);
    }
    await broker.confirmed();
    const all: number[] = [];
    for (;;) {
      all.push(...(await contender.report()).latencies);
      if (all.length >= messages.length) return all;
      await delay(25);
    }
  } finally {
    await contender.stop();
    await database.drop();
  }
}
