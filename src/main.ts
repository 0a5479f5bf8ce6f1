/** Wires the running service; contains no logic of its own. */
import type { Logger } from 'pino';
import { Maintenance } from './compaction/maintenance';
import { apiKeys, brokerUrl, type ConfigFor, databaseUrl, maintenanceSettings, type ServiceConfig } from './config';
import { startConsole } from './console/start';
import { observer } from './contacts/merge/rollout';
import { isLoopback } from './foundation/loopback';
import { OperatorError } from './foundation/operator-error';
import type { Secret } from './foundation/secret';
import { within } from './foundation/timeout';
import { makeServer, type ServerOptions } from './http/server';
import { readVersion } from './http/version';
import { PoisonScheduler } from './ingest/poison-scheduler';
import { EventWorker } from './ingest/worker';
import { IssuerKeys } from './intake/issuer-keys';
import { type IntakeOptions, intakeRoutes } from './intake/routes';
import { Health } from './observability/health';
import { type Metrics, makeMetrics } from './observability/metrics';
import {
  observeConnection,
  observeConsuming,
  observeDatabase,
  observeHealth,
  observeProcess,
} from './observability/observe-service';
import { awaitDatabase } from './postgres/await-database';
import { type Database, type DatabaseOptions, openDatabase } from './postgres/database';
import { DatabaseHealth, requireUsable } from './postgres/database-health';
import { findContact } from './postgres/find-contact';
import { requireSchema } from './postgres/migrations/require-schema';
import { requireErasureKey } from './postgres/tables/erasure';
import { type BrokerConnection, openConnection } from './rabbitmq/connection';
import { FXA_QUEUE, NEWSLETTER_QUEUE } from './rabbitmq/names';
import { Publisher } from './rabbitmq/publisher';
import { TopologyKeeper } from './rabbitmq/topology-keeper';
import { UnroutedDrain } from './rabbitmq/unrouted-drain';
import { outboxProblems } from './relay/outbox-health';
import { Relay } from './relay/relay';

/** The parts that `start` runs unless told otherwise. */
export const SERVICE_PARTS = ['fxa', 'newsletter', 'relay', 'maintenance', 'http', 'intake'] as const;
/** The console is for people, and needs keys that the service does not: it runs only when asked for. */
export const PARTS = [...SERVICE_PARTS, 'console'] as const;
export type Part = (typeof PARTS)[number];

/** Whether these parts need the broker. The console connects to it for single pages. */
export const handlesMessages = (parts: readonly Part[]): boolean =>
  parts.some((part) => part !== 'http' && part !== 'maintenance' && part !== 'console');

/** Whether these parts need the database: intake, which only publishes, does not. */
export const needsDatabase = (parts: readonly Part[]): boolean => parts.some((part) => part !== 'intake');

/** Whether these parts have endpoints that need an API key. */
export const needsKeys = (parts: readonly Part[]): boolean =>
  parts.some((part) => part === 'http' || part === 'intake');

/** Whether these parts write to the database: look-ups and intake do not. */
const writesTo = (parts: readonly Part[]): boolean => parts.some((part) => part !== 'http' && part !== 'intake');

type ServerVariables = keyof ConfigFor<'broker' | 'database'>;
/** The URLs are optional here, because not every part needs both servers. */
export type StartConfig = Omit<ServiceConfig, ServerVariables> & Partial<Pick<ServiceConfig, ServerVariables>>;

export interface StartOptions {
  log: Logger;
  /** @default {@link SERVICE_PARTS} */
  only?: readonly Part[];
  /** Brings the schema of the database up to this version first. @returns the names of the applied migrations */
  migrate?: (() => Promise<string[]>) | undefined;
}

export interface Service {
  /** The address of the HTTP server: health and metrics, and look-ups if the part `http` runs. */
  url: string;
  /** Where browsers find the console, if it runs. */
  consoleUrl: string | null;
  /**
   * From now on, the health check fails. Stops receiving, finishes and acknowledges messages in flight, makes a last relay
   * pass, finishes the look-ups in flight, and closes everything.
   *
   * @returns false if the deadline (`SHUTDOWN_TIMEOUT_MS`) passed first
   */
  stop(): Promise<boolean>;
}

