import { collectDefaultMetrics } from 'prom-client';
import { within } from '../foundation/timeout';
import type { Metrics } from './metrics';

/** Observes the process under the standard names of Prometheus clients: event loop, memory, CPU, garbage collector. */
export function observeProcess(metrics: Metrics, build: { version: string; commit: string }): void {
  collectDefaultMetrics({ register: metrics.registry });
  metrics.buildInfo.set({ version: build.version, commit: build.commit }, 1);
}

interface Connection {
  readonly connected: boolean;
  readonly blocked: string | undefined;
  on(event: 'up' | 'down' | 'blocked' | 'unblocked' | 'closed', listener: () => void): unknown;
}

/** @param connection must be up: each later `up` event counts as a reconnect */
export function observeConnection(metrics: Metrics, name: string, connection: Connection): void {
  const labels = { connection: name };
  const update = (): void => {
    metrics.connected.set(labels, connection.connected ? 1 : 0);
    metrics.brokerBlocked.set(labels, connection.blocked === undefined ? 0 : 1);
  };
  metrics.reconnects.inc(labels, 0);
  connection.on('up', () => metrics.reconnects.inc(labels));
  for (const event of ['up', 'down', 'blocked', 'unblocked', 'closed'] as const) connection.on(event, update);
  update();
}

/** Scrapes are not authenticated: however many come, the database is read no more often than this. */
const OUTBOX_EVERY_MS = 5_000;
const OUTBOX_ANSWER_MS = 2_000;

/**
 * Reads the outbox when metrics are scraped. While the database is unavailable both gauges are absent: an old value would
 * be taken for the current one.
 */
export function observeOutbox(
  metrics: Metrics,
  readState: () => Promise<{ pending: number; oldestSeconds: number }>,
): void {
  let current: Promise<void> | undefined;
  const read = async (): Promise<void> => {
    const state = await within(OUTBOX_ANSWER_MS, readState(), null).catch(() => null);
    if (state) {
      metrics.outboxMessages.set(state.pending);
      metrics.outboxAge.set(state.oldestSeconds);
    } else {
      metrics.outboxMessages.remove();
      metrics.outboxAge.remove();
    }
  };
  const collect = async (): Promise<void> => {
    if (current === undefined) {
      current = read();
      setTimeout(() => {
        current = undefined;
      }, OUTBOX_EVERY_MS).unref();
    }
    await current;
  };
  // The registry collects all metrics concurrently: each gauge must be set before it is read.
  for (const gauge of [metrics.outboxMessages, metrics.outboxAge]) Object.assign(gauge, { collect });
}
