/** Events that take longer than the database's time limits, alone or all of them. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { EventWorker } from '../../src/ingest/worker';
import { type Metrics, makeMetrics } from '../../src/observability/metrics';
import { type Database, openDatabase } from '../../src/postgres/database';
import { type BrokerConnection, openConnection } from '../../src/rabbitmq/connection';
import { DEAD_LETTERS, NEWSLETTER_QUEUE, RETRY_DELAYS, retryQueue } from '../../src/rabbitmq/names';
import { Publisher } from '../../src/rabbitmq/publishing/publisher';
import { silent, until, withBroker } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';
import { signup } from '../support/events';
import { messageOf, publish } from '../support/service';
import { DEFAULTS } from '../support/stored';

const broker = withBroker();

/** Seconds in production. Long enough here for all other statements on a loaded machine. */
const STATEMENT_TIMEOUT_MS = 3_000;

describe('the worker', () => {
  let database: TestDatabase;
  let db: Database;
  let connections: BrokerConnection[];
  let publisher: Publisher;
  let worker: EventWorker;
  let metrics: Metrics;

  beforeAll(async () => {
    database = await freshDatabase();
    await database.sql(`
      CREATE TABLE slow (pattern text);
      CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_sleep(600) FROM slow WHERE NEW.address LIKE pattern; RETURN NEW; END $$;
      CREATE TRIGGER wait BEFORE INSERT ON email_address FOR EACH ROW EXECUTE FUNCTION wait()`);
    db = openDatabase({ url: database.url, name: 'onecontact test', max: 6, statementTimeoutMs: STATEMENT_TIMEOUT_MS });
  });
  afterAll(async () => {
    await db?.$disconnect();
    await database?.drop();
  });
  beforeEach(async () => {
    await broker().freshTopology();
    await database.sql('TRUNCATE slow, email_address, contact CASCADE');
    connections = await Promise.all(
      ['consumer', 'publisher'].map((name) => openConnection({ url: broker().url, name, log: silent })),
    );
    const [connection, publishing] = connections as [BrokerConnection, BrokerConnection];
    metrics = makeMetrics();
    publisher = new Publisher({ connection: publishing, log: silent });
    worker = new EventWorker({
      ...{ source: 'newsletter', queue: NEWSLETTER_QUEUE, connection, publisher, db, apply: DEFAULTS },
      ...{ batchSize: 500, prefetch: 1_000, concurrency: 1, metrics, log: silent, onNotifications: () => undefined },
    });
  });
  afterEach(async () => {
    await worker.stop();
    await publisher.close();
    for (const connection of connections) await connection.close();
  });

  const stored = async (): Promise<number> =>
    (await database.sql<{ n: number }>('SELECT count(*)::int AS n FROM email_address'))[0]?.n ?? 0;
  const waiting = async (): Promise<number> =>
    (await Promise.all([DEAD_LETTERS, ...RETRY_DELAYS.map(retryQueue)].map((name) => broker().ready(name)))).reduce(
      (sum, ready) => sum + ready,
    );

  it('makes an event that always takes too long a dead letter after five attempts, with the reason in plain words; its neighbours are handled', async () => {
    await database.sql("INSERT INTO slow VALUES ('slow@%')");
    const bodies = (...names: string[]) => names.map((name) => JSON.stringify(messageOf(signup(name, ['x'], 1)).body));
    await broker().send('', NEWSLETTER_QUEUE, bodies('a', 'b', 'c', 'slow', 'd', 'e', 'f'));
    for (const [place, delay] of RETRY_DELAYS.entries()) {
      const { content, properties } = await broker().next(retryQueue(delay), 60_000);
      expect(properties.headers).toMatchObject({ attempts: place + 1, error: '57014' });
      expect(await stored()).toBe(6 + 2 * place);
      // The test shortens the delays by hand. The message comes back among others, and is tried without them.
      await broker().send('', NEWSLETTER_QUEUE, bodies(`before-${place}`));
      await broker().send('', NEWSLETTER_QUEUE, [content.toString()], { headers: properties.headers });
      await broker().send('', NEWSLETTER_QUEUE, bodies(`after-${place}`));
      await until(async () => (await stored()) === 8 + 2 * place, 60_000);
    }
    const { properties } = await broker().next(DEAD_LETTERS, 60_000);
    expect(properties.headers).toMatchObject({
      reason: 'failed',
      error: '57014: the event alone exceeded the statement or transaction timeout, while other events did not',
      attempts: RETRY_DELAYS.length + 1,
    });
    const { values } = await metrics.databaseErrors.get();
    // At most with seven events, four, two, alone; then alone each time.
    expect(values).toEqual([{ labels: { code: '57014', kind: 'slow' }, value: expect.any(Number) }]);
    expect(values[0]?.value).toBeLessThanOrEqual(4 + RETRY_DELAYS.length);
    expect(worker.problems()).toEqual([]);
  }, 120_000);

  it('waits while every event takes too long, and then handles all of them: none is retried later or dead-lettered', async () => {
    await database.sql("INSERT INTO slow VALUES ('%')");
    await publish(broker(), ...['a', 'b', 'c'].map((name) => signup(name, ['x'], 1)));
    const paused = /^The queue contacts\.newsletter is paused \(57014\): the database is too slow/;
    await until(() => worker.problems().some((problem) => paused.test(problem)), 60_000);
    expect(await waiting()).toBe(0);
    await database.sql('TRUNCATE slow');
    await until(async () => (await stored()) === 3, 60_000);
    await until(() => worker.problems().length === 0);
    expect(await waiting()).toBe(0);
    const { values } = await metrics.pauses.get();
    expect(values.filter(({ value }) => value > 0)).toEqual([
      { labels: { queue: NEWSLETTER_QUEUE, reason: 'database_slow' }, value: 1 },
    ]);
  }, 120_000);
});
