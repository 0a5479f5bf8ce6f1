/**
 * The broker and the database that the demo and the tests run against, made available on this machine.
 *
 * Each of the two comes from the first of these that has it:
 *
 * - `url`: a server of the user's own, named by TEST_AMQP_URL or TEST_DATABASE_URL. It must be empty of ours. (AMQP_URL
 *   and DATABASE_URL are what the service itself uses; they are never looked at here.)
 * - `docker`: a container, where an engine answers and has or can pull the image.
 * - `local`: the server's programs, where they are installed on this machine.
 * - `fetch`: the server's programs, fetched once into ~/.cache/onecontact (or ONECONTACT_CACHE), without root.
 *
 * The last three start a private server: its own folder, ports and passwords, loopback only, gone with this process.
 * ONECONTACT_SERVICES, a list such as `local,fetch`, allows only these sources: to choose, or to try one deliberately.
 * (`none`, for Jest only: start nothing, for tests that need neither server.)
 */
import { dockerBroker, dockerDatabase } from './docker';
import { fetchPostgres } from './fetch-postgres';
import { fetchRabbit } from './fetch-rabbitmq';
import { givenBroker, givenDatabase } from './given';
import { installedPostgres, installedRabbit } from './installed';
import { resolve } from './resolve';
import { runPostgres } from './run-postgres';
import { runRabbit } from './run-rabbitmq';
import { type Certificate, type Context, type Kind, type Service, Unavailable } from './types';

export interface Services {
  amqpUrl: string;
  databaseUrl: string;
  /** Where the broker speaks TLS, with `tls`; the database then does so at its usual port. */
  amqpsUrl?: string;
  /** Where each comes from: "url", "docker", "local" or "fetch". */
  from: { broker: string; database: string };
  stop(): Promise<void>;
}

export interface ServicesOptions {
  log: (line: string) => void;
  env?: NodeJS.ProcessEnv;
  /** True: the database writes through to the disk at every commit, as in production. For benchmarks. */
  durable?: boolean;
  /** Settings of the database besides, such as `shared_buffers=1GB`; not for a database of the user's own. */
  settings?: readonly string[];
  /** Have both servers speak TLS besides, with this certificate. Only with the sources `local` and `fetch`. */
  tls?: Certificate;
}

/** Servers that take no certificate of ours. */
function withoutTls(source: (context: Context) => Promise<Service>): (context: Context) => Promise<Service> {
  return async (context) => {
    if (context.tls) throw new Unavailable('no TLS with a certificate of ours');
    return source(context);
  };
}

const BROKER: Kind = {
  name: 'RabbitMQ',
  variable: 'TEST_AMQP_URL',
  sources: {
    url: withoutTls(givenBroker),
    docker: withoutTls(dockerBroker),
    local: async (context) => runRabbit(await installedRabbit(context), context),
    fetch: async (context) => runRabbit(await fetchRabbit(context), context),
  },
};

const DATABASE: Kind = {
  name: 'PostgreSQL',
  variable: 'TEST_DATABASE_URL',
  sources: {
    url: withoutTls(givenDatabase),
    docker: withoutTls(dockerDatabase),
    local: async (context) => runPostgres(await installedPostgres(context), context),
    fetch: async (context) => runPostgres(await fetchPostgres(context), context),
  },
};

export async function startServices(options: ServicesOptions): Promise<Services> {
  const context: Context = { env: process.env, durable: false, ...options };
  const [broker, database] = await Promise.allSettled([resolve(BROKER, context), resolve(DATABASE, context)]);
  if (broker.status === 'fulfilled' && database.status === 'fulfilled') {
    return {
      amqpUrl: broker.value.url,
      databaseUrl: database.value.url,
      ...(broker.value.tlsUrl && { amqpsUrl: broker.value.tlsUrl }),
      from: { broker: broker.value.source, database: database.value.source },
      stop: async () => void (await Promise.all([broker.value.stop(), database.value.stop()])),
    };
  }
  const problems = new Set<string>(); // what concerns both is said once
  for (const outcome of [broker, database]) {
    if (outcome.status === 'fulfilled') await outcome.value.stop();
    else problems.add(outcome.reason instanceof Error ? outcome.reason.message : String(outcome.reason));
  }
  throw new Error([...problems].join('\n\n'));
}
