import { fetchPostgres } from '../../services/fetch-postgres';
import { fetchRabbit } from '../../services/fetch-rabbitmq';
import { installedPostgres } from '../../services/postgres';
import { installedRabbit, type RabbitPrograms } from '../../services/rabbitmq';
import { type Context, Unavailable } from '../../services/types';

/**
 * The servers' programs, installed on this machine or fetched into the cache. Running servers and containers do not
 * qualify because the run kills its servers.
 */
export async function findPrograms(context: Context): Promise<{ rabbit: RabbitPrograms; postgres: string }> {
  const wanted = context.env.ONECONTACT_SERVICES?.split(',').map((name) => name.trim()) ?? ['local', 'fetch'];
  const sources = ['local', 'fetch'].filter((source) => wanted.includes(source));
  if (sources.length === 0) {
    throw new Unavailable('The chaos run kills its servers: it needs `local` or `fetch` in ONECONTACT_SERVICES.');
  }
  for (const name of ['TEST_AMQP_URL', 'TEST_DATABASE_URL']) {
    if (context.env[name]) context.log(`${name} is left alone: the chaos run kills its servers, so it brings its own`);
  }
  const first = async <T>(name: string, ways: Record<string, () => Promise<T>>): Promise<T> => {
    const reasons: string[] = [];
    for (const source of sources) {
      try {
        return await (ways[source] as () => Promise<T>)();
      } catch (error) {
        reasons.push(`  ${source}: ${(error as Error).message}`);
      }
    }
    throw new Unavailable(
      `There is no ${name} that could be killed and started again. What was tried:\n${reasons.join('\n')}\n` +
        `Install ${name}, or run this on Debian or one of its relatives, where it can be fetched.`,
    );
  };
  return {
    rabbit: await first('RabbitMQ', { local: () => installedRabbit(context), fetch: () => fetchRabbit(context) }),
    postgres: await first('PostgreSQL', {
      local: () => installedPostgres(context),
      fetch: () => fetchPostgres(context),
    }),
  };
}
