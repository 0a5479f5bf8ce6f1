import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { ContactBody } from '../../src/messages/outgoing/contact-body';
import type { Database } from '../../src/postgres/database';
import { type BrokerConnection, openConnection } from '../../src/rabbitmq/connection';
import { Consumer } from '../../src/rabbitmq/consumer';
import { ackAll, type Delivery } from '../../src/rabbitmq/delivery';
import { CONTACT_EVENTS } from '../../src/rabbitmq/names';
import { Publisher } from '../../src/rabbitmq/publisher';
import { startMailer } from './mailer';
import type { Sent } from './messages';

/** What was waited for did not come to be. */
export class ExpectationFailed extends Error {}

export interface Stage {
  /** Publishes as the producers do; resolves when the broker has it. */
  send(message: Sent): Promise<void>;
  get(path: string): Promise<{ status: number; body: string }>;
  /** Reads a contact over HTTP until it is as expected. Rejects with {@link ExpectationFailed}. */
  contact(path: string, expected: string, isSo?: (contact: ContactBody) => boolean): Promise<ContactBody>;
  /** Waits until something is so. Rejects with {@link ExpectationFailed}. */
  until(expected: string, isSo: () => boolean | Promise<boolean>): Promise<void>;
  /** What was told to mailers so far, once nothing is on its way any more. */
  told(): Promise<readonly Delivery[]>;
  /** The mails that the example mailer has written because of a message, once it has. */
  mailsFor(message: Delivery): Promise<readonly string[]>;
  close(): Promise<void>;
}

export interface StageOptions {
  amqpUrl: string;
  httpUrl: string;
  db: Database;
  log: Logger;
  signal: AbortSignal;
}

const PATIENCE_MS = 20_000;
const POLL_MS = 15;
/** A message of the demo's own: when it arrives, so has everything before it. */
const MARK = 'demo.mark';

/** Everybody around the service: the producers of events, a reader of contacts, the mailer, and who looks on. */
export async function setStage({ amqpUrl, httpUrl, db, log, signal }: StageOptions): Promise<Stage> {
  const publishing = await openConnection({ url: amqpUrl, name: 'onecontact demo producers', log });
  const consuming = await openConnection({ url: amqpUrl, name: 'onecontact demo looker-on', log });
  const publisher = new Publisher({ connection: publishing, log });
  const received: Delivery[] = [];
  const marks = new Set<string>();
  const copies = await queueOfCopies(consuming);
  const mailer = startMailer(amqpUrl);
  const lookerOn = new Consumer({
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

  const until: Stage['until'] = async (expected, isSo) => {
    const end = performance.now() + PATIENCE_MS;
    while (!(await isSo())) {
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

  return {
    until,
    get,
    send: ({ exchange, routingKey, body }) => publish(exchange, routingKey, JSON.stringify(body)),
    async contact(path, expected, isSo = () => true) {
      let found: ContactBody | undefined;
      await until(expected, async () => {
        const { status, body } = await get(path);
        found = status === 200 ? (JSON.parse(body) as ContactBody) : undefined;
        return found !== undefined && isSo(found);
      });
      return found as ContactBody;
    },
    async told() {
      // A row leaves the outbox when the broker has the message; the mark then comes behind it in the same queue.
      await until('the outbox to be empty', async () => (await db.outbox.count()) === 0);
      const mark = `${MARK} ${marks.size}`;
      await publish('', copies, mark);
      await until('the queue of copies to be read', () => marks.has(mark));
      return received;
    },
    async mailsFor({ messageId }) {
      const mails = () => mailer.mails().filter((mail) => mail.includes(`\nMessage-ID: <${messageId}.`));
      await until('the mailer to write a mail', () => {
        const failure = mailer.failure();
        if (failure !== undefined) throw new ExpectationFailed(`the mailer to work (${failure.trim()})`);
        return mails().length > 0;
      });
      return mails();
    },
    async close() {
      await mailer.stop();
      await lookerOn.stop();
      await publisher.close();
      await Promise.all([publishing.close(), consuming.close()]);
    },
  };
}

/** A queue of the demo's own, beside the mailer's, that goes with the connection. */
async function queueOfCopies(connection: BrokerConnection): Promise<string> {
  const channel = await connection.createChannel();
  const { queue } = await channel.assertQueue('', { exclusive: true });
  await channel.bindQueue(queue, CONTACT_EVENTS, 'contact.#');
  return queue;
}
