/** Wires the running service; contains no logic of its own. */
import type { Logger } from 'pino';
import { isLoopback, type ServiceConfig } from './config';
import { observer } from './contacts/merge/rollout';
import { OperatorError } from './foundation/operator-error';
import { within } from './foundation/timeout';
import { makeServer } from './http/server';
import { readVersion } from './http/version';
import { PoisonScheduler } from './ingest/poison-scheduler';
import { EventWorker } from './ingest/worker';
import { Health } from './observability/health';
import { type Metrics, makeMetrics } from './observability/metrics';
import { observeConnection, observeConsuming, observeDatabase, observeProcess } from './observability/observe-service';
import { awaitDatabase } from './postgres/await-database';
import { type Database, openDatabase } from './postgres/database';
import { DatabaseHealth, requireUsable } from './postgres/database-health';
import { findContact } from './postgres/find-contact';
import { migrate } from './postgres/migrations/migrate';
import { requireSchema } from './postgres/migrations/require-schema';
import { requireErasureKey, serviceSession } from './postgres/tables/erasure';
import { type BrokerConnection, openConnection } from './rabbitmq/connection';
import { FXA_QUEUE, NEWSLETTER_QUEUE, UNROUTED } from './rabbitmq/names';
import { Publisher } from './rabbitmq/publisher';
import { TopologyKeeper } from './rabbitmq/topology-keeper';
import { UnroutedDrain } from './rabbitmq/unrouted-drain';
import { outboxProblems, Relay } from './relay/relay';

export const PARTS = ['fxa', 'newsletter', 'relay', 'http'] as const;
export type Part = (typeof PARTS)[number];

/** Whether these parts need the broker and write to the database: all but look-ups do. */
export const handlesMessages = (parts: readonly Part[]): boolean => parts.some((part) => part !== 'http');

/** `amqpUrl` is needed only by parts that handle messages. */
export type StartConfig = Omit<ServiceConfig, 'amqpUrl'> & Partial<Pick<ServiceConfig, 'amqpUrl'>>;

export interface StartOptions {
  log: Logger;
  /** @default all parts */
  only?: readonly Part[];
  /** Brings the schema of the database up to this version first. */
  migrates?: boolean;
}

export interface Service {
  /** The address of the HTTP server: health and metrics, and look-ups if the part `http` runs. */
  url: string;
  /**
   * The health check fails from now on. Receives nothing more, finishes and acknowledges what is in flight, makes a last
   * relay pass, finishes the look-ups in flight, and closes everything.
   *
   * @returns false if the deadline (`SHUTDOWN_TIMEOUT_MS`) passed first
   */
  stop(): Promise<boolean>;
}

/** Database connections for the relay, in addition to those of the workers. */
const RELAY_CONNECTIONS = 1;
/** Look-ups have a pool of their own, so that no number of them can hold up the workers. */
const LOOK_UP_CONNECTIONS = 4;

const QUEUES = { fxa: FXA_QUEUE, newsletter: NEWSLETTER_QUEUE } as const;

type Phase = 'starting' | 'up' | 'stopping';
const PHASE_PROBLEMS: Record<Phase, string[]> = {
  starting: ['The service is starting: it waits for what the other checks name.'],
  up: [],
  stopping: ['The service is stopping: send no more requests to it.'],
};

/**
 * Serves HTTP first, so that health and metrics tell what the rest waits for. Resolves once everything runs.
 *
 * @throws OperatorError or BrokerRefusal, whose messages say what to do.
 */
