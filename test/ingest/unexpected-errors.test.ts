/** Errors that no message should cause, and that some day one does. */
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { EventWorker } from '../../src/ingest/worker';
import { type Metrics, makeMetrics } from '../../src/observability/metrics';
import { type BrokerConnection, openConnection } from '../../src/rabbitmq/connection';
import { NEWSLETTER_QUEUE, RETRY_DELAYS, retryQueue } from '../../src/rabbitmq/names';
import { Publisher } from '../../src/rabbitmq/publishing/publisher';
import { silent, until, withBroker } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';
import { signup } from '../support/events';
import { messageOf } from '../support/service';
import { DEFAULTS } from '../support/stored';

const broker = withBroker();
const BAD = '"email":"bad@';
const names = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

describe('an unexpected error', () => {
  let database: TestDatabase;
  let connections: BrokerConnection[];
  let publisher: Publisher;
  let worker: EventWorker;
  let metrics: Metrics;

  beforeEach(async () => {
    await broker().freshTopology();
    database = await freshDatabase();
    connections = await Promise.all(
      ['consumer', 'publisher'].map((name) => openConnection({ url: broker().url, name, log: silent })),
    );
    publisher = new Publisher({ connection: connections[1]!, log: silent });
    metrics = makeMetrics();
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await worker.stop();
    await publisher.close();
    for (const connection of connections) await connection.close();
    await database.drop();
  });

  /** Handles a bad message among healthy ones, and waits until these are stored. */
  async function handleAmong(healthy: readonly string[]): Promise<void> {
    const bodies = [...healthy.slice(0, 20), 'bad', ...healthy.slice(20)].map((name) =>
      JSON.stringify(messageOf(signup(name, ['x'], 1)).body),
    );
    await broker().send('', NEWSLETTER_QUEUE, bodies, { persistent: true });
    const limits = { batchSize: 500, prefetch: 1_000, concurrency: 2 };
    worker = new EventWorker({
      ...{ source: 'newsletter', queue: NEWSLETTER_QUEUE, connection: connections[0]!, publisher, db: database.db },
      ...{ apply: DEFAULTS, ...limits, metrics, log: silent, onNotifications: () => undefined },
    });
    const stored = async (): Promise<number> =>
      (await database.sql<{ n: number }>('SELECT count(*)::int AS n FROM email_address'))[0]?.n ?? 0;
    await until(async () => (await stored()) === healthy.length);
  }

  it('while a message is read puts this message alone on the retry delays; all others are handled', async () => {
    const read = Buffer.prototype.toString;
    jest.spyOn(Buffer.prototype, 'toString').mockImplementation(function (this: Buffer, ...args) {
      if (this.length < 1_000 && read.call(this, 'latin1').startsWith('{') && this.includes(BAD)) {
        throw new RangeError('Maximum call stack size exceeded');
      }
      return read.apply(this, args);
    });
    await handleAmong(names('reader', 60));
    const [firstDelay] = RETRY_DELAYS;
    await until(async () => (await broker().ready(retryQueue(firstDelay))) === 1);
    const { properties } = await broker().next(retryQueue(firstDelay));
    expect(properties.headers).toMatchObject({ attempts: 1, error: 'RangeError' });
    await worker.stop();
    expect(await broker().ready(NEWSLETTER_QUEUE)).toBe(0);
  });
});
