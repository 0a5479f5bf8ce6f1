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
import { makeMetrics } from './observability/metrics';
import { observeConnection, observeOutbox, observeProcess } from './observability/observe-service';
import { openDatabase } from './postgres/database';
import { findContact } from './postgres/find-contact';
import { requireSchema } from './postgres/migrations/require-schema';
import { requireErasureKey, serviceSession } from './postgres/tables/erasure';
import { outboxState } from './postgres/tables/outbox';
import { type BrokerConnection, openConnection } from './rabbitmq/connection';
import { FXA_QUEUE, NEWSLETTER_QUEUE } from './rabbitmq/names';
import { Publisher } from './rabbitmq/publisher';
import { TopologyKeeper } from './rabbitmq/topology-keeper';
import { UnroutedDrain } from './rabbitmq/unrouted-drain';
import { Relay } from './relay/relay';

export const PARTS = ['fxa', 'newsletter', 'relay', 'http'] as const;
export type Part = (typeof PARTS)[number];

export interface Service {
  /** The address of the HTTP server; null if it does not run. */
  url: string | null;
  /**
   * Receives nothing more, finishes and acknowledges what is in flight, makes a last relay pass, and closes everything.
   *
   * @returns false if the deadline (`SHUTDOWN_TIMEOUT_MS`) passed first
   */
  stop(): Promise<boolean>;
}

/** Database connections for the relay and the heartbeat, in addition to those of the workers. */
const SPARE_CONNECTIONS = 2;
/** Look-ups have a pool of their own, so that no number of them can hold up the workers. */
const LOOK_UP_CONNECTIONS = 4;

const QUEUES = { fxa: FXA_QUEUE, newsletter: NEWSLETTER_QUEUE } as const;

/** @throws OperatorError or BrokerRefusal, whose messages say what to do. */
export async function startService(
  config: ServiceConfig,
  { only = PARTS, log }: { only?: readonly Part[]; log: Logger },
): Promise<Service> {
  const closing: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<true> => {
    for (const end of closing.splice(0).reverse()) await end();
    return true;
  };
  try {
    const db = openDatabase({
      url: config.databaseUrl,
      name: serviceSession(config.erasureKey),
      max: 2 * config.concurrency + SPARE_CONNECTIONS,
    });
    closing.push(() => db.$disconnect());
    await requireSchema(db);
    await requireErasureKey(db, config.erasureKey);

    const metrics = makeMetrics();
    const version = readVersion();
    observeProcess(metrics, version);
    observeOutbox(metrics, () => outboxState(db));

    const open = async (name: string, topology?: TopologyKeeper): Promise<BrokerConnection> => {
      const options = { url: config.amqpUrl, name: `onecontact ${name}`, log, ...(topology && { topology }) };
      const connection = await openConnection(options);
      closing.push(() => connection.close());
      await connection.ready();
      return connection;
    };
    const topology = new TopologyKeeper({
      connection: await open('topology'),
      log,
      onRestored: (parts) => metrics.topologyRestored.inc(parts.length),
    });
    closing.push(() => topology.close());
    await topology.ready();
    const connect = async (name: string): Promise<BrokerConnection> => {
      const connection = await open(name, topology);
      observeConnection(metrics, name, connection);
      return connection;
    };
    const publishing = await connect('publisher');
    const publisher = new Publisher({ connection: publishing, log });
    closing.push(() => publisher.close());
    const consuming = await connect('consumer');

    const workers: EventWorker[] = [];
    const drains: UnroutedDrain[] = [];
    let url: string | null = null;
    if (only.includes('http')) {
      const { apiKey, httpHost: host, httpPort: port } = config;
      if (apiKey === null && !isLoopback(host)) {
        throw new OperatorError(
          `HTTP would let everybody at ${host} read contacts: set API_KEY, or a loopback HTTP_HOST.`,
        );
      }
      const lookUps = openDatabase({ url: config.databaseUrl, name: 'onecontact http', max: LOOK_UP_CONNECTIONS });
      closing.push(() => lookUps.$disconnect());
      // A Prisma client's first query loads its compiler, which takes some 200 ms: do not make the first reader wait.
      await findContact(lookUps, { by: 'id', id: '00000000-0000-0000-0000-000000000000' }).catch(() => undefined);
      const health = {
        database: async () => void (await db.$queryRaw`SELECT 1`),
        broker: async () => {
          const [problem] = [consuming, publishing, topology, ...workers, ...drains].flatMap((part) => part.problems());
          if (problem !== undefined) throw Object.assign(new Error(problem), { code: problem });
        },
      };
      const server = makeServer({ db: lookUps, log, apiKey, health, version, metrics: metrics.registry });
      closing.push(() => server.close());
      url = await server.listen({ host, port }).catch(({ code }: NodeJS.ErrnoException) => {
        throw new OperatorError(`HTTP cannot listen at ${host}, port ${port} (${code}): set HTTP_HOST and HTTP_PORT.`);
      });
    }

    // Last, without an await between them: a stop before this point finds nothing in flight.
    const relay = only.includes('relay') ? new Relay({ db, publisher, metrics, log }) : null;
    if (relay) closing.push(() => relay.stop());
    const { batchSize, prefetch, concurrency, tokenPolicy, erasureKey } = config;
    const shared = {
      connection: consuming,
      publisher,
      db,
      metrics,
      log,
      batchSize,
      prefetch,
      concurrency,
      apply: { tokenPolicy, observes: observer(config), erasureKey },
      poisonScheduler: new PoisonScheduler(),
      onNotifications: () => relay?.nudge(),
    };
    const sources = (['fxa', 'newsletter'] as const).filter((source) => only.includes(source));
    for (const source of sources) workers.push(new EventWorker({ ...shared, source, queue: QUEUES[source] }));
    if (sources.length > 0) {
      for (const queue of Object.values(QUEUES)) metrics.unroutedRecovered.inc({ queue }, 0);
      const onRecovered = (queue: string): void => metrics.unroutedRecovered.inc({ queue });
      drains.push(new UnroutedDrain({ connection: consuming, publisher, log, onRecovered }));
    }
    closing.push(() => Promise.all([...workers, ...drains].map((part) => part.stop())));

    let stopping: Promise<boolean> | undefined;
    const stop = (): Promise<boolean> => {
      stopping ??= within(config.shutdownTimeoutMs, close(), false);
      return stopping;
    };
    return { url, stop };
  } catch (error) {
    await close();
    throw error;
  }
}
