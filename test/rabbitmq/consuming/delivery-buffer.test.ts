import { afterEach, describe, expect, it } from '@jest/globals';
import { type BrokerConnection, openConnection } from '../../../src/rabbitmq/connection';
import { Consumer } from '../../../src/rabbitmq/consuming/consumer';
import { ackAll, type Delivery } from '../../../src/rabbitmq/consuming/delivery';
import { DeliveryBuffer } from '../../../src/rabbitmq/consuming/delivery-buffer';
import { TcpProxy } from '../../../tools/proxy/tcp-proxy';
import { silent, until, withBroker } from '../../support/broker';

const broker = withBroker();
const QUEUE = 'test.delivery-buffer';
const texts = (batch: readonly Delivery[]): string[] => batch.map((delivery) => delivery.content.toString());

describe('the delivery buffer', () => {
  let connection: BrokerConnection | undefined;
  let proxy: TcpProxy | undefined;

  /** @param hold keeps the deliveries from the buffer, so that the test pushes them together */
  async function start(hold?: (delivery: Delivery) => void) {
    await broker().queue(QUEUE);
    proxy = await TcpProxy.to(broker().url);
    connection = await openConnection({ url: proxy.through(broker().url), name: 'test', log: silent });
    const deliveryBuffer = new DeliveryBuffer();
    const consumer = new Consumer({
      connection,
      queue: QUEUE,
      prefetch: 1_000,
      firstWindow: 1_000, // each lost channel makes it smaller
      onMessage: hold ?? deliveryBuffer.push,
      log: silent,
    });
    return { deliveryBuffer, consumer, proxy };
  }

  afterEach(async () => {
    await connection?.close();
    await proxy?.close();
  });

  it('gives the deliveries pushed so far, at least one and at most the maximum, in order', async () => {
    const { deliveryBuffer } = await start();
    const first = deliveryBuffer.take(10);
    await broker().send('', QUEUE, ['1']);
    expect(texts(await first)).toEqual(['1']); // without waiting for nine more
    await broker().send('', QUEUE, ['2', '3', '4', '5', '6']);
    await until(() => deliveryBuffer.size === 5);
    expect(texts(await deliveryBuffer.take(3))).toEqual(['2', '3', '4']);
    expect(texts(await deliveryBuffer.take(3))).toEqual(['5', '6']);
  });

  it('gives each delivery to one of several takers', async () => {
    const { deliveryBuffer, consumer } = await start();
    const takers = Promise.all([deliveryBuffer.take(2), deliveryBuffer.take(2), deliveryBuffer.take(2)]);
    const feeding = (async () => {
      for (const body of ['1', '2', '3', '4', '5', '6']) await broker().send('', QUEUE, [body]);
    })();
    const batches = await takers;
    await feeding;
    const seen = texts(batches.flat());
    expect(new Set(seen).size).toBe(seen.length);
    expect(batches.every((batch) => batch.length > 0)).toBe(true);
    ackAll(batches.flat());
    expect(consumer.counts.acked).toBe(seen.length);
  });

  it('leaves a few deliveries to another taker, but only for a short time', async () => {
    const held: Delivery[] = [];
    const { deliveryBuffer } = await start((delivery) => held.push(delivery));
    await broker().send('', QUEUE, ['1', '2', '3', '4', '5', '6']);
    await until(() => held.length === 6);
    const push = (count: number): void => held.splice(0, count).forEach(deliveryBuffer.push);
    const patient = deliveryBuffer.take(10, () => 3);
    push(2);
    expect(texts(await deliveryBuffer.take(10))).toEqual(['1', '2']);
    push(3);
    expect(texts(await patient)).toEqual(['3', '4', '5']);
    const alone = deliveryBuffer.take(10, () => 3);
    push(1);
    expect(texts(await alone)).toEqual(['6']);
  });

  it('drops deliveries of a lost channel, and gives them once they are delivered again', async () => {
    const { deliveryBuffer, consumer, proxy } = await start();
    await broker().send('', QUEUE, ['1', '2', '3']);
    await until(() => deliveryBuffer.size === 3);
    for (let loss = 1; loss <= 3; loss += 1) {
      proxy.cut();
      await until(() => deliveryBuffer.size === 0);
      await until(() => deliveryBuffer.size === 3);
    }
    proxy.down();
    await until(() => consumer.state === 'opening');
    const taking = deliveryBuffer.take(100); // three are in it, all dead
    proxy.restore();
    const batch = await taking;
    expect(batch.every((delivery) => delivery.alive && delivery.deliveryCount === 4)).toBe(true);
    while (batch.length < 3) batch.push(...(await deliveryBuffer.take(100)));
    expect(texts(batch).sort()).toEqual(['1', '2', '3']);
    ackAll(batch);
    expect(consumer.counts).toEqual({ acked: 3, late: 0, repeated: 0 });
  });

  it('ends every take when it is closed, and its deliveries return to the queue', async () => {
    const { deliveryBuffer, consumer } = await start();
    const taking = [deliveryBuffer.take(5), deliveryBuffer.take(5)];
    deliveryBuffer.close();
    expect(await Promise.all(taking)).toEqual([[], []]);
    await broker().send('', QUEUE, ['1']);
    await until(() => consumer.outstanding === 1);
    expect(await deliveryBuffer.take(5)).toEqual([]);
    await consumer.stop();
    expect((await broker().next(QUEUE)).content.toString()).toBe('1');
  });
});
