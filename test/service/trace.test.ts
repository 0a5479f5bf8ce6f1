/** A message's trace (W3C Trace Context) reaches the mailer, the dead letters and the log. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { GetMessage } from 'amqplib';
import type { Service } from '../../src/main';
import { makeLog } from '../../src/observability/log';
import { DEAD_LETTERS, MAILER_QUEUE, NEWSLETTER_EVENTS, RETRY_DELAYS, retryQueue } from '../../src/rabbitmq/names';
import { until, withBroker } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, addressOf, signup } from '../support/events';
import { eventually, get, messageOf, startOn } from '../support/service';

const broker = withBroker();
const EVENT_ID = '0d3e5b52-6d0e-4f0e-8a55-2a2f5f0c7e11';
const STATE = 'rojo=00f067aa0ba902b7';
const traceId = (n: number): string => String(n).padStart(32, 'a');
const parent = (n: number): string => `00-${traceId(n)}-00f067aa0ba902b7-01`;

describe('the trace of a message', () => {
  let database: TestDatabase;
  let service: Service;
  const lines: Record<string, unknown>[] = [];

  beforeAll(async () => {
    database = await freshDatabase();
    await database.sql(`
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON email_address FOR EACH ROW WHEN (NEW.address LIKE 'poison%') EXECUTE FUNCTION refuse()`);
    const log = makeLog('info', { write: (line) => void lines.push(JSON.parse(line)) });
    service = await startOn(broker(), database, log);
  });
  afterAll(async () => {
    await service?.stop();
    await database?.drop();
  });

  const send = async (event: Parameters<typeof messageOf>[0], headers: object, messageId = EVENT_ID) => {
    const { exchange, key, body } = messageOf(event);
    await broker().send(exchange, key, [JSON.stringify(body)], { headers, messageId });
  };
  const byEmail = (name: string) => get(service, `/contacts/by-email/${addressOf(name).key}`);
  const there = (name: string) =>
    eventually(
      () => byEmail(name),
      ({ status }) => status === 200,
    );
  const published = async (): Promise<GetMessage[]> => [
    await broker().next(MAILER_QUEUE),
    await broker().next(MAILER_QUEUE),
  ];
  const logged = async (msg: string, id: string) => {
    const found = () => lines.find((line) => line.msg === msg && line.traceId === id);
    await until(() => found() !== undefined);
    return found();
  };

  it('is on every notification that the message causes, and on no other', async () => {
    await send(acct('u', 'a', 1), { traceparent: parent(1) });
    await send(signup('b', ['x'], 2), { traceparent: parent(2) });
    await there('a');
    await there('b');
    await send(acct('u', 'b', 3), { traceparent: parent(3), tracestate: STATE });
    const messages = await published();
    expect(messages.map(({ fields }) => fields.routingKey)).toEqual(['contact.merged', 'contact.email_changed']);
    for (const { properties } of messages) {
      expect(properties.headers).toMatchObject({ traceparent: parent(3), tracestate: STATE, 'schema-version': '2' });
    }
  });

  it('is dropped if the header is malformed, and the message is handled all the same', async () => {
    await send(acct('v', 'c', 1), {});
    await there('c');
    await send(acct('v', 'd', 2), { traceparent: `${parent(1)}0`, tracestate: STATE });
    const { fields, properties } = await broker().next(MAILER_QUEUE);
    const ours = Object.keys(properties.headers ?? {}).filter((name) => !name.startsWith('x-')); // the broker adds its own
    expect([fields.routingKey, ours]).toEqual(['contact.email_changed', ['schema-version']]);
  });

  it('stays on a message in a retry queue, and the log names event and trace', async () => {
    await send(signup('poison', ['x'], 1), { traceparent: parent(4), tracestate: STATE });
    const { properties } = await broker().next(retryQueue(RETRY_DELAYS[0]));
    expect(properties.headers).toMatchObject({ traceparent: parent(4), tracestate: STATE, attempts: 1 });
    expect(await logged('messages failed, retrying later', traceId(4))).toMatchObject({
      level: 'warn',
      eventId: EVENT_ID,
      queue: 'contacts.newsletter',
      code: 'P0001',
      attempts: 1,
      delay: '5s',
    });
    expect(await logged('batch failed', traceId(4))).toMatchObject({ eventId: EVENT_ID, events: 1 });
  });

  it.each([
    ['that is not JSON', '{"event":', 'not_json', 5],
    [
      'with an id of its own',
      `{"event":"newsletter.confirm","id":"${EVENT_ID.replace('0', '1')}"}`,
      'invalid_shape',
      6,
    ],
  ])('stays on a dead letter %s, and the log names event and trace', async (_what, body, reason, n) => {
    const options = { headers: { traceparent: parent(n) }, messageId: EVENT_ID };
    await broker().send(NEWSLETTER_EVENTS, 'x', [body], options);
    const { properties } = await broker().next(DEAD_LETTERS);
    expect(properties.headers).toMatchObject({ traceparent: parent(n), reason });
    const eventId = n === 5 ? EVENT_ID : EVENT_ID.replace('0', '1');
    expect(await logged('messages dead-lettered', traceId(n))).toMatchObject({ level: 'warn', eventId, reason });
  });
});
