/** Messages that cannot be published, and messages that must wait, are not lost and do not hold up the queue. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { EventWorker } from '../../src/ingest/worker';
import { makeLog } from '../../src/observability/log';
import { type Metrics, makeMetrics } from '../../src/observability/metrics';
import { type Database, openDatabase } from '../../src/postgres/database';
import { type BrokerConnection, openConnection } from '../../src/rabbitmq/connection';
import { DEAD_LETTERS, NEWSLETTER_QUEUE, RETRY_DELAYS, retryQueue } from '../../src/rabbitmq/names';
import { Publisher } from '../../src/rabbitmq/publishing/publisher';
import { problemsOf } from '../messages/published';
import { silent, withBroker } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';
import { addressOf, signup } from '../support/events';
import { eventually, publish } from '../support/service';
import { apply, DEFAULTS } from '../support/stored';

const broker = withBroker();

describe('the worker', () => {
  let database: TestDatabase;
  let db: Database;
  let connections: BrokerConnection[];
  let publisher: Publisher;
  let worker: EventWorker;
  let metrics: Metrics;
  let lines: Record<string, unknown>[];
  const holding: Client[] = [];

  beforeAll(async () => {
    database = await freshDatabase();
    // A worker waits for a row as long as a statement may take; short here.
    db = openDatabase({ url: database.url, name: 'onecontact test worker', max: 6, statementTimeoutMs: 700 });
  });
  afterAll(async () => {
    await db?.$disconnect();
    await database?.drop();
  });
  beforeEach(() => broker().freshTopology());
  afterEach(async () => {
    for (const client of holding.splice(0)) await client.end();
    await worker.stop();
    await publisher.close();
    for (const connection of connections) await connection.close();
  });

  async function start(options: { maxContentBytes?: number } = {}): Promise<void> {
    connections = await Promise.all(
      ['consumer', 'publisher'].map((name) => openConnection({ url: broker().url, name, log: silent })),
    );
    const [connection, publishing] = connections as [BrokerConnection, BrokerConnection];
    metrics = makeMetrics();
    lines = [];
    publisher = new Publisher({ connection: publishing, log: silent, ...options });
    worker = new EventWorker({
      source: 'newsletter',
      queue: NEWSLETTER_QUEUE,
      connection,
      publisher,
      db,
      apply: DEFAULTS,
      batchSize: 500,
      prefetch: 1_000,
      concurrency: 1,
      metrics,
      log: makeLog('info', { write: (line) => void lines.push(JSON.parse(line)) }),
      onNotifications: () => undefined,
    });
  }

  const stored = async (prefix: string): Promise<number> =>
    (
      await database.sql<{ n: number }>('SELECT count(*)::int AS n FROM email_address WHERE address LIKE $1', [
        `${prefix}%`,
      ])
    )[0]?.n ?? 0;
  const names = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

  /** Holds locks in another session. @returns what releases them */
  async function hold(statement: string): Promise<() => Promise<void>> {
    const client = new Client({ connectionString: database.url });
    await client.connect();
    holding.push(client);
    await client.query('BEGIN');
    await client.query(statement);
    return async () => {
      await client.query('COMMIT');
    };
  }

  it('leaves an unpublishable dead letter to the broker, unchanged, and goes on', async () => {
    await start({ maxContentBytes: 2_000 });
    const large = `not json ${'x'.repeat(3_000)}`;
    await broker().send('', NEWSLETTER_QUEUE, [large, 'not json'], { persistent: true, messageId: 'id-1' });
    await publish(broker(), signup('large', ['x'], 1));
    await eventually(
      () => stored('large'),
      (n) => n === 1,
    );
    const letters = [await broker().next(DEAD_LETTERS), await broker().next(DEAD_LETTERS)];
    const [byBroker, byUs] = letters.sort((a, b) => b.content.length - a.content.length);
    expect(byBroker?.content.toString()).toBe(large);
    expect(byBroker?.properties).toMatchObject({ messageId: 'id-1' });
    expect(byBroker?.properties.headers?.['x-death']).toMatchObject([{ reason: 'rejected', queue: NEWSLETTER_QUEUE }]);
    expect(problemsOf('dead-letter.by-broker.headers', byBroker?.properties.headers)).toEqual([]);
    expect(byUs?.properties.headers).toMatchObject({ reason: 'not_json' });
    await worker.stop();
    expect(await broker().ready(NEWSLETTER_QUEUE)).toBe(0);
  });

  it('logs a flood of bad messages as one line per batch and reason', async () => {
    const rubbish = Array.from({ length: 600 }, (_, n) =>
      n % 3 === 0 ? 'not json' : '{"event":"newsletter.confirm"}',
    );
    await broker().send('', NEWSLETTER_QUEUE, rubbish);
    await start();
    await eventually(
      () => broker().ready(DEAD_LETTERS),
      (n) => n === rubbish.length,
    );
    await worker.stop();
    const logged = (reason: string) => lines.filter((line) => line.reason === reason);
    const messages = (reason: string) => logged(reason).reduce((sum, line) => sum + Number(line.messages), 0);
    expect([messages('not_json'), messages('invalid_shape')]).toEqual([200, 400]);
    const { values } = await metrics.batchMessages.get();
    const batches = values.find(({ metricName }) => metricName === 'onecontact_batch_messages_count')?.value ?? 0;
    expect(batches).toBeLessThan(rubbish.length / 4); // else a line per batch would not be fewer than a line per message
    for (const reason of ['not_json', 'invalid_shape']) expect(logged(reason).length).toBeLessThanOrEqual(batches);
  });

  it('defers a message that needs a locked row, without counting attempts, until the row is free; the others are done', async () => {
    await apply(database.db, signup('held', ['x'], 1));
    const release = await hold(`SELECT FROM email_address WHERE address = '${addressOf('held').key}' FOR UPDATE`);
    await start();
    const others = names('beside', 99);
    await publish(
      broker(),
      ...[...others.slice(0, 60), 'held', ...others.slice(60)].map((name) => signup(name, ['y'], 2)),
    );
    await eventually(
      () => stored('beside'),
      (n) => n === 99,
    );
    // More often than there are retry delays. The test shortens the delays by hand; the row stays locked.
    for (let waits = 1; waits <= RETRY_DELAYS.length + 2; waits++) {
      const step = RETRY_DELAYS[Math.min(waits, RETRY_DELAYS.length) - 1]!;
      const { content, properties } = await broker().next(retryQueue(step));
      expect(properties.headers).toMatchObject({ waits, error: expect.stringMatching(/^(55P03|57014)$/) });
      expect(properties.headers).not.toHaveProperty('attempts');
      if (waits === RETRY_DELAYS.length + 2) await release();
      await broker().send('', NEWSLETTER_QUEUE, [content.toString()], {
        persistent: true,
        headers: properties.headers,
      });
    }
    const choices = () =>
      database.sql("SELECT FROM choice WHERE newsletter = 'y' AND origin = $1", [addressOf('held').key]);
    await eventually(choices, (rows) => rows.length === 1);
    expect(await broker().ready(DEAD_LETTERS)).toBe(0);
  });

  it('waits while the whole table is locked, and then handles everything: no message is dead-lettered', async () => {
    const release = await hold('LOCK TABLE email_address IN EXCLUSIVE MODE');
    await start();
    await publish(broker(), ...names('table', 60).map((name) => signup(name, ['x'], 1)));
    // Consumption is paused: new messages pile up in the queue.
    let later = 0;
    const piledUp = async (): Promise<number> => {
      await publish(broker(), signup(`table-later${later++}`, ['x'], 1));
      return broker().ready(NEWSLETTER_QUEUE);
    };
    await eventually(piledUp, (n) => n >= 5, 40_000);
    expect(await stored('table')).toBe(0);
    await release();
    await eventually(
      () => stored('table'),
      (n) => n === 60 + later,
      40_000,
    );
    expect(await broker().ready(DEAD_LETTERS)).toBe(0);
  }, 120_000);
});