export async function startService(config: StartConfig, options: StartOptions): Promise<Service> {
  const { only = PARTS, migrates = false, log } = options;
  const { databaseUrl, erasureKey } = config;
  const sources = (['fxa', 'newsletter'] as const).filter((source) => only.includes(source));
  const queues = sources.map((source) => QUEUES[source]);
  const writes = handlesMessages(only);
  const closing: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<true> => {
    for (const end of closing.splice(0).reverse()) await end();
    return true;
  };
  const open = ({ name, max }: { name: string; max: number }): Database => {
    const db = openDatabase({ url: databaseUrl, name, max });
    closing.push(() => db.$disconnect());
    return db;
  };
  try {
    let phase: Phase = 'starting';
    const health = new Health();
    health.watch('service', { problems: () => PHASE_PROBLEMS[phase] });
    const database = new DatabaseHealth({ url: databaseUrl, writes });
    closing.push(() => database.close());
    health.watch('database', database);
    health.watch('schema', { problems: async () => (await database.read()).schemaProblems });

    const workers = new Map<string, EventWorker>();
    const metrics = makeMetrics();
    observeProcess(metrics, readVersion());
    observeDatabase(metrics, database.read);
    observeConsuming(metrics, queues, (queue) => workers.get(queue)?.consuming ?? false);

    const lookUps = only.includes('http') ? open({ name: 'onecontact http', max: LOOK_UP_CONNECTIONS }) : null;
    const wiring = { health, metrics, log, closing };
    const url = await serveHttp(config, { db: lookUps, ...wiring });
    const broker = writes ? await openBroker(config, { consumes: queues.length > 0, ...wiring }) : null;

    const db = writes
      ? open({ name: serviceSession(erasureKey), max: 2 * config.concurrency + RELAY_CONNECTIONS })
      : (lookUps as Database);
    await awaitDatabase(async () => {
      await requireUsable(db, writes);
      if (migrates) log.info({ applied: await migrate(databaseUrl) }, 'schema is up to date');
      await requireSchema(db);
      if (writes) await requireErasureKey(db, erasureKey);
    }, log);
    // A Prisma client's first query loads its compiler, which takes some 200 ms: do not make the first reader wait.
    if (lookUps) {
      await findContact(lookUps, { by: 'id', id: '00000000-0000-0000-0000-000000000000' }).catch(() => undefined);
    }
    if (broker) {
      const { publisher, consuming } = broker;
      await broker.topology.ready();
      await Promise.all([broker.publishing.ready(), consuming?.ready()]);

      // Last, without an await between them: a stop before this point finds nothing in flight.
      const relay = only.includes('relay') ? new Relay({ db, publisher, metrics, log }) : null;
      if (relay) {
        closing.push(() => relay.stop());
        health.watch('relay', relay);
        health.watch('outbox', { problems: async () => outboxProblems((await database.read()).outbox) });
      }
      const { batchSize, prefetch, concurrency, tokenPolicy } = config;
      const poisonScheduler = new PoisonScheduler();
      for (const source of sources) {
        const queue = QUEUES[source];
        const worker = new EventWorker({
          source,
          queue,
          connection: consuming as BrokerConnection,
          publisher,
          db,
          metrics,
          log,
          batchSize,
          prefetch,
          concurrency,
          apply: { tokenPolicy, observes: observer(config), erasureKey },
          poisonScheduler,
          onNotifications: () => relay?.nudge(),
        });
        workers.set(queue, worker);
        health.watch(queue, worker);
      }
      closing.push(() => Promise.all([...workers.values()].map((worker) => worker.stop())));
      if (consuming) {
        for (const queue of Object.values(QUEUES)) metrics.unroutedRecovered.inc({ queue }, 0);
        const onRecovered = (queue: string): void => metrics.unroutedRecovered.inc({ queue });
        const drain = new UnroutedDrain({ connection: consuming, publisher, log, onRecovered });
        closing.push(() => drain.stop());
        health.watch(UNROUTED, drain);
      }
    }

    phase = 'up';
    let stopping: Promise<boolean> | undefined;
    const stop = (): Promise<boolean> => {
      phase = 'stopping';
      stopping ??= within(config.shutdownTimeoutMs, close(), false);
      return stopping;
    };
    return { url, stop };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Wiring {
  health: Health;
  metrics: Metrics;
  log: Logger;
  /** What is to be closed, in reverse order. */
  closing: (() => Promise<unknown>)[];
}

/** @param db for look-ups; null in a process that does not offer them */
async function serveHttp(config: StartConfig, wiring: Wiring & { db: Database | null }): Promise<string> {
  const { apiKey, httpHost: host, httpPort: port } = config;
  const { db, health, metrics, log, closing } = wiring;
  if (db !== null && apiKey === null && !isLoopback(host)) {
    throw new OperatorError(`HTTP would let everybody at ${host} read contacts: set API_KEY, or a loopback HTTP_HOST.`);
  }
  const server = makeServer({ db, log, apiKey, health, metrics: metrics.registry });
  closing.push(() => server.close());
  const url = await server.listen({ host, port }).catch(({ code }: NodeJS.ErrnoException) => {
    throw new OperatorError(
      `HTTP cannot listen at ${host}, port ${port} (${code}): set HTTP_HOST and HTTP_PORT; each process of a machine needs a port of its own.`,
    );
  });
  log.info({ url }, 'HTTP is listening');
  return url;
}

interface Broker {
  topology: TopologyKeeper;
  publishing: BrokerConnection;
  /** Null if no queue is consumed. */
  consuming: BrokerConnection | null;
  publisher: Publisher;
}

/** Opens all connections without waiting for the broker: until it answers, the health check says why it does not. */
async function openBroker({ amqpUrl: url }: StartConfig, wiring: Wiring & { consumes: boolean }): Promise<Broker> {
  const { consumes, health, metrics, log, closing } = wiring;
  if (url === undefined) throw new OperatorError('AMQP_URL is not set: all parts but http need it.');
  const open = async (name: string, topology?: TopologyKeeper): Promise<BrokerConnection> => {
    const options = { url, name: `onecontact ${name}`, log, ...(topology && { topology }) };
    const connection = await openConnection(options);
    closing.push(() => connection.close());
    return connection;
  };
  const topology = new TopologyKeeper({
    connection: await open('topology'),
    log,
    onRestored: (parts) => metrics.topologyRestored.inc(parts.length),
  });
  closing.push(() => topology.close());
  health.watch('topology', topology);
  const connect = async (name: string): Promise<BrokerConnection> => {
    const connection = await open(name, topology);
    observeConnection(metrics, name, connection);
    return connection;
  };
  const publishing = await connect('publisher');
  const consuming = consumes ? await connect('consumer') : null;
  const publisher = new Publisher({ connection: publishing, log });
  closing.push(() => publisher.close());
  health.watch('publishing', publisher);
  return { topology, publishing, consuming, publisher };
}
