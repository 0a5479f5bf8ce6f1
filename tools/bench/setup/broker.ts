import { type ChannelModel, type ConfirmChannel, connect } from 'amqplib';
import { FXA_QUEUE, MAILER_QUEUE, NEWSLETTER_QUEUE, QUEUES } from '../../../src/rabbitmq/names';
import { declareAll, deleteAll } from '../../../src/rabbitmq/topology';
import type { Message } from '../load/acts';

/** Header with the moment that a message was due, in milliseconds of the machine's own clock (`hrtime`). */
export const DUE = 'due';
/** Unconfirmed messages at most. */
const WINDOW = 2_000;

/** The producers' side of the broker. */
export class Broker {
  readonly #model: ChannelModel;
  readonly #channel: ConfirmChannel;

  private constructor(model: ChannelModel, channel: ConfirmChannel) {
    this.#model = model;
    this.#channel = channel;
  }

  static async open(url: string): Promise<Broker> {
    const model = await connect(url, { noDelay: true, clientProperties: { connection_name: 'onecontact bench' } });
    const channel = await model.createConfirmChannel();
    await declareAll(channel);
    return new Broker(model, channel);
  }

  get version(): string {
    return String(this.#model.connection.serverProperties.version);
  }

  /** Resolves when the broker has confirmed all of them. */
  async publish(messages: Iterable<Message>, onProgress: (done: number) => void = () => undefined): Promise<void> {
    let sent = 0;
    for (const message of messages) {
      this.send(message);
      if (++sent % WINDOW !== 0) continue;
      await this.#channel.waitForConfirms();
      onProgress(sent);
    }
    await this.#channel.waitForConfirms();
  }

  /** @param due when it should have been sent: what its latency is counted from */
  send({ exchange, routingKey, body }: Message, due?: number): void {
    const headers = due === undefined ? {} : { [DUE]: due };
    this.#channel.publish(exchange, routingKey, Buffer.from(JSON.stringify(body)), { persistent: true, headers });
  }

  confirmed(): Promise<void> {
    return this.#channel.waitForConfirms();
  }

  /** Messages ready in a queue. */
  async ready(queue: string): Promise<number> {
    return (await this.#channel.checkQueue(queue)).messageCount;
  }

  /** Messages that could not be handled, or were set aside: there must be none. */
  async astray(): Promise<string[]> {
    const found: string[] = [];
    for (const queue of QUEUES) {
      if (queue === MAILER_QUEUE) continue;
      const count = await this.ready(queue);
      if (count > 0) found.push(`${count} messages in ${queue}`);
    }
    return found;
  }

  async purge(): Promise<void> {
    for (const queue of QUEUES) await this.#channel.purgeQueue(queue);
  }

  async close(): Promise<void> {
    await deleteAll(this.#channel);
    await this.#model.close();
  }
}

export const WORK_QUEUES = [FXA_QUEUE, NEWSLETTER_QUEUE] as const;
