import { afterEach, describe, expect, it } from '@jest/globals';
import { browseQueue } from '../../src/rabbitmq/browse-queue';
import { type BrokerConnection, openConnection } from '../../src/rabbitmq/connection';
import { Consumer } from '../../src/rabbitmq/consuming/consumer';
import type { Delivery } from '../../src/rabbitmq/consuming/delivery';
import { DEAD_LETTERS } from '../../src/rabbitmq/names';
import { toTail } from '../../src/rabbitmq/publishing/dead-letter';
import { Publisher } from '../../src/rabbitmq/publishing/publisher';
import { MAX_UNACKED_BYTES } from '../../src/rabbitmq/read-limit';
import { silent, until, withBroker } from '../support/broker';

const broker = withBroker();
const QUEUE = 'test.read-limit';
const MESSAGE_BYTES = 4 * 1_024 * 1_024;
/** As many as may be unacknowledged, and the one that goes over the limit. */
const MOST = MAX_UNACKED_BYTES / MESSAGE_BYTES + 1;
const COUNT = 20;

describe('the read limit of a connection', () => {
  const connections: BrokerConnection[] = [];

  const connect = async (): Promise<BrokerConnection> => {
    const connection = await openConnection({ url: broker().url, name: 'test', log: silent });
    connections.push(connection);
    return connection;
  };
  const sendLarge = (queue: string): Promise<void> =>
    broker().send('', queue, Array<string>(COUNT).fill('x'.repeat(MESSAGE_BYTES)), { persistent: true });

  afterEach(async () => {
    for (const connection of connections.splice(0)) await connection.close();
  });

  it('bounds the bytes of unacknowledged messages, and all of them arrive as others are acknowledged', async () => {
    await broker().queue(QUEUE);
    await sendLarge(QUEUE);
    const open: Delivery[] = [];
    let handled = 0;
    const connection = await connect();
    const onMessage = (delivery: Delivery): void => void open.push(delivery);
    const consumer = new Consumer({ connection, queue: QUEUE, prefetch: 100, onMessage, log: silent });
    while (handled < COUNT) {
      await until(() => open.length === Math.min(MOST, COUNT - handled));
      expect(consumer.outstanding).toBeLessThanOrEqual(MOST);
      open.shift()?.ack();
      handled += 1;
    }
    await consumer.stop();
    expect(await broker().ready(QUEUE)).toBe(0);
  });

  it('does not keep a consumer from stopping; everything unacknowledged is in the queue again', async () => {
    await broker().queue(QUEUE);
    await sendLarge(QUEUE);
    const connection = await connect();
    const consumer = new Consumer({ connection, queue: QUEUE, prefetch: 100, onMessage: () => undefined, log: silent });
    await until(() => connection.readLimit.isOver);
    await consumer.stop();
    await until(async () => (await broker().ready(QUEUE)) === COUNT);
  });

  it('does not keep a queue of large dead letters from being browsed, in part and to the end', async () => {
    await broker().freshTopology();
    await sendLarge(DEAD_LETTERS);
    const connection = await connect();
    const publisher = new Publisher({ connection: await connect(), log: silent });
    for (const most of [1, 10, COUNT]) {
      let seen = 0;
      await browseQueue({
        ...{ connection, publisher, queue: DEAD_LETTERS, copy: toTail, signal: new AbortController().signal },
        visit: () => {
          seen += 1;
          return { do: 'keep' };
        },
        enough: () => seen >= most,
      });
      expect(seen).toBe(most);
      await until(async () => (await broker().ready(DEAD_LETTERS)) === COUNT);
    }
    await publisher.close();
  });
});
