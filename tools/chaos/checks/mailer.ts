import { createHash } from 'node:crypto';
import type { Logger } from 'pino';
import { type BrokerConnection, openConnection } from '../../../src/rabbitmq/connection';
import { Consumer } from '../../../src/rabbitmq/consuming/consumer';
import { ackAll, type Delivery } from '../../../src/rabbitmq/consuming/delivery';
import { MAILER_QUEUE } from '../../../src/rabbitmq/names';

/** A notification, under its message id. */
export interface Received {
  id: string;
  type: string;
  times: number;
  /** Of the first body. */
  hash: string;
  /** Deliveries under this id with another body. */
  others: number;
  mergeId: string | undefined;
  /** The contact that it describes. */
  contact: Contact | undefined;
}

export interface Contact {
  contact_id: string;
  primary_email: string | null;
  version: number;
}

interface Body {
  merge_id?: string;
  survivor?: Contact;
  contact?: Contact;
}

/** Consumes every notification. */
export class Mailer {
  /** By message id, in the order of arrival. */
  readonly received = new Map<string, Received>();
  /** Messages without an id or JSON. */
  unreadable = 0;
  #consumer!: Consumer;

  private constructor(private readonly connection: BrokerConnection) {}

  static async connect(amqpUrl: string, log: Logger): Promise<Mailer> {
    const connection = await openConnection({ url: amqpUrl, name: 'chaos mailer', log, maxDelayMs: 2_000 });
    const mailer = new Mailer(connection);
    const onMessage = (delivery: Delivery): void => {
      mailer.#receive(delivery);
      ackAll([delivery]);
    };
    mailer.#consumer = new Consumer({ connection, queue: MAILER_QUEUE, prefetch: 50, log, onMessage });
    return mailer;
  }

  pause(): void {
    this.#consumer.pause();
  }

  resume(): void {
    this.#consumer.resume();
  }

  async close(): Promise<void> {
    await this.#consumer.stop();
    await this.connection.close();
  }

  #receive({ messageId: id, content, properties }: Delivery): void {
    const body = parse(content);
    if (id === undefined || body === undefined) {
      this.unreadable += 1;
      return;
    }
    const hash = createHash('sha256').update(content).digest('base64');
    const known = this.received.get(id);
    if (known) {
      known.times += 1;
      if (known.hash !== hash) known.others += 1;
      return;
    }
    const type = typeof properties.type === 'string' ? properties.type : '';
    const contact = contactOf(body.survivor ?? body.contact);
    this.received.set(id, { id, type, times: 1, hash, others: 0, mergeId: body.merge_id, contact });
  }
}

function parse(content: Buffer): Body | undefined {
  try {
    return JSON.parse(content.toString()) as Body;
  } catch {
    return undefined;
  }
}

/** Long runs have hundreds of thousands of notifications: only the fields that the checks need are kept. */
const contactOf = (contact: Contact | undefined): Contact | undefined =>
  contact && { contact_id: contact.contact_id, primary_email: contact.primary_email, version: contact.version };