/** Database connections for the relay, in addition to those of the workers. */
const RELAY_CONNECTIONS = 1;
/** Look-ups have a pool of their own, so that they cannot hold up the workers, however many there are. */
const LOOK_UP_CONNECTIONS = 4;
/** Histories have another pool: one history reads many rows, and must not hold up look-ups. */
const HISTORY_CONNECTIONS = 2;
/** Maintenance has a pool of its own as well, and works on one page at a time. */
const MAINTENANCE_CONNECTIONS = 1;
/** Pages of the console, and the changes that its users make. */
const CONSOLE_CONNECTIONS = 4;
/** A page takes milliseconds: a statement that does not end must not hold up a stop. */
const MAINTENANCE_STATEMENT_MS = 10_000;
/** Preference pages need no key, so any client may ask for them: they must not hold up requests that have one. */
const PREFERENCES_CONNECTIONS = 2;
/** The change feed has another pool, because a page has many contacts. */
const FEED_CONNECTIONS = 2;

const QUEUES = { fxa: FXA_QUEUE, newsletter: NEWSLETTER_QUEUE } as const;

type Phase = 'starting' | 'up' | 'stopping';
const PHASE_PROBLEMS: Record<Phase, string[]> = {
  starting: ['The service is starting: it waits until the other checks pass.'],
  up: [],
  stopping: ['The service is stopping: send no more requests to it.'],
};

/**
 * Serves HTTP first, so that health and metrics show what the other parts wait for. Resolves once everything runs.
 *
 * @throws OperatorError or BrokerRefusal, whose messages say what to do.
 */
