/** The parts that every measurement uses, and the configuration that its figures depend on. */
import { rm } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { QUEUE_SPECS } from '../../src/rabbitmq/topology/topology';
import { compile } from '../program/build';
import { Broker } from './broker';
import { BATCH_SIZE, CONCURRENCY, PREFETCH } from './contenders/contender';
import { Databases } from './databases';
import type { Options } from './options';

export interface Bench {
  options: Options;
  /** The folder of the compiled contenders: without a compiler in their process, as users run them. */
  folder: string;
  amqpUrl: string;
  broker: Broker;
  databases: Databases;
  /** Writes a line for people to stderr; stdout is for the results. */
  say(line: string): void;
}

export async function openBench(
  options: Options,
  { amqpUrl, databaseUrl }: { amqpUrl: string; databaseUrl: string },
  say: (line: string) => void,
): Promise<Bench> {
  const build = join(__dirname, 'results/build');
  await rm(build, { recursive: true, force: true });
  return {
    options,
    folder: join(await compile('tools/bench/tsconfig.json', build, '.'), 'tools/bench/contenders'),
    amqpUrl,
    broker: await Broker.open(amqpUrl),
    databases: new Databases(databaseUrl, say, options.reuse),
    say,
  };
}

export async function closeBench({ broker, databases }: Bench): Promise<void> {
  await broker.close();
  await databases.close();
}

const SETTINGS = [
  ...['server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'wal_sync_method', 'shared_buffers'],
  ...['max_wal_size', 'checkpoint_timeout', 'work_mem', 'max_connections', 'jit'],
];

/** Without these, a commit is not on the disk. */
const DURABLE = ['fsync', 'synchronous_commit', 'full_page_writes'];

/** @throws Error if the database is not durable */
export async function readConfiguration({ broker, databases, options }: Bench): Promise<Record<string, string>> {
  const { server_version, ...settings } = await databases.settings(SETTINGS);
  const lax = DURABLE.filter((name) => settings[name] !== 'on');
  if (lax.length > 0) throw new Error(`The database is not durable: ${lax.join(', ')} must be on`);
  const kinds = new Set(QUEUE_SPECS.map((spec) => spec.arguments['x-queue-type']));
  const set = Object.entries(options.set).map(([name, value]) => `${name}=${value}`);
  return {
    date: new Date().toISOString(),
    processor: `${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown'}`,
    memory: `${(totalmem() / 2 ** 30).toFixed(0)} GiB`,
    system: `${process.platform} ${process.arch}`,
    node: process.version,
    rabbitmq: `${broker.version}, ${[...kinds].join(', ')} queues`,
    postgresql: server_version ?? '',
    ...settings,
    onecontact: `BATCH_SIZE=${BATCH_SIZE} PREFETCH=${PREFETCH} CONCURRENCY=${CONCURRENCY} ${set.join(' ')}`,
    rounds: `${options.rounds}`,
    events: `${options.events}`,
    seed: `${options.seed}`,
  };
}
