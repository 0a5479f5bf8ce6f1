import { afterEach, describe, expect, it } from '@jest/globals';
import { type BrokerConnection, openConnection } from '../../../src/rabbitmq/connection';
import { Consumer } from '../../../src/rabbitmq/consuming/consumer';
import { DeliveryBuffer } from '../../../src/rabbitmq/consuming/delivery-buffer';
import { cutText, fitHeaders } from '../../../src/rabbitmq/headers';
import { DEAD_LETTERS, FXA_QUEUE, QUEUES } from '../../../src/rabbitmq/names';
import { toDeadLetters, toRetry } from '../../../src/rabbitmq/publishing/forward';
import { Publisher } from '../../../src/rabbitmq/publishing/publisher';
import { delayQueue } from '../../../src/rabbitmq/topology/topology';
import { silent, until, withBroker } from '../../support/broker';

const broker = withBroker();

describe('a forwarded message', () => {
  const connections: BrokerConnection[] = [];

  async function start() {
    await broker().freshTopology();
    await broker().queue('test.delay', delayQueue('test.delay', 'test', 20));
    const [consuming, publishing] = await Promise.all(
      ['consumer', 'publisher'].map((name) => openConnection({ url: broker().url, name, log: silent })),
    );
    connections.push(consuming!, publishing!);
    const deliveryBuffer = new DeliveryBuffer();
    const consumer = new Consumer({
      connection: consuming!,
      queue: FXA_QUEUE,
      prefetch: 10,
      onMessage: deliveryBuffer.push,
      log: silent,
    });
    const publisher = new Publisher({ connection: publishing!, log: silent });
    return { deliveryBuffer, consumer, publisher };
  }

  afterEach(async () => {
    for (const connection of connections.splice(0)) await connection.close();
  });

  it('returns from the retry queues again and again, unchanged except for its count, and reaches no other queue', async () => {
    const { deliveryBuffer, publisher, consumer } = await start();
    const headers = { CC: [DEAD_LETTERS], tenant: 'x', nested: { list: [1, 2.5, true, null] } };
    const properties = { messageId: 'id-1', type: 't', contentType: 'application/json', timestamp: 1_769_000_100 };
    await broker().send('fxa.events', 'login', ['{"a":1}'], { ...properties, headers, expiration: '86400000' });
    for (let attempts = 0; attempts < 4; attempts += 1) {
      const [delivery] = await deliveryBuffer.take(1);
      expect(delivery).toMatchObject({ attempts, messageId: 'id-1', queue: FXA_QUEUE });
      expect(delivery!.content.toString()).toBe('{"a":1}');
      expect(delivery!.properties).toMatchObject(properties);
      expect(delivery!.headers).toMatchObject({ tenant: 'x', nested: headers.nested });
      const result = await publisher.publish(toRetry(delivery!, { name: 'test' }, { attempts: attempts + 1 }));
      expect(result.outcome).toBe('confirmed');
      delivery!.ack();
    }
    const [last] = await deliveryBuffer.take(1);
    expect(last!.properties.expiration).toBeUndefined();
    last!.ack();
    await consumer.stop();
    for (const queue of QUEUES) expect(await broker().ready(queue)).toBe(0);
  });

  it('is returned if no retry queue has its delay', async () => {
    const { deliveryBuffer, publisher } = await start();
    await broker().send('fxa.events', 'login', ['x']);
    const [delivery] = await deliveryBuffer.take(1);
    const result = await publisher.publish(toRetry(delivery!, { name: 'no such' }, {}));
    expect(result.outcome).toBe('returned');
  });

  it('reaches the dead letters whatever headers it came with, and however long the error is', async () => {
    const { deliveryBuffer, publisher } = await start();
    const foreign = {
      'x-death': [{ queue: 'elsewhere', count: 3 }],
      ratio: 0.1,
      huge: { '!': 'double', value: 1e300 },
      whole: { '!': 'long', value: 4_611_686_018_427_387_905n },
      when: { '!': 'timestamp', value: 1_769_000_100 },
      blob: Buffer.alloc(1_000),
      odd: { '!': 'short', value: 3 },
      big: 'b'.repeat(50_000),
    };
    await broker().send('fxa.events', 'login', ['x'], { headers: foreign });
    const [delivery] = await deliveryBuffer.take(1);
    const own = { reason: 'invalid', error: 'é'.repeat(100_000), attempts: 5 };
    expect(await publisher.publish(toDeadLetters(delivery!, own))).toEqual({ outcome: 'confirmed' });
    const { headers } = (await broker().next(DEAD_LETTERS)).properties;
    expect(headers).toMatchObject({ reason: 'invalid', attempts: 5, 'origin-queue': FXA_QUEUE, odd: 3, huge: 1e300 });
    expect(headers).toMatchObject({ ratio: 0.1, when: foreign.when });
    expect(headers).not.toHaveProperty('x-death');
    expect(String(headers?.error)).toMatch(/^é+…$/);
    expect(Buffer.byteLength(String(headers?.error))).toBeLessThanOrEqual(4_096);
  });

  it('is dead-lettered by the broker itself when it was delivered too often', async () => {
    const { consumer } = await start();
    await consumer.stop();
    await broker().queue('test.poison', {
      arguments: {
        'x-queue-type': 'quorum',
        'x-delivery-limit': 2,
        'x-dead-letter-exchange': '',
        'x-dead-letter-routing-key': DEAD_LETTERS,
        'x-dead-letter-strategy': 'at-least-once',
        'x-overflow': 'reject-publish',
      },
    });
    await broker().send('', 'test.poison', ['poison']);
    const counts: number[] = [];
    // Each round closes the channel with the message unacknowledged, as the death of a process does.
    await until(async () => {
      if ((await broker().ready(DEAD_LETTERS)) > 0) return true;
      const deliveryBuffer = new DeliveryBuffer();
      const again = new Consumer({
        connection: connections[0]!,
        queue: 'test.poison',
        prefetch: 1,
        onMessage: deliveryBuffer.push,
        log: silent,
      });
      const taken = await Promise.race([
        deliveryBuffer.take(1),
        until(async () => (await broker().ready(DEAD_LETTERS)) > 0),
      ]);
      if (taken !== undefined) counts.push(taken[0]!.deliveryCount);
      await again.stop();
      return false;
    });
    expect(counts).toEqual([0, 1, 2]);
    expect((await broker().next(DEAD_LETTERS)).content.toString()).toBe('poison');
  });
});