export async function startService(config: StartConfig, options: StartOptions): Promise<Service> {
  const { only = SERVICE_PARTS, migrate, log } = options;
  const { erasureKey } = config;
  const sources = (['fxa', 'newsletter'] as const).filter((source) => only.includes(source));
  const queues = sources.map((source) => QUEUES[source]);
  const writes = writesTo(only);
  const closing: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<true> => {
    for (const end of closing.splice(0).reverse()) await end();
    return true;
  };
  const databaseSecret = needsDatabase(only) ? databaseOf(config, log) : null;
  const open = (settings: Omit<DatabaseOptions, 'url'>): Database => {
    const db = openDatabase({ url: databaseSecret as Secret, ...settings });
    closing.push(() => db.$disconnect());
    return db;
  };
  try {
    let phase: Phase = 'starting';
    const health = new Health();
    health.watch('service', { problems: () => PHASE_PROBLEMS[phase] });
    const workers = new Map<string, EventWorker>();
    const metrics = makeMetrics();
    observeProcess(metrics, readVersion());
    const database = databaseSecret && new DatabaseHealth({ url: databaseSecret, writes });
    if (database) {
      closing.push(() => database.close());
      health.watch('database', database);
      health.watch('schema', { problems: async () => (await database.read()).schemaProblems });
      observeDatabase(metrics, database.read);
    }
    observeHealth(metrics, health);
    observeConsuming(metrics, queues, (queue) => workers.get(queue)?.consuming ?? false);

    const contacts = only.includes('http')
      ? {
          db: open({ name: 'onecontact http', max: LOOK_UP_CONNECTIONS }),
          historyDb: open({ name: 'onecontact histories', max: HISTORY_CONNECTIONS }),
        }
      : null;
    const feedDb = contacts ? open({ name: 'onecontact change feed', max: FEED_CONNECTIONS }) : undefined;
    const preferences =
      contacts && config.publicPreferences
        ? { db: open({ name: 'onecontact preferences', max: PREFERENCES_CONNECTIONS }) }
        : null;
    const wiring = { health, metrics, log, closing };
    const broker = handlesMessages(only) ? await openBroker(config, { only, ...wiring }) : null;
    // Opened before anything waits for a server, so that events are accepted as soon as the broker is up.
    const routes = broker?.intake ? intakeRoutes(intakeOptions(config, broker.intake, wiring)) : undefined;
    const url = await serveHttp(config, { contacts, feedDb, preferences, routes, ...wiring });

    const db = writes
      ? open({ name: 'onecontact', max: 2 * config.concurrency + RELAY_CONNECTIONS, writes })
      : contacts?.db;
    if (db) {
      await awaitDatabase(async () => {
        await requireUsable(db, writes);
        if (migrate) log.info({ applied: await migrate() }, 'schema is up to date');
        await requireSchema(db, writes ? 'write' : 'read');
        if (writes) await requireErasureKey(db, erasureKey);
      }, log);
    }
    // A Prisma client's first query loads its compiler, which takes some 200 ms: do not make the first reader wait.
    if (contacts) {
      await findContact(contacts.db, { by: 'id', id: '00000000-0000-0000-0000-000000000000' }).catch(() => undefined);
    }
    if (broker) {
      await Promise.all(broker.connections.map((connection) => connection.ready()));
      await broker.topology.ready();
    }
    if (broker?.publisher && db) {
      const { publisher, consuming } = broker;
      // These start last, without an await between them: a stop before this point finds nothing in flight.
      const busy = (): boolean => [...workers.values()].some((worker) => worker.busy);
      const relay = only.includes('relay') ? new Relay({ db, publisher, metrics, log, busy }) : null;
      if (relay) {
        closing.push(() => relay.stop());
        health.watch('relay', relay);
        health.watch('outbox', { problems: async () => outboxProblems((await database?.read())?.outbox ?? null) });
      }
      const { batchSize, prefetch, concurrency, tokenPolicy } = config;
      const notify = { changes: config.notifyChanges, confirmations: config.notifyConfirmations };
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
          apply: { tokenPolicy, observes: observer(config), erasureKey, notify },
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
        health.watch('unrouted', drain);
      }
    }
    if (only.includes('maintenance')) {
      const settings = { name: 'onecontact maintenance', max: MAINTENANCE_CONNECTIONS, writes };
      const maintenance = new Maintenance({
        db: open({ ...settings, statementTimeoutMs: MAINTENANCE_STATEMENT_MS }),
        metrics,
        log,
        ...maintenanceSettings(config),
      });
      closing.push(() => maintenance.stop());
      health.watch('maintenance', maintenance);
    }

    let consoleUrl: string | null = null;
    if (only.includes('console')) {
      const consoleDb = open({ name: 'onecontact console', max: CONSOLE_CONNECTIONS, writes });
      consoleUrl = await startConsole(config, { db: consoleDb, log, closing });
    }

    phase = 'up';
    let stopping: Promise<boolean> | undefined;
    const stop = (): Promise<boolean> => {
      phase = 'stopping';
      stopping ??= within(config.shutdownTimeoutMs, close(), false);
      return stopping;
    };
    return { url, consoleUrl, stop };
  } catch (error) {
    await close();
    throw error;
  }
}

/** @throws OperatorError */
function databaseOf({ databaseUrl: url, databaseUrlFile = null }: StartConfig, log: Logger): Secret {
  if (url === undefined) throw new OperatorError('DATABASE_URL is not set: all parts but intake need it.');
  return databaseUrl({ databaseUrl: url, databaseUrlFile }, log);
}

interface Wiring {
  health: Health;
  metrics: Metrics;
  log: Logger;
  /** What has to be closed, in reverse order. */
  closing: (() => Promise<unknown>)[];
}

