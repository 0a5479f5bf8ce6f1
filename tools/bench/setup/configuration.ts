import { cpus, totalmem } from 'node:os';
import { QUEUE_SPECS } from '../../../src/rabbitmq/topology';
import type { Bench } from '../bench';
import { BATCH_SIZE, CONCURRENCY, PREFETCH } from '../contenders/programs';

const SETTINGS = [
  ...['server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'wal_sync_method', 'shared_buffers'],
  ...['max_wal_size', 'checkpoint_timeout', 'work_mem', 'max_connections', 'jit'],
];

/** Without these, a commit is not on the disk. */
const DURABLE = ['fsync', 'synchronous_commit', 'full_page_writes'];

const assignments = (set: Record<string, string>): string =>
  Object.entries(set)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');

/** All that the figures depend on, by name. */
export async function readConfiguration({ broker, databases, options }: Bench): Promise<Record<string, string>> {
  const { server_version, ...settings } = await databases.settings(SETTINGS);
  const lax = DURABLE.filter((name) => settings[name] !== 'on');
  if (lax.length > 0) throw new Error(`The database is not durable: ${lax.join(', ')} must be on`);
  const kinds = new Set(QUEUE_SPECS.map((spec) => spec.arguments['x-queue-type']));
  const [cpu] = cpus();
  return {
    date: new Date().toISOString(),
    processor: `${cpus().length} x ${cpu?.model.trim() ?? 'unknown'}`,
    memory: `${(totalmem() / 2 ** 30).toFixed(0)} GiB`,
    system: `${process.platform} ${process.arch}`,
    node: process.version,
    rabbitmq: `${broker.version}, ${[...kinds].join(', ')} queues`,
    postgresql: server_version ?? '',
    ...settings,
    onecontact: `BATCH_SIZE=${BATCH_SIZE} PREFETCH=${PREFETCH} CONCURRENCY=${CONCURRENCY} ${assignments(options.set)}`,
    rounds: `${options.rounds}`,
    events: `${options.events}`,
    seed: `${options.seed}`,
  };
}
