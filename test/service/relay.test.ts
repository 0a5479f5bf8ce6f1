import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { makeMetrics } from '../../src/observability/metrics';
import { addToOutbox } from '../../src/postgres/tables/outbox';
import { openConnection } from '../../src/rabbitmq/connection';
import { CONTACT_EVENTS, MAILER_QUEUE } from '../../src/rabbitmq/names';
import { Publisher } from '../../src/rabbitmq/publisher';
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
  const metrics = makeMetrics();

  beforeEach(async () => {
    database = await freshDatabase();
    const connection = await openConnection({ url: broker().url, name: 'relay test', log: silent });
    const publisher = new Publisher({ connection, log: silent });
    relays = [];
    start = () => relays.push(new Relay({ db: database.db, publisher, metrics, log: silent }));
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
  let start: () => void;

  const write = (messages: { nr: number; contact: number }[]) =>
    addToOutbox(
      database.db,
      messages.map(({ nr, contact }) => ({
        messageId: id(nr),
        contactId: id(contact),
        type: 'contact.merged',
        body: { nr },
      })),
    );
  const left = async () => (await database.sql<{ n: number }>('SELECT count(*)::int AS n FROM outbox'))[0]?.n;
  const refused = async () => {
    const { values } = await metrics.notifications.get();
    return values.find(({ labels }) => labels.outcome === 'returned')?.value ?? 0;
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
});
