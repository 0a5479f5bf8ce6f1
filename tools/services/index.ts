/**
 * The broker and the database that the demo, the tests and the tools run against.
 *
 * Each comes from the first of these sources that has it:
 *
 * - `url`: a server named by TEST_AMQP_URL or TEST_DATABASE_URL, without any of our queues or tables. (AMQP_URL and
 *   DATABASE_URL belong to the service and are never read.)
 * - `docker`: a container, where an engine answers and has or can pull the image.
 * - `local`: the server's programs, where they are installed on this machine.
 * - `fetch`: the server's programs, fetched once into ~/.cache/onecontact (or ONECONTACT_CACHE), without root.
 *
 * The last three start a private server: its own folder, ports and passwords, loopback only, ended with this process.
 * ONECONTACT_RABBITMQ, such as `3.10`, names the version of a broker that is fetched or in a container.
 * ONECONTACT_SERVICES, a list such as `local,fetch`, allows only these sources.
 * (`none`, for Jest only, starts no server, for tests that need neither.)
 */
import { dockerBroker, dockerDatabase } from './docker';
import { fetchPostgres } from './fetch-postgres';
import { fetchRabbit } from './fetch-rabbitmq';
import { givenBroker, givenDatabase } from './given';
import { installedPostgres, runPostgres } from './postgres';
import { installedRabbit, runRabbit } from './rabbitmq';
import { type Context, type Service, Unavailable } from './types';

const SOURCES = ['url', 'docker', 'local', 'fetch'] as const;
type Source = (typeof SOURCES)[number];

export interface Services {
  amqpUrl: string;
  databaseUrl: string;
  /** Where the broker accepts TLS, with `tls`; the database then does so at its usual port. */
  amqpsUrl?: string;
  /** `url` is a server of the user's own, to be left as it was found; `stop` ends all others. */
  from: { broker: Source; database: Source };
  stop(): Promise<void>;
}

interface Kind {
  name: string;
  variable: 'TEST_AMQP_URL' | 'TEST_DATABASE_URL';
  sources: Record<Source, (context: Context) => Promise<Service>>;
}

const BROKER: Kind = {
  name: 'RabbitMQ',
  variable: 'TEST_AMQP_URL',
  sources: {
    url: givenBroker,
    docker: dockerBroker,
    local: async (context) => runRabbit(await installedRabbit(context), context),
    fetch: async (context) => runRabbit(await fetchRabbit(context), context),
  },
};

const DATABASE: Kind = {
  name: 'PostgreSQL',
  variable: 'TEST_DATABASE_URL',
  sources: {
    url: givenDatabase,
    docker: dockerDatabase,
    local: async (context) => runPostgres(await installedPostgres(context), context),
    fetch: async (context) => runPostgres(await fetchPostgres(context), context),
  },
};

/** @throws Error that lists what was tried and why it failed */
export async function startServices(options: Partial<Context> & Pick<Context, 'log'>): Promise<Services> {
  const context: Context = { env: process.env, durable: false, ...options };
  const [broker, database] = await Promise.allSettled([start(BROKER, context), start(DATABASE, context)]);
  if (broker.status === 'fulfilled' && database.status === 'fulfilled') {
    return {
      amqpUrl: broker.value.url,
      databaseUrl: database.value.url,
      ...(broker.value.tlsUrl && { amqpsUrl: broker.value.tlsUrl }),
      from: { broker: broker.value.source, database: database.value.source },
      stop: async () => void (await Promise.all([broker.value.stop(), database.value.stop()])),
    };
  }
  const problems = new Set<string>(); // a problem of both servers is reported once
  for (const outcome of [broker, database]) {
    if (outcome.status === 'fulfilled') await outcome.value.stop();
    else problems.add(outcome.reason instanceof Error ? outcome.reason.message : String(outcome.reason));
  }
  throw new Error([...problems].join('\n\n'));
}

/** A broker beside that of {@link startServices}, from the same source. The user has given only one. */
export async function startAnotherBroker(
  { from }: Pick<Services, 'from'>,
  options: Pick<Context, 'log'>,
): Promise<Service | undefined> {
  if (from.broker === 'url') return undefined;
  return BROKER.sources[from.broker]({ env: process.env, durable: false, ...options });
}

/** A server from the first source that has one. */
async function start(kind: Kind, context: Context): Promise<Service & { source: Source }> {
  const reasons: string[] = [];
  for (const source of allowedSources(context.env)) {
    const begin = performance.now();
    try {
      if (context.tls && (source === 'url' || source === 'docker'))
        throw new Unavailable('no TLS with a certificate of ours');
      const service = await kind.sources[source](context);
      const seconds = ((performance.now() - begin) / 1000).toFixed(1);
      context.log(`${service.version} ready in ${seconds} s (${source})`);
      return { ...service, source };
    } catch (error) {
      const { message } = error as Error;
      if (source === 'url' && !(error instanceof Unavailable)) throw error; // the user wants this server and no other
      // Logged at once, because the run now continues with another server.
      if (!(error instanceof Unavailable)) context.log(`${kind.name}: not from ${source}: ${message}`);
      reasons.push(`  ${source}: ${message}`);
    }
  }
  throw new Error(
    `There is no ${kind.name} to work with. What was tried:\n${reasons.join('\n')}\n` +
      `Set ${kind.variable} to an empty one, or start Docker, or install ${kind.name}, or make what failed above work.`,
  );
}

function allowedSources(env: NodeJS.ProcessEnv): Source[] {
  const wanted = (env.ONECONTACT_SERVICES || undefined)?.split(',').map((name) => name.trim());
  const unknown = wanted?.find((name) => !SOURCES.some((source) => source === name));
  if (unknown !== undefined)
    throw new Error(`ONECONTACT_SERVICES names "${unknown}"; it is a list of ${SOURCES.join(', ')}`);
  return SOURCES.filter((source) => !wanted || wanted.includes(source));
}
