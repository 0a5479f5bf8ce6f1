/** The messages that the service sends match contracts/. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { GetMessage } from 'amqplib';
import type { Service } from '../../src/main';
import { listMerges } from '../../src/postgres/tables/merge';
import { DEAD_LETTERS, FXA_EVENTS, MAILER_QUEUE, NEWSLETTER_EVENTS } from '../../src/rabbitmq/names';
import { problemsOf } from '../messages/published';
import { withBroker } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, addressOf, at, signup } from '../support/events';
import { eventually, get, publish, startOn } from '../support/service';
import { apply } from '../support/stored';

const broker = withBroker();
let database: TestDatabase;
let service: Service;

beforeAll(async () => {
  database = await freshDatabase();
  service = await startOn(broker(), database);
});
afterAll(async () => {
  await service?.stop();
  await database?.drop();
});

const there = (name: string) =>
  eventually(
    () => get(service, `/contacts/by-email/${addressOf(name).key}`),
    ({ status }) => status === 200,
  );

/** Expects these messages to the mailer, valid by their schemas. */
async function expectPublished(...types: string[]): Promise<void> {
  const messages: GetMessage[] = [];
  for (const _ of types) messages.push(await broker().next(MAILER_QUEUE));
  expect(messages.map(({ fields }) => fields.routingKey).sort()).toEqual([...types].sort());
  for (const { fields, properties, content } of messages) {
    expect(problemsOf(fields.routingKey, JSON.parse(content.toString()))).toEqual([]);
    expect(problemsOf('contact.headers', properties.headers)).toEqual([]);
    expect(properties).toMatchObject({
      messageId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      type: fields.routingKey,
      timestamp: expect.any(Number),
      contentType: 'application/json',
      deliveryMode: 2,
    });
  }
}

it('notifications match their schemas by default: a merge, its undo, a new primary address, an account left without one', async () => {
  await publish(broker(), acct('u', 'a', 1));
  await there('a');
  await publish(broker(), signup('b', ['x'], 2));
  await there('b');
  await publish(broker(), acct('u', 'b', 3));
  await expectPublished('contact.merged', 'contact.email_changed');
  for (const merge of await listMerges(database.db, { limit: 1 })) {
    await apply(database.db, { kind: 'undo', at: at(4), merge });
  }
  await expectPublished('contact.unmerged', 'contact.email_changed');
  await publish(broker(), acct('v', 'a', 5));
  await expectPublished('contact.review_needed');
});

it.each([
  [FXA_EVENTS, '{"event":"delete"}'],
  [NEWSLETTER_EVENTS, 'no JSON'],
])('a dead letter from %s matches its schema', async (exchange, body) => {
  await broker().send(exchange, 'x', [body]);
  expect(problemsOf('dead-letter.headers', (await broker().next(DEAD_LETTERS)).properties.headers)).toEqual([]);
});
