/** Every message out on the whole path, from events to the mailer's queue, with the settings that turn all of them on. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { GetMessage } from 'amqplib';
import { readConfig, SERVICE_NEEDS } from '../../src/config';
import { type Service, startService } from '../../src/main';
import { NOTIFICATION_TYPES } from '../../src/messages/outgoing/notification-message';
import { erasePerson } from '../../src/operations/erase/run';
import { listMerges } from '../../src/postgres/tables/merge';
import { MAILER_QUEUE } from '../../src/rabbitmq/names';
import { problemsOf } from '../messages/published';
import { silent, withBroker } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, addressOf, at, del, signup, uidOf } from '../support/events';
import { eventually, get, publish } from '../support/service';
import { apply } from '../support/stored';

const ERASURE_KEY = 'a key for erasure in tests';
const broker = withBroker();
let database: TestDatabase;
let service: Service;

beforeAll(async () => {
  database = await freshDatabase();
  const urls = { AMQP_URL: broker().url, DATABASE_URL: database.url };
  const settings = { NOTIFY_CHANGES: 'true', NOTIFY_CONFIRMATIONS: 'true', ERASURE_KEY };
  const env = { ...urls, ...settings, HTTP_PORT: '0', LOG_LEVEL: 'silent' };
  service = await startService(readConfig(env, SERVICE_NEEDS), { log: silent });
});
afterAll(async () => {
  await service?.stop();
  await database?.drop();
});

const received: GetMessage[] = [];
/** The next message of a type; others are kept. */
async function next(type: string): Promise<Record<string, unknown>> {
  for (;;) {
    const message = await broker().next(MAILER_QUEUE);
    received.push(message);
    if (message.fields.routingKey === type) return JSON.parse(message.content.toString());
  }
}
const lookUp = async (name: string) => {
  const { body } = await get(service, `/contacts/by-email/${addressOf(name).key}`);
  return body;
};

it('a sign-up, an account, a merge, its undo, a lost address, deletions and an erasure send one message each, as its schema says', async () => {
  await publish(broker(), signup('b', ['x'], 2));
  const asked = await next('contact.confirmation_needed');
  const signedUp = await lookUp('b');
  expect(asked).toMatchObject({
    contact: { contact_id: signedUp.contact_id, basket_token: signedUp.basket_token, mailable: false },
    newsletters: { x: { state: 'subscribed' } },
  });
  await publish(broker(), acct('u', 'a', 1));
  expect(await next('contact.changed')).toMatchObject({ version: 1 });
  await eventually(
    () => lookUp('a'),
    ({ account_id }) => account_id === uidOf('u'),
  );

  await publish(broker(), acct('u', 'b', 3));
  const merged = await next('contact.merged');
  expect(merged).toMatchObject({ survivor: { account_id: uidOf('u'), mailable: true }, newsletters_added: ['x'] });
  expect(await next('contact.email_changed')).toMatchObject({ merge_id: merged.merge_id, former_email: 'a@mail.test' });

  for (const merge of await listMerges(database.db, { limit: 1 })) {
    await apply(database.db, { kind: 'undo', at: at(4), merge });
  }
  expect(await next('contact.unmerged')).toMatchObject({ merge_id: merged.merge_id, restored: { mailable: false } });

  await publish(broker(), acct('v', 'a', 5));
  expect(await next('contact.review_needed')).toMatchObject({ contact: { account_id: uidOf('u'), mailable: false } });
  await publish(broker(), del('u', 6));
  expect(await next('contact.closed')).toMatchObject({ account_id: uidOf('u') });
  await publish(broker(), del('v', 7));
  const deleted = await next('contact.account_deleted');
  expect(deleted).toMatchObject({
    account_id: uidOf('v'),
    contact: { primary_email: 'a@mail.test', account_id: null },
  });

  const { contact_id, basket_token } = await lookUp('b');
  await erasePerson(database.db, addressOf('b'), { erasureKey: ERASURE_KEY });
  expect(await next('contact.erased')).toEqual({
    ...{ contact_id, basket_token, retired_contact_ids: [] },
    erased_at: expect.stringMatching(/Z$/),
  });
  expect(
    await eventually(
      () => database.sql('SELECT FROM outbox'),
      (rows) => rows.length === 0,
    ),
  ).toEqual([]);

  expect(new Set(received.map(({ fields }) => fields.routingKey))).toEqual(new Set(NOTIFICATION_TYPES));
  for (const { fields, properties, content } of received) {
    expect(problemsOf(fields.routingKey, JSON.parse(content.toString()))).toEqual([]);
    expect(problemsOf('contact.headers', properties.headers)).toEqual([]);
    expect(properties).toMatchObject({ type: fields.routingKey, deliveryMode: 2 });
    expect(properties.headers).toMatchObject({ 'schema-version': '2' });
  }
  const ids = received.map(({ properties }) => properties.messageId);
  expect(new Set(ids).size).toBe(ids.length);
});