describe('headers', () => {
  it('are reduced to what can be published: texts are cut, and the largest headers left out', () => {
    const many = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`foreign-${i}`, 'x'.repeat(10_000)]));
    const fitted = fitHeaders({ ...many, reason: 'kept', attempts: 3, skipped: undefined, odd: Number.NaN });
    expect(fitted).toMatchObject({ reason: 'kept', attempts: 3 });
    expect(fitted).not.toHaveProperty('skipped');
    expect(fitted).not.toHaveProperty('odd');
    expect(JSON.stringify(fitted).length).toBeLessThan(64 * 1_024);
  });

  it('are written down to a fixed depth', () => {
    const deep = (levels: number): unknown => {
      let value: unknown = 'end';
      for (let level = 0; level < levels; level++) value = level % 2 === 0 ? { value } : [value];
      return value;
    };
    expect(fitHeaders({ deep: deep(31) })).toEqual({ deep: deep(31) });
    const written = JSON.stringify(fitHeaders({ deep: deep(100_000), other: 'kept' }));
    expect(written).toMatch(/^\{"deep":\[(\{"value":\[){15}null(\]\}){15}\],"other":"kept"\}$/);
  });

  it('lose a typed value that cannot be written', () => {
    const odd = [
      { '!': 'decimal', value: { places: { a: 1 }, digits: 'x' } },
      { '!': 'timestamp', value: -1 },
    ];
    expect(fitHeaders({ ...odd, kept: { '!': 'decimal', value: { places: 2, digits: 5 } } })).toEqual({
      kept: { '!': 'decimal', value: { places: 2, digits: 5 } },
    });
  });

  it('are cut at a character boundary', () => {
    expect(cutText('short')).toBe('short');
    for (const text of ['é'.repeat(50), '😀'.repeat(30), 'a'.repeat(101)]) {
      const cut = cutText(text, 50);
      expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(50);
      expect(cut).toMatch(/^(é|😀|a)+…$/u);
    }
  });
});
