/** The broker blocks publishing, as it does when it is short of memory or disk space: a real alarm. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { EventWorker } from '../../src/ingest/worker';
import { type Service, startService } from '../../src/main';
import { makeMetrics } from '../../src/observability/metrics';
import { openConnection } from '../../src/rabbitmq/connection';
import { DEAD_LETTERS, NEWSLETTER_QUEUE } from '../../src/rabbitmq/names';
import { Publisher } from '../../src/rabbitmq/publishing/publisher';
import { silent, until } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';
import { signup } from '../support/events';
import { brokerSource, canStartBroker, withPrivateBroker } from '../support/private-broker';
import { config, get, messageOf } from '../support/service';
import { DEFAULTS } from '../support/stored';

(canStartBroker ? describe : describe.skip)(`while the broker blocks publishing (${brokerSource})`, () => {
  const server = withPrivateBroker();
  let database: TestDatabase;
  const closing: (() => Promise<unknown>)[] = [];

  beforeEach(async () => {
    await server().broker.freshTopology();
    database = await freshDatabase();
  });
  afterEach(async () => {
    await server().alarm(false);
    for (const close of closing.splice(0).reverse()) await close();
    await database.drop();
  });

  const good = (count: number): string[] =>
    Array.from({ length: count }, (_, n) => JSON.stringify(messageOf(signup(`reader${n}`, ['x'], 1)).body));
  const malformed = (count: number): string[] => Array.from({ length: count }, (_, n) => `not json ${n}`);
  const send = (...bodies: string[]) => server().broker.send('', NEWSLETTER_QUEUE, bodies, { persistent: true });
  const stored = async (): Promise<number> =>
    (await database.sql<{ n: number }>('SELECT count(*)::int AS n FROM email_address'))[0]?.n ?? 0;
  const deadLetters = async (count: number): Promise<string[]> => {
    const letters = Array.from({ length: count }, () => server().broker.next(DEAD_LETTERS));
    return (await Promise.all(letters)).map(({ content }) => content.toString()).sort();
  };

  async function start(): Promise<Service> {
    // Less than a publisher waits for a confirm: a stop must not wait for what cannot come.
    const settings = {
      ...config({ amqpUrl: server().broker.url, databaseUrl: database.url }),
      shutdownTimeoutMs: 9_500,
    };
    const service = await startService(settings, { log: silent });
    closing.push(() => service.stop());
    return service;
  }

  /** The values of a service's metrics for the newsletter queue, or for its publishing connection. */
  async function metric(service: Service, name: string): Promise<number | undefined> {
    const { text } = await get(service, '/metrics');
    const [, value] =
      new RegExp(`^onecontact_${name}\\{(?:queue="contacts.newsletter"|connection="publisher")\\} (\\S+)`, 'm').exec(
        text,
      ) ?? [];
    return value === undefined ? undefined : Number(value);
  }

  it('messages that need no publishing are handled; the others wait, and become dead letters once it ends', async () => {
    const rubbish = malformed(20);
    const all = good(2_000);
    for (const [n, body] of rubbish.entries()) all.splice(n * 101, 0, body);
    await send(...all);
    await server().alarm(true);
    const service = await start();
    await until(async () => (await stored()) === 2_000, 60_000);
    await until(async () => (await metric(service, 'waiting_for_publisher')) === 20);
    expect(await metric(service, 'broker_blocked')).toBe(1);
    expect(await metric(service, 'consumption_paused')).toBe(0);
    expect(await server().broker.ready(DEAD_LETTERS)).toBe(0);
    await server().alarm(false);
    expect(await deadLetters(20)).toEqual([...rubbish].sort());
    await until(async () => (await metric(service, 'waiting_for_publisher')) === 0);
    expect(await metric(service, 'broker_blocked')).toBe(0);
    expect(await service.stop()).toBe(true);
    for (const queue of [NEWSLETTER_QUEUE, DEAD_LETTERS]) expect(await server().broker.ready(queue)).toBe(0);
  }, 180_000);

  it('a stop returns the messages that wait to their queue, without counting an attempt', async () => {
    const rubbish = malformed(30);
    await send(...rubbish, ...good(30));
    await server().alarm(true);
    const service = await start();
    await until(async () => (await stored()) === 30 && (await metric(service, 'waiting_for_publisher')) === 30);
    expect(await service.stop()).toBe(true);
    await until(async () => (await server().broker.ready(NEWSLETTER_QUEUE)) === 30);
    const again = await start();
    await until(async () => (await metric(again, 'waiting_for_publisher')) === 30);
    await server().alarm(false);
    // One of them may come twice: the broker had read it when it began to block.
    const missing = new Set(rubbish);
    while (missing.size > 0) {
      const { content, properties } = await server().broker.next(DEAD_LETTERS);
      expect(properties.headers).toMatchObject({ reason: 'not_json', attempts: 0 });
      missing.delete(content.toString());
    }
    await until(async () => (await metric(again, 'waiting_for_publisher')) === 0);
    expect(await again.stop()).toBe(true);
    expect(await server().broker.ready(NEWSLETTER_QUEUE)).toBe(0);
  }, 180_000);

  it('a queue is paused, and says so, once half the prefetch waits; it resumes by itself when the alarm ends', async () => {
    await send(...malformed(100), ...good(5));
    await server().alarm(true);
    const connections = await Promise.all(
      ['consumer', 'publisher'].map((name) => openConnection({ url: server().broker.url, name, log: silent })),
    );
    closing.push(...connections.map((connection) => () => connection.close()));
    const [connection, publishing] = connections as [(typeof connections)[0], (typeof connections)[0]];
    const publisher = new Publisher({ connection: publishing, log: silent });
    closing.push(() => publisher.close());
    const metrics = makeMetrics();
    const worker = new EventWorker({
      ...{ source: 'newsletter', queue: NEWSLETTER_QUEUE, connection, publisher, db: database.db, apply: DEFAULTS },
      ...{ batchSize: 10, prefetch: 40, concurrency: 2, metrics, log: silent, onNotifications: () => undefined },
    });
    closing.push(() => worker.stop());
    await until(() => worker.problems().some((problem) => problem.includes('is paused')), 60_000);
    const [problem] = worker.problems();
    const waiting = Number(/does not accept (\d+) messages/.exec(problem ?? '')?.[1]);
    expect(problem).toMatch(/^The queue contacts\.newsletter is paused: the broker does not accept \d+ messages/);
    expect(waiting).toBeGreaterThanOrEqual(20);
    expect(waiting).toBeLessThan(40); // half the prefetch, and what the two slots had in hand
    expect(publisher.problems()).toEqual([
      expect.stringMatching(/^The broker blocks publishing \(.*memory.*\): free /),
    ]);
    expect(await stored()).toBe(0);
    await server().alarm(false);
    await until(async () => (await stored()) === 5);
    expect(await deadLetters(100)).toEqual(malformed(100).sort());
    await until(() => worker.problems().length + publisher.problems().length === 0);
    await worker.stop();
    expect(await server().broker.ready(NEWSLETTER_QUEUE)).toBe(0);
  }, 180_000);
});
