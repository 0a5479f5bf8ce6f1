/**
 * The servers' programs, installed on this machine or fetched into the cache. Running servers and containers do not
 * qualify, because runs and tests kill these servers.
 */
import { fetchPostgres } from '../../services/fetch-postgres';
import { fetchRabbit } from '../../services/fetch-rabbitmq';
import { installedPostgres } from '../../services/postgres';
import { installedRabbit, type RabbitPrograms } from '../../services/rabbitmq';
import { type Context, Unavailable } from '../../services/types';

const SOURCES = ['local', 'fetch'] as const;
type Ways<T> = Record<(typeof SOURCES)[number], (context: Context) => Promise<T>>;

export async function findPrograms(context: Context): Promise<{ rabbit: RabbitPrograms; postgres: string }> {
  for (const name of ['TEST_AMQP_URL', 'TEST_DATABASE_URL']) {
    if (context.env[name]) context.log(`${name} is left alone: the chaos run kills its servers, so it brings its own`);
  }
  return { rabbit: await findRabbit(context), postgres: await findPostgres(context) };
}

export const findRabbit = (context: Context): Promise<RabbitPrograms> =>
  first('RabbitMQ', { local: installedRabbit, fetch: fetchRabbit }, context);

/** The folder of PostgreSQL's programs. */
export const findPostgres = (context: Context): Promise<string> =>
  first('PostgreSQL', { local: installedPostgres, fetch: fetchPostgres }, context);

async function first<T>(name: string, ways: Ways<T>, context: Context): Promise<T> {
  const wanted = context.env.ONECONTACT_SERVICES?.split(',').map((source) => source.trim());
  const sources = SOURCES.filter((source) => wanted?.includes(source) ?? true);
  if (sources.length === 0)
    throw new Unavailable('A server that is killed on purpose needs `local` or `fetch` in ONECONTACT_SERVICES.');
  const reasons: string[] = [];
  for (const source of sources) {
    try {
      return await ways[source](context);
    } catch (error) {
      reasons.push(`  ${source}: ${(error as Error).message}`);
    }
  }
  throw new Unavailable(
    `There is no ${name} that could be killed and started again. What was tried:\n${reasons.join('\n')}\n` +
      `Install ${name}, or run this on Debian or one of its relatives, where it can be fetched.`,
  );
}
