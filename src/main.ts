/** Starts the parts of a process in order, and stops them. */
import type { Logger } from 'pino';
import { Maintenance } from './compaction/maintenance';
import { databaseUrl, maintenanceSettings } from './config';
import { startConsole } from './console/start';
import { OperatorError } from './foundation/operator-error';
import type { Secret } from './foundation/secret';
import { within } from './foundation/timeout';
import { readVersion } from './http/version';
import { Health } from './observability/health';
import { makeMetrics } from './observability/metrics';
import { observeConsuming, observeDatabase, observeHealth, observeProcess } from './observability/observe-service';
import { awaitDatabase } from './postgres/await-database';
import { type Database, openDatabase } from './postgres/database';
import { DatabaseHealth, requireUsable } from './postgres/database-health';
import { findContact } from './postgres/look-ups/find-contact';
import { requireSchema } from './postgres/migrations/require-schema';
import { requireErasureKey } from './postgres/tables/erasure';
import { openBroker } from './service/broker';
import { serveHttp } from './service/http';
import { handlesMessages, needsDatabase, type Part, QUEUES, SERVICE_PARTS, sourcesOf, writesTo } from './service/parts';
import type { StartConfig, Wiring } from './service/wiring';
import { startWorkers, type Workers } from './service/workers';

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

/** One for the relay, in addition to those of the workers. */
const RELAY_CONNECTIONS = 1;
/** Maintenance has a pool of its own, and works on one page at a time. */
const MAINTENANCE_CONNECTIONS = 1;
/** A page takes milliseconds: a statement that does not end must not hold up a stop. */
const MAINTENANCE_STATEMENT_MS = 10_000;
/** Pages of the console, and the changes that its users make. */
const CONSOLE_CONNECTIONS = 4;

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
  const writes = writesTo(only);
  const secret = needsDatabase(only) ? databaseOf(config, log) : null;
  const closing: Wiring['closing'] = [];
  const close = async (): Promise<true> => {
    for (const end of closing.splice(0).reverse()) await end();
    return true;
  };
  const open: Wiring['open'] = (settings) => {
    const db = openDatabase({ url: secret as Secret, ...settings });
    closing.push(() => db.$disconnect());
    return db;
  };
  const health = new Health();
  const metrics = makeMetrics();
  const wiring: Wiring = { only, health, metrics, log, open, closing };
  try {
    let phase: Phase = 'starting';
    health.watch('service', { problems: () => PHASE_PROBLEMS[phase] });
    observeProcess(metrics, readVersion());
    observeHealth(metrics, health);
    const workers: Workers = new Map();
    const queues = sourcesOf(only).map((source) => QUEUES[source]);
    observeConsuming(metrics, queues, (queue) => workers.get(queue)?.consuming ?? false);
    const database = secret && watchDatabase(secret, writes, wiring);
    // Opened before anything waits for a server, so that events are accepted as soon as the broker is up.
    const broker = handlesMessages(only) ? await openBroker(config, wiring) : null;
    const { url, lookUps } = await serveHttp(config, broker?.intake ?? null, wiring);

    const max = 2 * config.concurrency + RELAY_CONNECTIONS;
    const db = writes ? open({ name: 'onecontact', max, writes }) : lookUps;
    if (db) {
      await awaitDatabase(async () => {
        await requireUsable(db, writes);
        if (migrate) log.info({ applied: await migrate() }, 'schema is up to date');
        await requireSchema(db, writes ? 'write' : 'read');
        if (writes) await requireErasureKey(db, config.erasureKey);
      }, log);
    }
    if (lookUps) await warmUp(lookUps);
    if (broker) {
      await Promise.all(broker.connections.map((connection) => connection.ready()));
      await broker.topology.ready();
    }
    if (broker?.publisher && db && database) {
      const { publisher, consuming } = broker;
      startWorkers(config, { db, database, publisher, consuming }, workers, wiring);
    }
    if (only.includes('maintenance')) startMaintenance(config, wiring);
    const consoleUrl = only.includes('console') ? await startConsole(config, openConsole(wiring)) : null;

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

function watchDatabase(url: Secret, writes: boolean, { health, metrics, closing }: Wiring): DatabaseHealth {
  const database = new DatabaseHealth({ url, writes });
  closing.push(() => database.close());
  health.watch('database', database);
  health.watch('schema', { problems: async () => (await database.read()).schemaProblems });
  observeDatabase(metrics, database.read);
  return database;
}

/** A Prisma client's first query loads its compiler, which takes some 200 ms: do not make the first reader wait. */
async function warmUp(db: Database): Promise<void> {
  await findContact(db, { by: 'id', id: '00000000-0000-0000-0000-000000000000' }).catch(() => undefined);
}

function startMaintenance(config: StartConfig, { open, health, metrics, log, closing }: Wiring): void {
  const db = open({
    name: 'onecontact maintenance',
    max: MAINTENANCE_CONNECTIONS,
    writes: true,
    statementTimeoutMs: MAINTENANCE_STATEMENT_MS,
  });
  const maintenance = new Maintenance({ db, metrics, log, ...maintenanceSettings(config) });
  closing.push(() => maintenance.stop());
  health.watch('maintenance', maintenance);
}

const openConsole = ({ open, log, closing }: Wiring) => ({
  db: open({ name: 'onecontact console', max: CONSOLE_CONNECTIONS, writes: true }),
  log,
  closing,
});
