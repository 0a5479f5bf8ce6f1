import { collectDefaultMetrics, type Gauge } from 'prom-client';
import type { Health } from './health';
import type { Metrics } from './metrics';

/** Gauges of prom-client that are named like counters: `promtool check metrics` refuses them. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

/** Observes the process under the standard names of Prometheus clients: event loop, memory, CPU, garbage collector. */
export function observeProcess(metrics: Metrics, build: { version: string; commit: string }): void {
  collectDefaultMetrics({ register: metrics.registry });
  for (const name of MISNAMED) metrics.registry.removeSingleMetric(name);
  metrics.buildInfo.set({ version: build.version, commit: build.commit }, 1);
}

interface Connection {
  readonly connected: boolean;
  readonly blocked: string | undefined;
  on(event: 'up' | 'down' | 'blocked' | 'unblocked' | 'closed', listener: () => void): unknown;
}

/** Each `up` event but the first counts as a reconnect. */
export function observeConnection(metrics: Metrics, name: string, connection: Connection): void {
  const labels = { connection: name };
  let wasUp = connection.connected;
  const update = (): void => {
    metrics.connected.set(labels, connection.connected ? 1 : 0);
    metrics.brokerBlocked.set(labels, connection.blocked === undefined ? 0 : 1);
  };
  metrics.reconnects.inc(labels, 0);
  connection.on('up', () => {
    if (wasUp) metrics.reconnects.inc(labels);
    wasUp = true;
  });
  for (const event of ['up', 'down', 'blocked', 'unblocked', 'closed'] as const) connection.on(event, update);
  update();
}

/**
 * Reads the database when metrics are scraped. While it is unavailable, the metrics about its content are absent: an old
 * value would be mistaken for the current one.
 */
export function observeDatabase(
  metrics: Metrics,
  read: () => Promise<{
    problems: readonly string[];
    outbox: { pending: number; oldestSeconds: number } | null;
    compacted: { at: number } | null;
    fenceAgeSeconds: number | null;
  }>,
): void {
  const { databaseUp, outboxMessages, outboxAge, compactionFinished, feedFenceAge } = metrics;
  const set = (gauge: Gauge, value: number | undefined): void =>
    value === undefined ? gauge.remove() : gauge.set(value);
  onScrape(databaseUp, async () => set(databaseUp, (await read()).problems.length === 0 ? 1 : 0));
  onScrape(outboxMessages, async () => set(outboxMessages, (await read()).outbox?.pending));
  onScrape(outboxAge, async () => set(outboxAge, (await read()).outbox?.oldestSeconds));
  onScrape(compactionFinished, async () => {
    const { compacted } = await read();
    set(compactionFinished, compacted ? compacted.at / 1_000 : undefined);
  });
  onScrape(feedFenceAge, async () => set(feedFenceAge, (await read()).fenceAgeSeconds ?? undefined));
}

/** The state of each part of the process, as the health check reports it. */
export function observeHealth({ healthy }: Metrics, health: Health): void {
  onScrape(healthy, async () => {
    for (const [check, { problems }] of await health.read()) healthy.set({ check }, problems.length === 0 ? 1 : 0);
  });
}

/** Whether each queue is consumed. */
export function observeConsuming(metrics: Metrics, queues: readonly string[], isConsumed: (queue: string) => boolean) {
  onScrape(metrics.consuming, () => {
    for (const queue of queues) metrics.consuming.set({ queue }, isConsumed(queue) ? 1 : 0);
  });
}

/** Sets a gauge each time metrics are scraped. prom-client accepts this only as an option of the constructor. */
function onScrape(gauge: Gauge<string>, collect: () => void | Promise<void>): void {
  Object.assign(gauge, { collect });
}
