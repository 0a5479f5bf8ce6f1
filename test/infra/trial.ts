/** What an operator would see of a fault: how soon the heartbeat is red, which metric says it, and what ends it. */
import { appendFileSync } from 'node:fs';
import { afterAll, beforeEach, expect } from '@jest/globals';
import { type Family, sampled } from '../../tools/prometheus';
import { until } from '../support/broker';
import { tableFile } from './table';
import { World } from './world';

export interface Fault {
  /** The row in the table. */
  fault: string;
  cause(world: World): Promise<unknown>;
  /** What the heartbeat must say once it is red. Absent where the service is never out of order for it. */
  red?: RegExp;
  /** The metric that tells, with the value that it then has. */
  metric?: { name: string; labels?: Record<string, string>; is: (value: number | undefined) => boolean; text: string };
  /** More that must hold while the fault lasts. */
  meanwhile?(world: World): Promise<unknown>;
  /** Ends the fault. Absent: the service does it. */
  end?(world: World): Promise<unknown>;
  /** Resolves when the service has repaired it. */
  repaired?(world: World): Promise<unknown>;
  /** For people: what ended the fault. */
  endedBy: string;
  /** Events that are sent while the fault lasts; 0 where nothing can be. @default 20 */
  events?: number;
}

/** Generous: a slow machine is not a fault. The table says how long it took. */
const LIMIT_MS = 120_000;

/**
 * Causes a fault under a running service and ends it. What was accepted before, during and after it must be handled, and
 * the process must not have ended.
 */
async function trial(world: World, fault: Fault): Promise<void> {
  const { events = 20 } = fault;
  await green(world);
  const endings = world.service.endings.length;
  const accepted = await world.publish(20);
  await world.handled(accepted);

  await fault.cause(world);
  const since = performance.now(); // causing it may have taken seconds
  const looking = Promise.all([redness(world, fault, since), metricOf(world, fault)]);
  looking.catch(() => undefined); // awaited below
  if (events > 0) accepted.push(...(await world.publish(events)));
  const [redAfter, metric] = await looking;
  await fault.meanwhile?.(world);

  const from = performance.now();
  await fault.end?.(world);
  await fault.repaired?.(world);
  await green(world);
  await until(async () => {
    const more = await world.publish(1);
    accepted.push(...more);
    return more.length > 0;
  }, LIMIT_MS);
  await world.handled(accepted, LIMIT_MS);
  expect(world.service.endings.slice(endings)).toEqual([]);
  const row = [fault.fault, redAfter, metric, fault.endedBy, seconds(from)];
  appendFileSync(tableFile(), `${JSON.stringify(row)}\n`);
}

async function redness(world: World, { red }: Fault, since: number): Promise<string> {
  if (!red) return '-';
  let text = '';
  let after = '';
  await until(async () => {
    const health = await world.health();
    if (health.status === 200) return false;
    after ||= seconds(since);
    text = health.text;
    return red.test(text); // the first answers may know less
  }, LIMIT_MS).catch(() => expect(text).toMatch(red));
  return after;
}

async function metricOf(world: World, { metric }: Fault): Promise<string> {
  if (!metric) return '-';
  const { name, labels, is, text } = metric;
  let families = new Map<string, Family>();
  await until(async () => {
    families = await world.metrics();
    return families.size > 0 && is(sampled(families, name, labels));
  }, LIMIT_MS);
  return text;
}

const green = (world: World): Promise<void> => until(async () => (await world.health()).status === 200, LIMIT_MS);

const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`;

/** Gives each test of a file the same world, or a new one after a test that failed. Call it once at the top of a file. */
export function withWorld(databaseUrl?: (world: World) => Promise<string>) {
  let shared: World | undefined;
  beforeEach(async () => {
    shared ??= await World.start(databaseUrl);
  });
  afterAll(() => shared?.stop());
  /** Works in the world, which is not used again if that fails. */
  const inWorld = async (work: (world: World) => Promise<unknown>): Promise<void> => {
    if (!shared) throw new Error('the world is available only inside tests');
    const world = shared;
    try {
      await work(world);
    } catch (error) {
      process.stderr.write(`The end of the service's log:\n${world.service.log.slice(-3_000)}\n`);
      shared = undefined;
      await world.stop();
      throw error;
    }
  };
  return { inWorld, trial: (fault: Fault) => inWorld((world) => trial(world, fault)) };
}
