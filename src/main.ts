/** The running service, wired: nothing else happens here. */
import type { Logger } from 'pino';
import { isLoopback, type ServiceConfig } from './config';
import { observer } from './contacts/merge/rollout';
import { OperatorError } from './foundation/operator-error';
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
import { openConnection } from './rabbitmq/connection';
import { FXA_QUEUE, NEWSLETTER_QUEUE } from './rabbitmq/names';
import { Publisher } from './rabbitmq/publisher';
import { declareTopology } from './rabbitmq/topology';
import { Relay } from './relay/relay';

export const PARTS = ['fxa', 'newsletter', 'relay', 'http'] as const;
export type Part = (typeof PARTS)[number];

export interface Service {
  /** Where HTTP listens, when it does. */
  url: string | null;
  /**
   * Takes no more, finishes what is in flight, acknowledges it, makes a last relay pass, closes everything.
   *
   * @returns false when the deadline (`SHUTDOWN_TIMEOUT_MS`) passed first.
   */
  stop(): Promise<boolean>;
}

/** For the relay and the heartbeat, beside the slots of both queues. */
const SPARE_CONNECTIONS = 2;
/** Look-ups have connections of their own: however many come, the workers go on. */
const LOOK_UP_CONNECTIONS = 4;

const NOBODY = '00000000-0000-0000-0000-000000000000';

/** @throws OperatorError or BrokerRefusal, whose messages say what to do. */
export async function startService(
  config: ServiceConfig,
  { only = PARTS, log }: { only?: readonly Part[]; log: Logger },
): Promise<Service> {
  const runs = (part: Part): boolean => only.includes(part);
  const db = openDatabase({
    url: config.databaseUrl,
    name: serviceSession(config.erasureKey),
    max: 2 * config.concurrency + SPARE_CONNECTIONS,
  });
  const closing: (() => Promise<unknown>)[] = [() => db.$disconnect()];
  const close = async (): Promise<void> => {
    for (const end of closing.splice(0).reverse()) await end();
  };
  try {
    await requireSchema(db);
    await requireErasureKey(db, config.erasureKey);
    await declareTopology({ url: config.amqpUrl, log });
    const metrics = makeMetrics();
    const version = readVersion();
    observeProcess(metrics, version);
    observeOutbox(metrics, db);
    const publishing = await openConnection({ url: config.amqpUrl, name: 'onecontact publisher', log });
    closing.push(() => publishing.close());
    await publishing.ready();
    observeConnection(metrics, 'publisher', publishing);
    const publisher = new Publisher({ connection: publishing, log });
    closing.push(() => publisher.close());
    const consuming = await openConnection({ url: config.amqpUrl, name: 'onecontact consumer', log });
    closing.push(() => consuming.close());
    await consuming.ready();
    observeConnection(metrics, 'consumer', consuming);
    const broker = async (): Promise<void> => {
      if (!consuming.connected || !publishing.connected)
        throw Object.assign(new Error('not connected'), { code: 'not_connected' });
    };
    const database = async (): Promise<void> => {
      await db.$queryRaw`SELECT 1`;
    };
    let url: string | null = null;
    if (runs('http')) {
      const { apiKey, httpHost: host, httpPort: port } = config;
      if (apiKey === null && !isLoopback(host)) {
        throw new OperatorError(
          `HTTP would let everybody at ${host} read contacts: set API_KEY, or a loopback HTTP_HOST.`,
        );
      }
      const lookUps = openDatabase({ url: config.databaseUrl, name: 'onecontact http', max: LOOK_UP_CONNECTIONS });
      closing.push(() => lookUps.$disconnect());
      // A client's first statements take some 200 ms (its query compiler is loaded): no reader is to wait for that.
      await findContact(lookUps, { by: 'id', id: NOBODY }).catch(() => undefined);
      const health = { database, broker };
      const server = makeServer({
        db: lookUps,
        log,
        apiKey,
        health,
        version,
        metrics: metrics.registry,
      });
      closing.push(() => server.close());
      url = await server.listen({ host, port }).catch(({ code }: NodeJS.ErrnoException) => {
        throw new OperatorError(`HTTP cannot listen at ${host}, port ${port} (${code}): set HTTP_HOST and HTTP_PORT.`);
      });
    }

    // Last, and at once: whoever is told to stop before has nothing in flight.
    const relay = runs('relay') ? new Relay({ db, publisher, metrics, log }) : null;
    if (relay) closing.push(() => relay.stop());
    const workers = [
      { source: 'fxa' as const, queue: FXA_QUEUE },
      { source: 'newsletter' as const, queue: NEWSLETTER_QUEUE },
    ].filter(({ source }) => runs(source));
    const poisonScheduler = new PoisonScheduler();
    const running = workers.map(
      ({ source, queue }) =>
        new EventWorker({
          source,
          queue,
          connection: consuming,
          publisher,
          db,
          apply: { tokenPolicy: config.tokenPolicy, observes: observer(config), erasureKey: config.erasureKey },
          batchSize: config.batchSize,
          prefetch: config.prefetch,
          concurrency: config.concurrency,
          metrics,
          log,
          poisonScheduler,
          onNotifications: () => relay?.nudge(),
        }),
    );
    closing.push(() => Promise.all(running.map((worker) => worker.stop())));

    let stopping: Promise<boolean> | undefined;
    const stop = (): Promise<boolean> => {
      stopping ??= within(config.shutdownTimeoutMs, close());
      return stopping;
    };
    return { url, stop };
  } catch (error) {
    await close();
    throw error;
  }
}

async function within(ms: number, work: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  return Promise.race([work.then(() => true), deadline]).finally(() => clearTimeout(timer));
}
