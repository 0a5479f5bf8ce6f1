import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type Service, startService } from '../../src/main';
import { erasePerson } from '../../src/operations/erase/run';
import { DEAD_LETTERS, NEWSLETTER_QUEUE } from '../../src/rabbitmq/names';
import { silent, withBroker } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, addressOf, signup, uidOf } from '../support/events';
import { config, eventually, get, publish } from '../support/service';

const KEY = 'a key for erasure in tests';
const broker = withBroker();
let database: TestDatabase;
let service: Service;

beforeAll(async () => {
  database = await freshDatabase();
  const urls = { amqpUrl: broker().url, databaseUrl: database.url };
  service = await startService({ ...config(urls), erasureKey: KEY }, { log: silent });
});
afterAll(async () => {
  await service?.stop();
  await database?.drop();
});

it('an older event of an erased person is acknowledged, counted as `erased`, and has no effect', async () => {
  const person = [acct('erased', 'erased', 1), signup('erased', ['x'], 2)];
  await publish(broker(), ...person);
  const byAccount = () => get(service, `/contacts/by-account/${uidOf('erased')}`);
  await eventually(byAccount, ({ status }) => status === 200);
  await erasePerson(database.db, addressOf('erased'), { erasureKey: KEY });
  await publish(broker(), ...person, signup('bystander', ['x'], 3));
  const metrics = await eventually(
    () => get(service, '/metrics'),
    ({ text }) => (text.match(/^onecontact_messages_total\{.*outcome="erased".*\} 1$/gm) ?? []).length === 2,
  );
  expect(metrics.text).toContain('type="newsletter.subscribe",outcome="erased"} 1');
  expect((await byAccount()).status).toBe(404);
  await eventually(
    () => get(service, `/contacts/by-email/${addressOf('bystander').key}`),
    ({ status }) => status === 200,
  );
  for (const queue of [NEWSLETTER_QUEUE, DEAD_LETTERS]) expect(await broker().ready(queue)).toBe(0);
});
