/** Headers under our names that a producer wrote, or that OneContact cannot have written. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Service } from '../../src/main';
import {
  DEAD_LETTERS,
  HEADERS,
  NEWSLETTER_EVENTS,
  NEWSLETTER_QUEUE,
  RETRY_DELAYS,
  retryQueue,
} from '../../src/rabbitmq/names';
import { problemsOf } from '../messages/published';
import { withBroker } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';
import { signup } from '../support/events';
import { messageOf, startOn } from '../support/service';

const broker = withBroker();
let database: TestDatabase;
let service: Service;

beforeAll(async () => {
  database = await freshDatabase();
  await database.sql(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON email_address FOR EACH ROW EXECUTE FUNCTION refuse()`);
  service = await startOn(broker(), database);
});
afterAll(async () => {
  await service?.stop();
  await database?.drop();
});

const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
const FORGED = {
  ...{ attempts: 99, waits: 3, 'first-seen': 'not a date', 'last-seen': 7, 'origin-queue': 'elsewhere', delay: '10m' },
  ...{ replays: 8, 'earlier-attempts': 50, 'earlier-deaths': [{ reason: 'forged' }] },
};

it('a malformed message with forged headers is a dead letter with none of them, and with its own and its trace', async () => {
  await broker().send(NEWSLETTER_EVENTS, 'x', ['{'], { headers: { ...FORGED, tenant: 'mine', traceparent } });
  const { headers = {} } = (await broker().next(DEAD_LETTERS)).properties;
  expect(headers).toMatchObject({ reason: 'not_json', attempts: 0, tenant: 'mine', traceparent });
  expect(headers).toMatchObject({ 'origin-queue': NEWSLETTER_QUEUE, 'first-seen': expect.stringMatching(/^\d{4}-/) });
  for (const name of [HEADERS.waits, HEADERS.replays, HEADERS.earlierAttempts, HEADERS.earlierDeaths, HEADERS.delay]) {
    expect(headers).not.toHaveProperty(name);
  }
  expect(problemsOf('dead-letter.headers', headers)).toEqual([]);
});

it.each([
  ['from a producer, whatever the count', NEWSLETTER_EVENTS, 4],
  ['from a producer, out of bounds', NEWSLETTER_EVENTS, 99],
  ['out of bounds in a message that returned', '', 99],
])('attempts %s do not skip the retry delays of a message that fails', async (_what, exchange, attempts) => {
  const body = JSON.stringify(messageOf(signup('poison', ['x'], 1)).body);
  await broker().send(exchange, NEWSLETTER_QUEUE, [body], { headers: { ...FORGED, attempts } });
  const { headers = {} } = (await broker().next(retryQueue(RETRY_DELAYS[0]))).properties;
  expect(headers).toMatchObject({ attempts: 1, delay: '5s', 'first-seen': expect.stringMatching(/^\d{4}-/) });
});
