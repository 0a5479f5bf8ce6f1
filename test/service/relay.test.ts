import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pino from 'pino';
import { CHANGED_PARTS } from '../../src/contacts/profile/changed-parts';
import { makeMetrics } from '../../src/observability/metrics';
import { addToOutbox, outboxState } from '../../src/postgres/tables/outbox';
import { openConnection } from '../../src/rabbitmq/connection';
import { CONTACT_EVENTS, MAILER_QUEUE } from '../../src/rabbitmq/names';
import { Publisher } from '../../src/rabbitmq/publishing/publisher';
import { outboxProblems } from '../../src/relay/outbox-health';
import { Relay } from '../../src/relay/relay';
import { silent, withBroker } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';
import { eventually } from '../support/service';

const broker = withBroker();
const id = (n: number): string => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;

describe('the relay', () => {
  let database: TestDatabase;
  let relays: Relay[];
  let close: () => Promise<void>;
  let lines: Record<string, unknown>[];
  const metrics = makeMetrics();

  beforeEach(async () => {
    await (await broker().channel()).purgeQueue(MAILER_QUEUE);
    database = await freshDatabase();
    const connection = await openConnection({ url: broker().url, name: 'relay test', log: silent });
    const publisher = new Publisher({ connection, log: silent });
    relays = [];
    lines = [];
    const log = pino({ level: 'warn' }, { write: (line) => void lines.push(JSON.parse(line)) });
    start = (busy = () => false) => relays.push(new Relay({ db: database.db, publisher, metrics, log, busy }));
    close = async () => {
      await publisher.close();
      await connection.close();
    };
  });
  afterEach(async () => {
    for (const relay of relays) await relay.stop();
    await close();
    await database.drop();
  });
  let start: (busy?: () => boolean) => void;

  const write = (messages: { nr: number; contact: number }[]) =>
    addToOutbox(
      database.db,
      messages.map(({ nr, contact }) => ({
        messageId: id(nr),
        contactId: id(contact),
        type: 'contact.merged',
        schemaVersion: 2,
        body: { nr },
      })),
    );
  const left = async () => (await database.sql<{ n: number }>('SELECT count(*)::int AS n FROM outbox'))[0]?.n;
  /** Changes of contacts in one batch, each of all parts. */
  const change = (...contacts: { contact: number; version: number }[]) =>
    addToOutbox(
      database.db,
      [],
      contacts.map(({ contact, version }) => ({ contactId: id(contact), version, parts: CHANGED_PARTS })),
    );
  const changesLeft = async () =>
    (await database.sql<{ ids: string[] }>('SELECT message_ids AS ids FROM outbox_changes')).flatMap(({ ids }) => ids);
  const receive = async (count: number) => {
    const received: { type: unknown; id: unknown; body: Record<string, unknown> }[] = [];
    while (received.length < count) {
      const { content, properties } = await broker().next(MAILER_QUEUE);
      received.push({ type: properties.type, id: properties.messageId, body: JSON.parse(content.toString()) });
    }
    return received;
  };
  const refused = async () => {
    const { values } = await metrics.notifications.get();
    const returned = values.filter(({ labels }) => labels.outcome === 'returned');
    return returned.reduce((sum, { value }) => sum + value, 0);
  };

  it('publishes each message once under its own id, and each contact’s in order, even with several relays', async () => {
    await write(Array.from({ length: 500 }, (_, nr) => ({ nr, contact: 1000 + (nr % 7) })));
    for (let n = 0; n < 3; n++) start();
    const seen: { nr: number; id: unknown }[] = [];
    for (let n = 0; n < 500; n++) {
      const { content, properties } = await broker().next(MAILER_QUEUE);
      seen.push({ ...(JSON.parse(content.toString()) as { nr: number }), id: properties.messageId });
    }
    expect(await eventually(left, (n) => n === 0)).toBe(0);
    expect(await broker().ready(MAILER_QUEUE)).toBe(0);
    expect(new Set(seen.map((message) => message.id))).toEqual(new Set(Array.from({ length: 500 }, (_, nr) => id(nr))));
    for (let contact = 0; contact < 7; contact++) {
      const order = seen.map(({ nr }) => nr).filter((nr) => nr % 7 === contact);
      expect(order).toEqual([...order].sort((a, b) => a - b));
    }
  });

  it('publishes a message with the schema version that it was written in; a row of an older program is version 1', async () => {
    await database.sql(
      `INSERT INTO outbox (message_id, contact_id, type, body) VALUES ('${id(1)}', '${id(2)}', 'contact.merged', '{"nr":1}')`,
    );
    await write([{ nr: 2, contact: 2 }]);
    start();
    const published = [await broker().next(MAILER_QUEUE), await broker().next(MAILER_QUEUE)];
    expect(published.map(({ properties, content }) => [properties.headers, String(content)])).toEqual([
      [{ 'schema-version': '1' }, '{"nr":1}'],
      [{ 'schema-version': '2' }, '{"nr":2}'],
    ]);
  });

  it('keeps an unroutable message, and publishes it under the same id once the mailer’s queue is bound', async () => {
    const channel = await broker().channel();
    await channel.unbindQueue(MAILER_QUEUE, CONTACT_EVENTS, 'contact.#');
    const before = await refused();
    await write([{ nr: 1, contact: 2 }]);
    start();
    await eventually(refused, (n) => n >= before + 2); // retried in vain
    expect(await left()).toBe(1);
    await channel.bindQueue(MAILER_QUEUE, CONTACT_EVENTS, 'contact.#');
    expect((await broker().next(MAILER_QUEUE)).properties.messageId).toBe(id(1));
    expect(await eventually(left, (n) => n === 0)).toBe(0);
  });

  it('says in the log and to the health check why notifications wait, until they are published', async () => {
    const channel = await broker().channel();
    await channel.unbindQueue(MAILER_QUEUE, CONTACT_EVENTS, 'contact.#');
    await write([{ nr: 1, contact: 2 }]);
    start();
    const problems = async () => relays[0]?.problems() ?? [];
    const [problem] = await eventually(problems, (found) => found.length > 0);
    expect(problem).toMatch(/^Notifications wait in the outbox \(returned: NO_ROUTE\): .*mailer\.contact-events/);
    expect(lines[0]).toMatchObject({
      msg: 'notifications could not be published, trying again',
      type: 'contact.merged',
      messageId: id(1),
      outcome: 'returned',
      reason: 'NO_ROUTE',
      left: 1,
    });
    await channel.bindQueue(MAILER_QUEUE, CONTACT_EVENTS, 'contact.#');
    await eventually(problems, (found) => found.length === 0);
    expect(await left()).toBe(0);
  });

  it('publishes a message for each changed contact of a batch, among the other messages of the contact', async () => {
    await change({ contact: 1, version: 1 }, { contact: 2, version: 7 });
    const ids = await changesLeft();
    await write([{ nr: 3, contact: 1 }]);
    await change({ contact: 1, version: 2 });
    start();
    const received = await receive(4);
    expect(received.filter(({ body }) => body.contact_id !== id(2)).map(({ body }) => body.nr ?? body.version)).toEqual(
      [1, 3, 2],
    );
    expect(received).toContainEqual({
      type: 'contact.changed',
      id: ids[1],
      body: { contact_id: id(2), version: 7, changed: [...CHANGED_PARTS] },
    });
    expect(new Set(received.map((message) => message.id)).size).toBe(4);
    expect(await eventually(changesLeft, (found) => found.length === 0)).toEqual([]);
  });

  it('counts each change that waits, and its age', async () => {
    await write([{ nr: 1, contact: 1 }]);
    await change({ contact: 1, version: 1 }, { contact: 2, version: 1 });
    await database.sql("UPDATE outbox_changes SET created_at = now() - interval '7 seconds'");
    const { pending, oldestSeconds } = await outboxState(database.db);
    expect(pending).toBe(3);
    expect(oldestSeconds).toBeGreaterThanOrEqual(7);
  });

  it('lets changes wait while workers are busy, and nothing else; messages keep their order', async () => {
    let isBusy = true;
    await change({ contact: 1, version: 1 });
    await write([{ nr: 2, contact: 1 }]);
    await change({ contact: 1, version: 3 });
    start(() => isBusy);
    expect((await receive(2)).map(({ body }) => body.nr ?? body.version)).toEqual([1, 2]);
    await eventually(left, (n) => n === 0);
    expect(await changesLeft()).toHaveLength(1);
    isBusy = false;
    expect((await receive(1)).map(({ body }) => body.version)).toEqual([3]);
  });

  it('publishes a change that has waited for a minute, however busy the workers are', async () => {
    await change({ contact: 1, version: 1 });
    await database.sql("UPDATE outbox_changes SET created_at = now() - interval '60 seconds'");
    start(() => true);
    expect(await receive(1)).toMatchObject([{ body: { version: 1 } }]);
  });

  it('keeps the changes of a batch that a full queue refused, and publishes only these again', async () => {
    const channel = await broker().channel();
    const limited = { autoDelete: true, arguments: { 'x-max-length': 2, 'x-overflow': 'reject-publish' } };
    const { queue } = await channel.assertQueue('', limited);
    await channel.bindQueue(queue, CONTACT_EVENTS, 'contact.changed');
    await change(...[1, 2, 3].map((contact) => ({ contact, version: contact })));
    const ids = await changesLeft();
    start();
    const first = await receive(3); // in the mailer's queue, which has room
    expect(await eventually(changesLeft, (found) => found.length === 1)).toEqual([ids[2]]);
    await channel.deleteQueue(queue);
    expect((await receive(1)).map((message) => message.id)).toEqual([first[2]?.id]);
    expect(await eventually(changesLeft, (found) => found.length === 0)).toEqual([]);
  });

  it('measures the time from the outbox to the confirm', async () => {
    const lag = async () => {
      const { values } = await metrics.notificationLag.get();
      const of = (suffix: string) => values.find(({ metricName }) => metricName?.endsWith(suffix))?.value ?? 0;
      return { count: of('_count'), sum: of('_sum') };
    };
    const before = await lag();
    await write([{ nr: 1, contact: 2 }]);
    await database.sql("UPDATE outbox SET created_at = now() - interval '7 seconds'");
    start();
    const after = await eventually(lag, ({ count }) => count > before.count);
    expect(after.count).toBe(before.count + 1);
    expect(after.sum - before.sum).toBeGreaterThanOrEqual(7);
  });

  it('the health check is red once the oldest notification has waited for five minutes', () => {
    expect(outboxProblems({ oldestSeconds: 299 })).toEqual([]);
    expect(outboxProblems({ oldestSeconds: 300 })).toEqual([
      'The oldest notification has waited for 300 s: look at the relays and at the queue mailer.contact-events.',
    ]);
    expect(outboxProblems(null)).toEqual([]); // the check of the database says why it cannot be read
  });
});
