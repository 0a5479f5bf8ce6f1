/**
 * Servers that a test may kill, promote, block or lead elsewhere, for `npm run test:infra`. Each is the test's own and
 * ends with the test's process at the latest; `stop()` it earlier. A `TcpProxy` before a server is the switch:
 * `lead()` sends new connections elsewhere, `cut()` ends those that exist.
 */
import { type BrokerOptions, ChaosBroker } from '../../tools/chaos/servers/broker';
import { ChaosDatabase } from '../../tools/chaos/servers/database';
import { ChaosPooler, type PoolerOptions } from '../../tools/chaos/servers/pooler';
import { findPostgres, findRabbit } from '../../tools/chaos/servers/programs';
import { findPgBouncer } from '../../tools/services/fetch-programs';
import type { Context } from '../../tools/services/types';
import { runProgram } from './programs';

const context = (env: NodeJS.ProcessEnv = {}): Context => ({
  log: (line) => void process.stderr.write(`${line}\n`),
  env: { ...process.env, ...env },
  durable: true,
});

interface RabbitMqOptions extends BrokerOptions {
  version?: string;
  nodes?: number;
}

/** @param version 3.10, 4.0 or 4.3. Default: the one that `npm run test:infra -- --rabbitmq` names, or any */
export async function startRabbitMq({ version, nodes = 1, ...options }: RabbitMqOptions = {}) {
  const programs = await findRabbit(context(version ? { ONECONTACT_RABBITMQ: version } : {}));
  return ChaosBroker.start(programs, nodes, options);
}

/** An empty PostgreSQL. Its `startStandby()` gives a streaming standby, whose `promote()` makes it the primary. */
export async function startPostgres(...settings: string[]): Promise<ChaosDatabase> {
  return ChaosDatabase.start(await findPostgres(context()), settings);
}

/** A PgBouncer before the database of `url`. */
export async function startPgBouncer(options: PoolerOptions): Promise<ChaosPooler> {
  return ChaosPooler.start(await findPgBouncer(context()), options);
}

/** Runs `promtool check metrics` on the text that `/metrics` answers. @throws Error with what it complains about */
export async function checkMetrics(text: string): Promise<void> {
  await runProgram('promtool', ['check', 'metrics'], { input: text });
}
