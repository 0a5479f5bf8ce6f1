/**
 * Servers that a test may kill, promote, block or lead elsewhere, for `npm run test:infra`. Each is the test's own and
 * ends with the test's process at the latest; `stop()` it earlier. A `TcpProxy` before a server is the switch:
 * `lead()` sends new connections elsewhere, `cut()` ends those that exist.
 */
import { ChaosBroker } from '../../tools/chaos/servers/broker';
import { ChaosDatabase } from '../../tools/chaos/servers/database';
import { ChaosPooler, type PoolerOptions } from '../../tools/chaos/servers/pooler';
import { findPostgres, findRabbit } from '../../tools/chaos/servers/programs';
import { run } from '../../tools/services/command';
import { findPgBouncer, findPromtool } from '../../tools/services/fetch-programs';
import type { Context } from '../../tools/services/types';

const context = (env: NodeJS.ProcessEnv = {}): Context => ({
  log: (line) => void process.stderr.write(`${line}\n`),
  env: { ...process.env, ...env },
  durable: true,
});

/** @param version 3.10, 4.0 or 4.3. Default: the one that `npm run test:infra -- --rabbitmq` names, or any */
export async function startRabbitMq({ version, nodes = 1 }: { version?: string; nodes?: number } = {}) {
  return ChaosBroker.start(await findRabbit(context(version ? { ONECONTACT_RABBITMQ: version } : {})), nodes);
}

/** An empty PostgreSQL. Its `startStandby()` gives a streaming standby, whose `promote()` makes it the primary. */
export async function startPostgres(...settings: string[]): Promise<ChaosDatabase> {
  return ChaosDatabase.start(await findPostgres(context()), settings);
}

/** A PgBouncer before the database of `url`. */
export async function startPgBouncer(options: PoolerOptions): Promise<ChaosPooler> {
  return ChaosPooler.start(await findPgBouncer(context()), options);
}

/** Runs `promtool check rules FILE` and the like. @throws Error with what it complains about */
export async function promtool(...args: string[]): Promise<string> {
  const { path, env } = await findPromtool(context());
  return run(path, args, { env: { ...process.env, ...env } });
}

/** Runs `promtool check metrics` on the text that `/metrics` answers. @throws Error with what it complains about */
export async function checkMetrics(text: string): Promise<void> {
  const { path, env } = await findPromtool(context());
  await run(path, ['check', 'metrics'], { env: { ...process.env, ...env }, input: text });
}
