import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll } from '@jest/globals';
import type { Channel, ChannelModel, ConfirmChannel, GetMessage } from 'amqplib';
import pino from 'pino';
import { connect } from '../../src/rabbitmq/amqplib';
import { declareAll, declareQueue, deleteAll, type QueueSpec } from '../../src/rabbitmq/topology/topology';

export const silent = pino({ level: 'silent' });

/** The broker that the test run provides. Never `AMQP_URL`, which may be a production broker. */
export function testAmqpUrl(): string {
  const url = process.env.TEST_AMQP_URL;
  if (url === undefined) throw new Error('TEST_AMQP_URL is not set: the global setup of the test run sets it');
  return url;
}

/** All brokers of the test run: one for each file that runs at the same time, as far as there are two. */
const testAmqpUrls = (): string[] =>
  [testAmqpUrl(), process.env.ONECONTACT_SECOND_AMQP_URL].filter((url) => url !== undefined);

const LOCK = 'onecontact.test-lock';

/**
 * Exclusive use of the test broker, because our names are fixed and test files run in parallel. The lock is an exclusive
 * queue on the broker itself, so it works between processes and always ends with the connection.
 */
export class TestBroker {
  readonly #model: ChannelModel;
  readonly #channel: ConfirmChannel;
  readonly #own = new Set<string>();

  private constructor(
    readonly url: string,
    model: ChannelModel,
    channel: ConfirmChannel,
  ) {
    this.#model = model;
    this.#channel = channel;
  }

  /** Waits for a broker that no other file has, then declares a fresh topology. Always `release()` it. */
  static async take(...given: readonly string[]): Promise<TestBroker> {
    const urls = given.length > 0 ? given : testAmqpUrls();
    const models = await Promise.all(urls.map(open));
    const taken = await firstFree(models);
    await Promise.all(models.filter((model) => model !== taken).map((model) => model.close()));
    const url = urls[models.indexOf(taken)] as string;
    const broker = new TestBroker(url, taken, await taken.createConfirmChannel());
    await broker.freshTopology();
    return broker;
  }

  /** Deletes and redeclares everything of ours: empty queues with the right arguments. */
  async freshTopology(): Promise<void> {
    await deleteAll(this.#channel);
    await declareAll(this.#channel);
  }

  /** A queue of the test's own, deleted at release. */
  async queue(name: string, rest: Omit<QueueSpec, 'name' | 'arguments'> & Partial<QueueSpec> = {}): Promise<string> {
    this.#own.add(name);
    await this.#channel.deleteQueue(name);
    await declareQueue(this.#channel, { arguments: { 'x-queue-type': 'quorum' }, ...rest, name });
    return name;
  }

  async deleteQueue(name: string): Promise<void> {
    await this.#channel.deleteQueue(name);
  }

  /** Confirmed by the broker when it resolves. */
  async send(exchange: string, routingKey: string, bodies: readonly string[], options = {}): Promise<void> {
    for (const body of bodies) this.#channel.publish(exchange, routingKey, Buffer.from(body), options);
    await this.#channel.waitForConfirms();
  }

  /** The number of ready messages in a queue, without unacknowledged ones. */
  async ready(queue: string): Promise<number> {
    return (await this.#channel.checkQueue(queue)).messageCount;
  }

  /** Waits for the next message of a queue and removes it. */
  async next(queue: string, limitMs = 20_000): Promise<GetMessage> {
    let message: GetMessage | false = false;
    await until(async () => {
      message = await this.#channel.get(queue, { noAck: true });
      return message !== false;
    }, limitMs);
    if (!message) throw new Error('unreachable');
    return message;
  }

  /** A channel for anything that the helpers do not offer; it has an error listener. */
  async channel(): Promise<Channel> {
    const channel = await this.#model.createChannel();
    channel.on('error', () => undefined);
    return channel;
  }

  async release(): Promise<void> {
    try {
      for (const queue of this.#own) await this.#channel.deleteQueue(queue);
    } finally {
      await this.#model.close();
    }
  }
}

async function open(url: string): Promise<ChannelModel> {
  const model = await connect(url, { clientProperties: { connection_name: 'onecontact test' } });
  model.on('error', () => undefined);
  return model;
}

async function firstFree(models: readonly ChannelModel[]): Promise<ChannelModel> {
  for (;;) {
    for (const model of models) if (await lock(model)) return model;
    await delay(25);
  }
}

/** @returns false if another test file holds the lock */
async function lock(model: ChannelModel): Promise<boolean> {
  const channel = await model.createChannel();
  channel.on('error', () => undefined); // 405 RESOURCE_LOCKED closes the channel
  try {
    await channel.assertQueue(LOCK, { exclusive: true, durable: false, autoDelete: false });
    return true;
  } catch {
    return false;
  }
}

/**
 * Takes the broker before a file's first test, with a fresh topology, and releases it after the last.
 * Call it once at the top of the file; call the returned function inside tests.
 */
export function withBroker(): () => TestBroker {
  let broker: TestBroker | undefined;
  beforeAll(async () => {
    broker = await TestBroker.take();
  }, 600_000); // other files may have it first
  afterAll(async () => {
    await broker?.release();
  });
  return () => {
    if (broker === undefined) throw new Error('the broker is available only inside tests');
    return broker;
  };
}

/** Waits until a condition holds, and fails at the limit. Tests never sleep for a fixed time. */
export async function until(condition: () => boolean | Promise<boolean>, limitMs = 20_000): Promise<void> {
  const end = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not fulfilled within ${limitMs} ms: ${condition}`);
    await delay(10);
  }
}