async function serveHttp(
  config: StartConfig,
  wiring: Wiring & Pick<ServerOptions, 'contacts' | 'feedDb' | 'preferences' | 'routes'>,
): Promise<string> {
  const { httpHost: host, httpPort: port, trustedProxies } = config;
  const { contacts, feedDb, preferences = null, routes, health, metrics, log, closing } = wiring;
  const keys = apiKeys(config, log);
  if ((contacts !== null || routes) && keys.value.length === 0 && !isLoopback(host)) {
    throw new OperatorError(
      `HTTP at ${host} would be open to everyone: set API_KEY, API_KEYS_FILE, or a loopback HTTP_HOST.`,
    );
  }
  const unwatch = keys.watch();
  closing.push(async () => unwatch());
  if (config.apiKeysFile !== null) health.watch('api-keys', keys);
  const server = makeServer({
    contacts,
    feedDb,
    preferences,
    routes,
    trustedProxies,
    log,
    keys,
    health,
    metrics: metrics.registry,
  });
  closing.push(() => server.close());
  const url = await server.listen({ host, port }).catch(({ code }: NodeJS.ErrnoException) => {
    throw new OperatorError(
      code === 'EADDRINUSE'
        ? `Port ${port} of ${host} is already in use: set HTTP_PORT to another port; each process needs its own.`
        : `HTTP cannot listen at ${host}, port ${port} (${code}): check HTTP_HOST and HTTP_PORT.`,
    );
  });
  log.info({ url }, 'HTTP is listening');
  return url;
}

/** What the part `intake` publishes with, and whose tokens it accepts. */
function intakeOptions(config: StartConfig, publisher: Publisher, wiring: Wiring): IntakeOptions {
  const { accountsIssuer: issuer, accountsAudience: audience, accountsJwksUrl: url } = config;
  const { health, metrics, log, closing } = wiring;
  if (issuer === null || audience === null || url === null) return { publisher, metrics, log, accounts: null };
  const keys = new IssuerKeys({ url, log });
  closing.push(async () => keys.close());
  health.watch('accounts', keys);
  // If it fails, the health check says so.
  keys.read().catch(() => undefined);
  return { publisher, metrics, log, accounts: { expected: { issuer, audience }, keys } };
}

interface Broker {
  connections: readonly BrokerConnection[];
  /** Null if no queue is consumed. */
  consuming: BrokerConnection | null;
  /** For workers and the relay; null if none of them runs. */
  publisher: Publisher | null;
  /** Intake has another publisher, so that its messages cannot hold up retries, dead letters and notifications. */
  intake: Publisher | null;
  topology: TopologyKeeper;
}

/** Opens all connections without waiting for the broker: until it answers, the health check says why it does not. */
async function openBroker(config: StartConfig, wiring: Wiring & { only: readonly Part[] }): Promise<Broker> {
  const { only, health, metrics, log, closing } = wiring;
  const { amqpUrl, amqpUrlFile = null } = config;
  if (amqpUrl === undefined)
    throw new OperatorError('AMQP_URL is not set: all parts but http and maintenance need it.');
  const url = brokerUrl({ amqpUrl, amqpUrlFile }, log);
  const connections: BrokerConnection[] = [];
  const open = async (name: string, topology?: TopologyKeeper): Promise<BrokerConnection> => {
    const connection = await openConnection({ url, name: `onecontact ${name}`, log, ...(topology && { topology }) });
    closing.push(() => connection.close());
    connections.push(connection);
    return connection;
  };
  const onRestored = (parts: readonly string[]): void => metrics.topologyRestored.inc(parts.length);
  const topology = new TopologyKeeper({ connection: await open('topology'), log, onRestored });
  closing.push(() => topology.close());
  health.watch('topology', topology);
  const connect = async (name: string): Promise<BrokerConnection> => {
    const connection = await open(name, topology);
    observeConnection(metrics, name, connection);
    return connection;
  };
  const publisherOn = async (name: string, part: string): Promise<Publisher> => {
    const publisher = new Publisher({ connection: await connect(name), log });
    closing.push(() => publisher.close());
    health.watch(part, publisher);
    return publisher;
  };
  const consumes = only.includes('fxa') || only.includes('newsletter');
  // Connections are opened before publishers, because they are closed after them.
  const consuming = consumes ? await connect('consumer') : null;
  const publisher = consumes || only.includes('relay') ? await publisherOn('publisher', 'publishing') : null;
  const intake = only.includes('intake') ? await publisherOn('intake', 'intake') : null;
  return { connections, consuming, publisher, intake, topology };
}
