import { observer } from '../contacts/merge/rollout';
import { PoisonScheduler } from '../ingest/poison-scheduler';
import { EventWorker } from '../ingest/worker';
import type { Database } from '../postgres/database';
import type { DatabaseHealth } from '../postgres/database-health';
import type { BrokerConnection } from '../rabbitmq/connection';
import type { Publisher } from '../rabbitmq/publishing/publisher';
import { UnroutedDrain } from '../rabbitmq/topology/unrouted-drain';
import { outboxProblems } from '../relay/outbox-health';
import { Relay } from '../relay/relay';
import { QUEUES, sourcesOf } from './parts';
import type { StartConfig, Wiring } from './wiring';

/** The running workers, by queue. */
export type Workers = Map<string, EventWorker>;

interface Servers {
  db: Database;
  database: DatabaseHealth;
  publisher: Publisher;
  /** Null if no queue is consumed. */
  consuming: BrokerConnection | null;
}

/**
 * Starts the relay, and a worker for each queue that this process consumes. Call it last: it awaits nothing, so a stop
 * before it finds nothing in flight.
 */
export function startWorkers(config: StartConfig, servers: Servers, workers: Workers, wiring: Wiring): void {
  const { db, publisher, consuming } = servers;
  const { only, health, metrics, log, closing } = wiring;
  const relay = only.includes('relay') ? startRelay(servers, workers, wiring) : null;
  if (!consuming) return;
  const { batchSize, prefetch, concurrency, tokenPolicy, erasureKey } = config;
  const notify = { changes: config.notifyChanges, confirmations: config.notifyConfirmations };
  const poisonScheduler = new PoisonScheduler();
  for (const source of sourcesOf(only)) {
    const queue = QUEUES[source];
    const worker = new EventWorker({
      source,
      queue,
      connection: consuming,
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
  for (const queue of Object.values(QUEUES)) metrics.unroutedRecovered.inc({ queue }, 0);
  const onRecovered = (queue: string): void => metrics.unroutedRecovered.inc({ queue });
  const drain = new UnroutedDrain({ connection: consuming, publisher, log, onRecovered });
  closing.push(() => drain.stop());
  health.watch('unrouted', drain);
}

function startRelay({ db, database, publisher }: Servers, workers: Workers, wiring: Wiring): Relay {
  const { health, metrics, log, closing } = wiring;
  const busy = (): boolean => [...workers.values()].some((worker) => worker.busy);
  const relay = new Relay({ db, publisher, metrics, log, busy });
  closing.push(() => relay.stop());
  health.watch('relay', relay);
  health.watch('outbox', { problems: async () => outboxProblems((await database.read()).outbox) });
  return relay;
}
