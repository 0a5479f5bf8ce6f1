import { afterEach, describe, expect, it } from '@jest/globals';
import { type BrokerConnection, openConnection } from '../../../src/rabbitmq/connection';
import { Consumer } from '../../../src/rabbitmq/consuming/consumer';
import { ackAll, type Delivery } from '../../../src/rabbitmq/consuming/delivery';
import { amqpFrames } from '../../../tools/proxy/amqp-frames';
import { type Link, type Reader, TcpProxy } from '../../../tools/proxy/tcp-proxy';
import { silent, until, withBroker } from '../../support/broker';

const broker = withBroker();
const QUEUE = 'test.consumer';
/** In a header of messages whose frames {@link garbled} damages, so that amqplib ends the connection. */
const UNREADABLE = 'unreadable';

function garbled({ toTarget, toClient }: Link): Reader {
  const frames = amqpFrames('server');
  return {
    asked: toTarget,
    answered: (received) => {
      for (const { bytes } of frames(received)) {
        const frame = Buffer.from(bytes);
        if (frame.includes(UNREADABLE)) frame[frame.length - 1] = 0;
        toClient(frame);
      }
    },
  };
}

const text = (delivery: Delivery): string => delivery.content.toString();
const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i + 1));

describe('the consumer', () => {
  const open: { connections: BrokerConnection[]; proxy?: TcpProxy } = { connections: [] };

  /** Consumes QUEUE, a fresh one unless it is given, through a proxy into an array. */
  async function start(
    options: {
      prefetch?: number;
      firstWindow?: number;
      onMessage?: (delivery: Delivery) => void;
      reader?: (link: Link) => Reader;
      given?: true;
    } = {},
  ) {
    if (!options.given) await broker().queue(QUEUE);
    const proxy = await TcpProxy.to(broker().url, options.reader && { reader: options.reader });
    open.proxy = proxy;
    const connection = await openConnection({ url: proxy.through(broker().url), name: 'test', log: silent });
    open.connections.push(connection);
    const got: Delivery[] = [];
    const onMessage = (delivery: Delivery): void => {
      got.push(delivery);
      options.onMessage?.(delivery);
    };
    const prefetch = options.prefetch ?? 100;
    const firstWindow = options.firstWindow ?? prefetch; // all at once, except in tests of the window
    const consumer = new Consumer({ connection, queue: QUEUE, prefetch, firstWindow, onMessage, log: silent });
    return { proxy, connection, consumer, got };
  }

  /** Stops the consumer, and expects exactly its unacknowledged messages in the queue. */
  async function expectLeft(consumer: Consumer, expected: readonly string[]): Promise<void> {
    await consumer.stop();
    const bodies: string[] = [];
    await until(async () => {
      while ((await broker().ready(QUEUE)) > 0) bodies.push((await broker().next(QUEUE)).content.toString());
      return bodies.length >= expected.length;
    });
    expect(bodies.sort((a, b) => Number(a) - Number(b))).toEqual(expected);
    // The consumer's own cancel has flushed all acks, so nothing more can arrive.
    expect(await broker().ready(QUEUE)).toBe(0);
  }

  afterEach(async () => {
    for (const connection of open.connections.splice(0)) await connection.close();
    await open.proxy?.close();
  });

  it('delivers a message with everything that a worker needs', async () => {
    const { consumer, got } = await start();
    const headers = { attempts: 2, 'x-delivery-count': 7, other: 'kept' };
    await broker().send('', QUEUE, ['one'], { messageId: 'id-1', headers });
    await until(() => got.length === 1);
    expect(got[0]).toMatchObject({
      queue: QUEUE,
      routingKey: QUEUE,
      messageId: 'id-1',
      attempts: 2,
      redelivered: false,
    });
    expect(got[0]!.deliveryCount).toBe(0); // this is its first delivery; a producer's header does not count
    expect(got[0]!.headers).toMatchObject({ other: 'kept' });
    got[0]!.ack();
    await expectLeft(consumer, []);
  });

  it('goes on after a lost connection, and gets unacknowledged messages again, with their delivery count', async () => {
    const { proxy, consumer, got } = await start();
    await broker().send('', QUEUE, ['1', '2']);
    await until(() => got.length === 2);
    got[0]!.ack();
    await until(() => consumer.counts.acked === 1 && consumer.outstanding === 1);
    await until(async () => (await broker().ready(QUEUE)) === 0);
    proxy.cut();
    await until(() => got.some((delivery) => text(delivery) === '2' && delivery.deliveryCount === 1));
    await broker().send('', QUEUE, ['3']);
    await until(() => got.some((delivery) => text(delivery) === '3'));
    ackAll(got.filter((delivery) => delivery.alive));
    await expectLeft(consumer, []);
  });

  it('ignores acks of a lost channel: they do not fail, and acknowledge no delivery with the same tag on the new one', async () => {
    const { proxy, consumer, got } = await start();
    await broker().send('', QUEUE, ['1', '2', '3']);
    await until(() => got.length === 3);
    const old = [...got];
    proxy.cut();
    await until(() => got.length === 6);
    expect(old.every((delivery) => !delivery.alive)).toBe(true);
    old[0]!.ack();
    ackAll(old);
    got[4]!.ack();
    expect(consumer.counts).toEqual({ acked: 1, late: 4, repeated: 0 });
    await expectLeft(
      consumer,
      ['1', '2', '3'].filter((body) => body !== text(got[4]!)),
    );
  });

  it('goes on when its queue is deleted and declared again', async () => {
    const { consumer, got } = await start();
    await until(() => consumer.state === 'consuming');
    await broker().deleteQueue(QUEUE);
    await until(() => consumer.state === 'opening');
    await broker().queue(QUEUE);
    await broker().send('', QUEUE, ['after']);
    await until(() => got.length === 1);
    got[0]!.ack();
    await expectLeft(consumer, []);
  });

  it('never acknowledges a delivery twice, because the broker would close the channel', async () => {
    const { connection, consumer, got } = await start();
    await broker().send('', QUEUE, ['1', '2', '3']);
    await until(() => got.length === 3);
    got[1]!.ack();
    got[1]!.ack();
    ackAll([got[0]!, got[1]!, got[0]!]);
    expect(consumer.counts).toEqual({ acked: 2, late: 0, repeated: 3 });
    await (await connection.createChannel()).close(); // a round trip: a broker error would have arrived
    expect(got[2]!.alive).toBe(true);
    await expectLeft(consumer, ['3']);
  });

  it('keeps its channel when the handler throws, and leaves the message unacknowledged', async () => {
    const { consumer, got } = await start({
      onMessage: (delivery) => {
        if (text(delivery) === '1') throw new Error('from the handler');
        delivery.ack();
      },
    });
    await broker().send('', QUEUE, ['1', '2']);
    await until(() => consumer.counts.acked === 1);
    expect(got[0]!.alive).toBe(true);
    await expectLeft(consumer, ['1']);
  });

  it('acknowledges only the finished one of two batches in flight, even if the later one ends first', async () => {
    const { consumer, got } = await start();
    await broker().send('', QUEUE, numbers(6));
    await until(() => got.length === 6);
    ackAll(got.slice(3)); // the later batch ends first
    await expectLeft(consumer, ['1', '2', '3']);
  });

  it('never acknowledges an unfinished delivery, however batches end', async () => {
    let seed = 20_260_101;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    for (let round = 0; round < 12; round += 1) {
      const { consumer, connection, got, proxy } = await start();
      await broker().send('', QUEUE, numbers(60));
      await until(() => got.length === 60);
      const batches: Delivery[][] = Array.from({ length: 1 + random(8) }, () => []);
      for (const delivery of got) batches[random(batches.length)]!.push(delivery);
      const unfinished = new Set(numbers(60));
      for (let finished = random(batches.length + 1); finished > 0; finished -= 1) {
        const [batch] = batches.splice(random(batches.length), 1);
        ackAll(batch!);
        for (const delivery of batch!) unfinished.delete(text(delivery));
      }
      await expectLeft(consumer, [...unfinished]);
      await connection.close();
      await proxy.close();
    }
  });

  it('loses no ack given before the stop, while consuming or paused', async () => {
    for (const paused of [false, true]) {
      for (let round = 0; round < 5; round += 1) {
        const { consumer, connection, got, proxy } = await start({ prefetch: 300 });
        await broker().send('', QUEUE, numbers(300));
        await until(() => got.length === 300);
        if (paused) {
          consumer.pause();
          await until(() => consumer.state === 'paused');
        }
        for (const delivery of got.slice(1)) delivery.ack(); // one by one: the first stays open
        await expectLeft(consumer, ['1']);
        await connection.close();
        await proxy.close();
      }
    }
  });

  it('never has more than its prefetch outstanding', async () => {
    const { consumer, got } = await start({ prefetch: 5 });
    await broker().send('', QUEUE, numbers(20));
    await until(() => got.length === 5);
    expect(await broker().ready(QUEUE)).toBe(15);
    ackAll(got.slice(0, 3));
    await until(() => got.length === 8);
    await expectLeft(consumer, numbers(20).slice(3));
  });

  it('begins a channel with a small prefetch that grows with the acks, so that a lost channel raises few counts', async () => {
    const { consumer, got, proxy } = await start({ prefetch: 60, firstWindow: 4 });
    await broker().send('', QUEUE, numbers(100));
    for (const [window, all] of [
      [4, 4],
      [16, 20],
      [60, 80],
    ] as const) {
      await until(() => got.length === all);
      await until(async () => (await broker().ready(QUEUE)) === 100 - all);
      expect(consumer.outstanding).toBe(window);
      ackAll(got.slice(-window));
    }
    await until(() => got.length === 100);
    expect(got.filter(({ redelivered }) => redelivered)).toEqual([]); // growing returns nothing to the queue
    proxy.cut();
    await until(() => got.length === 104);
    expect(got.slice(-4).map(({ deliveryCount }) => deliveryCount)).toEqual([1, 1, 1, 1]);
    await expectLeft(consumer, numbers(100).slice(80));
  });

  it('takes fewer and fewer messages at once until one that ends the connection is alone, and handles all others', async () => {
    const dead = await broker().queue('test.consumer.dead');
    const limited = { 'x-queue-type': 'quorum', 'x-delivery-limit': 15, 'x-dead-letter-exchange': '' };
    await broker().queue(QUEUE, { arguments: { ...limited, 'x-dead-letter-routing-key': dead } });
    await broker().send('', QUEUE, numbers(60));
    await broker().send('', QUEUE, ['0'], { headers: { [UNREADABLE]: true } });
    await broker().send('', QUEUE, numbers(120).slice(60));
    const handled = new Set<string>();
    const onMessage = (delivery: Delivery): void => {
      setImmediate(() => {
        if (delivery.alive) handled.add(text(delivery));
        delivery.ack();
      });
    };
    const { consumer } = await start({ given: true, prefetch: 1_000, firstWindow: 50, onMessage, reader: garbled });
    await until(async () => (await broker().ready(dead)) > 0, 100_000);
    await until(() => handled.size === 120);
    await expectLeft(consumer, []);
    expect((await broker().next(dead)).content.toString()).toBe('0');
    expect(await broker().ready(dead)).toBe(0);
  }, 150_000);

  it('receives nothing while paused, still acknowledges, and goes on when resumed', async () => {
    const { consumer, got } = await start();
    await broker().send('', QUEUE, ['1', '2']);
    await until(() => got.length === 2);
    consumer.pause();
    await until(() => consumer.state === 'paused');
    await broker().send('', QUEUE, ['3']);
    expect(await broker().ready(QUEUE)).toBe(1);
    expect(got.length).toBe(2);
    ackAll(got);
    consumer.resume();
    await until(() => got.length === 3);
    expect(consumer.counts).toEqual({ acked: 2, late: 0, repeated: 0 });
    await expectLeft(consumer, ['3']);
  });

  it('does not exceed its limit when paused and resumed without acks', async () => {
    const { consumer, connection, got } = await start({ prefetch: 4 });
    await broker().send('', QUEUE, numbers(50));
    await until(() => got.length === 4);
    consumer.pause();
    await until(() => consumer.state === 'paused');
    consumer.resume();
    ackAll(got.slice(0, 1)); // three are still open: more than half
    for (let trip = 0; trip < 3; trip += 1) await (await connection.createChannel()).close();
    expect(consumer.outstanding).toBe(3);
    ackAll(got.slice(1, 2)); // two: it consumes again
    await until(() => got.length === 8);
    expect(consumer.outstanding).toBe(6);
    await consumer.stop();
  });

  it('can be paused before it has begun, and during an outage', async () => {
    const { proxy, consumer, got } = await start();
    consumer.pause();
    await broker().send('', QUEUE, ['1']);
    await until(() => consumer.state === 'paused');
    proxy.cut();
    consumer.resume();
    await until(() => got.length === 1);
    consumer.pause();
    await until(() => consumer.state === 'paused');
    proxy.cut();
    await until(() => !got[0]!.alive);
    await until(async () => (await broker().ready(QUEUE)) === 1);
    expect(got.length).toBe(1);
    await expectLeft(consumer, ['1']);
  });

  it('stops for good while the broker is down, and returns everything', async () => {
    const { proxy, consumer, got } = await start();
    await broker().send('', QUEUE, ['1']);
    await until(() => got.length === 1);
    proxy.down();
    await until(() => consumer.state === 'opening');
    await consumer.stop();
    expect(consumer.state).toBe('stopped');
    proxy.restore();
    await until(async () => (await broker().ready(QUEUE)) === 1);
    got[0]!.ack();
    expect(consumer.counts.late).toBe(1);
  });
});
