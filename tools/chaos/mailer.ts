import { createHash } from 'node:crypto';
import type { Logger } from 'pino';
import { type BrokerConnection, openConnection } from '../../src/rabbitmq/connection';
import { Consumer } from '../../src/rabbitmq/consumer';
import { ackAll, type Delivery } from '../../src/rabbitmq/delivery';
import { MAILER_QUEUE } from '../../src/rabbitmq/names';

/** A notification as the mailer got it, under one message id. */
export interface Received {
  id: string;
  type: string;
  times: number;
  /** What the body says, byte by byte: the same under one id, always. */
  hash: string;
  /** Bodies under this id that said something else. */
  others: number;
  /** In the order in which each was first seen. */
  order: number;
  body: Body;
}

interface Body {
  merge_id?: string;
  survivor?: Contact;
  contact?: Contact;
}

export interface Contact {
  contact_id: string;
  primary_email: string | null;
  version: number;
}

/** The mailer: takes every notification, and remembers it by its message id. */
export class Mailer {
  readonly received = new Map<string, Received>();
  /** Messages that had no id, or no JSON. */
  unreadable = 0;

  private constructor(
    private readonly connection: BrokerConnection,
    private readonly consumer: Consumer,
  ) {}

  static async connect(amqpUrl: string, log: Logger): Promise<Mailer> {
    const connection = await openConnection({ url: amqpUrl, name: 'chaos mailer', log, maxDelayMs: 2_000 });
    let mailer: Mailer | undefined;
    const onMessage = (delivery: Delivery): void => {
      mailer?.take(delivery);
      ackAll([delivery]);
    };
    const consumer = new Consumer({ connection, queue: MAILER_QUEUE, prefetch: 50, log, onMessage });
    mailer = new Mailer(connection, consumer);
    return mailer;
  }

  take({ messageId, content, properties }: Delivery): void {
    const body = parse(content);
    if (messageId === undefined || body === undefined) {
      this.unreadable += 1;
      return;
    }
    const hash = createHash('sha256').update(content).digest('base64');
    const known = this.received.get(messageId);
    if (known) {
      known.times += 1;
      if (known.hash !== hash) known.others += 1;
      return;
    }
    const type = typeof properties.type === 'string' ? properties.type : '';
    this.received.set(messageId, { id: messageId, type, times: 1, hash, others: 0, order: this.received.size, body });
  }

  /** Reads nothing, as a mailer that is down. */
  pause(): void {
    this.consumer.pause();
  }

  resume(): void {
    this.consumer.resume();
  }

  async close(): Promise<void> {
    await this.consumer.stop();
    await this.connection.close();
  }
}

function parse(content: Buffer): Body | undefined {
  try {
    const { merge_id, survivor, contact } = JSON.parse(content.toString()) as Body;
    return { ...(merge_id && { merge_id }), ...part('survivor', survivor), ...part('contact', contact) };
  } catch {
    return undefined;
  }
}

/** Of hundreds of thousands, only what the checks need. */
const part = (name: 'survivor' | 'contact', contact: Contact | undefined) =>
  contact && {
    [name]: { contact_id: contact.contact_id, primary_email: contact.primary_email, version: contact.version },
  };
