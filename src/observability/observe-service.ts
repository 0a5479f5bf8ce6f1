import { collectDefaultMetrics } from 'prom-client';
import type { Database } from '../postgres/database';
import { outboxState } from '../postgres/tables/outbox';
import type { BrokerConnection } from '../rabbitmq/connection';
import type { Metrics } from './metrics';

/** The process itself, under the names that Prometheus' clients give it: event loop, memory, processor, collector. */
export function observeProcess(metrics: Metrics, build: { version: string; commit: string }): void {
  collectDefaultMetrics({ register: metrics.registry });
  metrics.buildInfo.set({ version: build.version, commit: build.commit }, 1);
}

/** One that is up: each time that it comes up from now on, it had been lost. */
export function observeConnection(metrics: Metrics, name: string, connection: BrokerConnection): void {
  const labels = { connection: name };
  const tell = (): void => metrics.connected.set(labels, connection.connected ? 1 : 0);
  metrics.reconnects.inc(labels, 0);
  connection.on('up', () => metrics.reconnects.inc(labels));
  for (const event of ['up', 'down', 'closed'] as const) connection.on(event, tell);
  tell();
}

/** Anybody may ask for metrics, as often as they like: the database is asked no more often than this. */
const OUTBOX_EVERY_MS = 5_000;
const OUTBOX_ANSWER_MS = 2_000;

/**
 * Looks at the outbox when metrics are asked for. With the database away both gauges are absent: an old value would be
 * taken for the present one.
 */
export function observeOutbox(metrics: Metrics, db: Database): void {
  let looked: Promise<void> | undefined;
  const look = async (): Promise<void> => {
    const state = await within(OUTBOX_ANSWER_MS, outboxState(db)).catch(() => null);
    if (state) {
      metrics.outboxMessages.set(state.pending);
      metrics.outboxAge.set(state.oldestSeconds);
    } else {
      metrics.outboxMessages.remove();
      metrics.outboxAge.remove();
    }
  };
  const collect = async (): Promise<void> => {
    if (looked === undefined) {
      looked = look();
      setTimeout(() => {
        looked = undefined;
      }, OUTBOX_EVERY_MS).unref();
    }
    await looked;
  };
  // The registry reads all metrics at once: each must have been set when it is read.
  for (const gauge of [metrics.outboxMessages, metrics.outboxAge]) Object.assign(gauge, { collect });
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('late')), ms);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
