import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type Service, startService } from '../../src/main';
import { erasePerson } from '../../src/operations/erase/run';
import { DEAD_LETTERS, NEWSLETTER_QUEUE, RETRY_DELAYS, retryQueue } from '../../src/rabbitmq/names';
import { silent, withBroker } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';
import { addressOf, signup } from '../support/events';
import { config, eventually, get, publish } from '../support/service';

const KEY = 'a key for erasure in tests';
const broker = withBroker();
let database: TestDatabase;
let service: Service | undefined;

const start = async (erasureKey: string | null): Promise<void> => {
  const urls = { amqpUrl: broker().url, databaseUrl: database.url };
  service = await startService({ ...config(urls), erasureKey }, { log: silent });
};
const status = async (name: string): Promise<number> =>
  (await get(service as Service, `/contacts/by-email/${addressOf(name).key}`)).status;

beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(async () => {
  await service?.stop();
  await database?.drop();
});

it('a running service without the key of the first erasure pauses, keeps its messages, and brings nobody back; with the key it goes on', async () => {
  await start(null);
  await publish(broker(), signup('erased', ['x'], 1));
  await eventually(
    () => status('erased'),
    (it) => it === 200,
  );
  await erasePerson(database.db, addressOf('erased'), { erasureKey: KEY });
  await publish(broker(), signup('erased', ['x'], 1));
  await publish(broker(), signup('bystander', ['x'], 2));
  const paused = 'onecontact_consumption_paused{queue="contacts.newsletter"} 1';
  const { text } = await eventually(
    () => get(service as Service, '/metrics'),
    (it) => it.text.includes(paused),
  );
  expect(text).toContain('onecontact_pauses_total{queue="contacts.newsletter",reason="erasure_key"} 1');
  expect([await status('erased'), await status('bystander')]).toEqual([404, 404]);

  await service?.stop();
  await start(KEY);
  await eventually(
    () => status('bystander'),
    (it) => it === 200,
  );
  expect(await status('erased')).toBe(404);
  for (const queue of [NEWSLETTER_QUEUE, DEAD_LETTERS, ...RETRY_DELAYS.map(retryQueue)])
    expect(await broker().ready(queue)).toBe(0);
});
