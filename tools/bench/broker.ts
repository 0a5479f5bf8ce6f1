import type { ChannelModel, ConfirmChannel } from 'amqplib';
import { connect } from '../../src/rabbitmq/amqplib';
import { FXA_QUEUE, MAILER_QUEUE, NEWSLETTER_QUEUE, QUEUES } from '../../src/rabbitmq/names';
import { declareAll, deleteAll } from '../../src/rabbitmq/topology/topology';
import type { Message } from './load/acts';

/** Milliseconds of the machine's monotonic clock, which all processes share. */
export const now = (): number => Number(process.hrtime.bigint()) / 1e6;
/** The header with the moment, by `now`, at which a message was due. */
export const DUE = 'due';
export const WORK_QUEUES = [FXA_QUEUE, NEWSLETTER_QUEUE] as const;
/** The most unconfirmed messages. */
const WINDOW = 2_000;
const WINDOW_BYTES = 64 * 1_024 * 1_024;

/** The producers' connection to the broker, and its queues. */
export class Broker {
  private constructor(
    private readonly model: ChannelModel,
    private readonly channel: ConfirmChannel,
  ) {}

  static async open(url: string): Promise<Broker> {
    const model = await connect(url, { noDelay: true, clientProperties: { connection_name: 'onecontact bench' } });
    const channel = await model.createConfirmChannel();
    await declareAll(channel);
    return new Broker(model, channel);
  }

  get version(): string {
    return String(this.model.connection.serverProperties.version);
  }

  /** Resolves when the broker has confirmed all messages. */
  async publish(messages: Iterable<Message>, onProgress: (done: number) => void = () => undefined): Promise<void> {
    let sent = 0;
    let bytes = 0;
    for (const message of messages) {
      bytes += this.send(message);
      if (++sent % WINDOW !== 0 && bytes < WINDOW_BYTES) continue;
      bytes = 0;
      await this.channel.waitForConfirms();
      onProgress(sent);
    }
    await this.channel.waitForConfirms();
  }

  /**
   * @param due when the message should have been sent: its latency counts from then
   * @returns the bytes of its body
   */
  send({ exchange, routingKey, headers = {}, body }: Message, due?: number): number {
    const content = Buffer.from(JSON.stringify(body));
    this.channel.publish(exchange, routingKey, content, {
      persistent: true,
      headers: due === undefined ? headers : { ...headers, [DUE]: due },
    });
    return content.length;
  }

  confirmed(): Promise<void> {
    return this.channel.waitForConfirms();
  }

  /** Messages ready in a queue. */
  async ready(queue: string): Promise<number> {
    return (await this.channel.checkQueue(queue)).messageCount;
  }

  /** The number of messages in each queue that must be empty after a run: all but the mailer's. */
  async leftovers(): Promise<string[]> {
    const found: string[] = [];
    for (const queue of QUEUES.filter((name) => name !== MAILER_QUEUE)) {
      const count = await this.ready(queue);
      if (count > 0) found.push(`${count} messages in ${queue}`);
    }
    return found;
  }

  async purge(): Promise<void> {
    for (const queue of QUEUES) await this.channel.purgeQueue(queue);
  }

  async close(): Promise<void> {
    await deleteAll(this.channel);
    await this.model.close();
  }
}
