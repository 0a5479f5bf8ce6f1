import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type Mail, mailsFor } from '../../examples/mailer/mails';
import { type Contact, type LookupKey, OneContactClient } from '../../src/client';
import { SCHEMA_VERSION } from '../../src/messages/outgoing/schemas';
import type { Database } from '../../src/postgres/database';
import { type BrokerConnection, openConnection } from '../../src/rabbitmq/connection';
import { Consumer } from '../../src/rabbitmq/consuming/consumer';
import { ackAll, type Delivery } from '../../src/rabbitmq/consuming/delivery';
import { CONTACT_EVENTS } from '../../src/rabbitmq/names';
import { Publisher } from '../../src/rabbitmq/publishing/publisher';
import type { Sent } from './messages';

/** An expected state was not reached. The message completes the sentence "expected …". */
export class ExpectationFailed extends Error {}

export interface Stage {
  /** Publishes as the producers do; resolves when the broker has it. */
  send(message: Sent): Promise<void>;
  get(path: string): Promise<{ status: number; body: string }>;
  /** Reads a contact over HTTP until it is as expected. Rejects with {@link ExpectationFailed}. */
  contact(key: LookupKey, expected: string, isExpected?: (contact: Contact) => boolean): Promise<Contact>;
  /** All notifications so far, once none is in flight. */
  notifications(): Promise<readonly Delivery[]>;
  /** The mails that the example mailer would send for a notification. */
  mailsFor(message: Delivery): readonly Mail[];
  close(): Promise<void>;
}

export interface StageOptions {
  amqpUrl: string;
  httpUrl: string;
  db: Database;
  log: Logger;
  signal: AbortSignal;
}

const SITE = { preferences: 'https://site.test/preferences/', staff: 'contact-support@site.test' };
const PATIENCE_MS = 20_000;
const POLL_MS = 15;
/** A message of the demo's own: everything before it in the queue has arrived when it does. */
const MARK = 'demo.mark';

/** The parties around the service: producers of events, a reader of contacts, the mailer, and an observer. */
export async function setStage({ amqpUrl, httpUrl, db, log, signal }: StageOptions): Promise<Stage> {
  const publishing = await openConnection({ url: amqpUrl, name: 'onecontact demo producers', log });
  const consuming = await openConnection({ url: amqpUrl, name: 'onecontact demo observer', log });
  const publisher = new Publisher({ connection: publishing, log });
  const received: Delivery[] = [];
  const marks = new Set<string>();
  const copies = await queueOfCopies(consuming);
  const observer = new Consumer({
    connection: consuming,
    queue: copies,
    prefetch: 10,
    log,
    onMessage: (delivery) => {
      if (delivery.routingKey === copies) marks.add(delivery.content.toString());
      else received.push(delivery);
      ackAll([delivery]);
    },
  });

  const until = async (expected: string, condition: () => boolean | Promise<boolean>): Promise<void> => {
    const end = performance.now() + PATIENCE_MS;
    while (!(await condition())) {
      signal.throwIfAborted();
      if (performance.now() > end) throw new ExpectationFailed(`${expected}, within ${PATIENCE_MS / 1_000} s`);
      await delay(POLL_MS);
    }
  };
  const publish = async (exchange: string, routingKey: string, content: string): Promise<void> => {
    const result = await publisher.publish({ exchange, routingKey, content: Buffer.from(content) });
    if (result.outcome !== 'confirmed')
      throw new ExpectationFailed(`the broker to confirm ${routingKey}, not "${result.outcome}"`);
  };
  const get: Stage['get'] = async (path) => {
    const answer = await fetch(httpUrl + path, { signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]) });
    return { status: answer.status, body: await answer.text() };
  };

  const client = new OneContactClient({ url: httpUrl, timeoutMs: PATIENCE_MS, signal });

  return {
    get,
    send: ({ exchange, routingKey, body }) => publish(exchange, routingKey, JSON.stringify(body)),
    async contact(key, expected, isExpected = () => true) {
      let found = null as Contact | null;
      await until(expected, async () => {
        found = await client.contact(key);
        return found !== null && isExpected(found);
      });
      return found as Contact;
    },
    async notifications() {
      // A row leaves the outbox once the broker has its message, so the mark arrives behind it in the same queue.
      await until('the outbox to be empty', async () => (await db.outbox.count()) === 0);
      const mark = `${MARK} ${marks.size}`;
      await publish('', copies, mark);
      await until('the queue of copies to be read', () => marks.has(mark));
      return received;
    },
    mailsFor: ({ messageId: id = '', routingKey: type, content }) => {
      const message = { id, type, version: SCHEMA_VERSION, body: JSON.parse(content.toString()) };
      return mailsFor(message, SITE, false);
    },
    async close() {
      await observer.stop();
      await publisher.close();
      await Promise.all([publishing.close(), consuming.close()]);
    },
  };
}

/** The demo's own copy of the mailer's queue, deleted with the connection. */
async function queueOfCopies(connection: BrokerConnection): Promise<string> {
  const channel = await connection.createChannel();
  const { queue } = await channel.assertQueue('', { exclusive: true });
  await channel.bindQueue(queue, CONTACT_EVENTS, 'contact.#');
  return queue;
}
