import { afterEach, describe, expect, it } from '@jest/globals';
import { type BrokerConnection, openConnection } from '../../../src/rabbitmq/connection';
import type { OutgoingMessage } from '../../../src/rabbitmq/publishing/outgoing';
import { Publisher } from '../../../src/rabbitmq/publishing/publisher';
import { TcpProxy } from '../../../tools/proxy/tcp-proxy';
import { silent, until, withBroker } from '../../support/broker';

const broker = withBroker();
const QUEUE = 'test.publisher';

function message(body: string, more: Partial<OutgoingMessage> = {}): OutgoingMessage {
  return { exchange: '', routingKey: QUEUE, content: Buffer.from(body), ...more };
}

describe('the publisher', () => {
  let connection: BrokerConnection | undefined;
  let proxy: TcpProxy | undefined;

  async function start(options: { confirmTimeoutMs?: number; maxInFlight?: number } = {}) {
    await broker().queue(QUEUE);
    proxy = await TcpProxy.to(broker().url);
    connection = await openConnection({ url: proxy.through(broker().url), name: 'test', log: silent });
    const publisher = new Publisher({ connection, log: silent, ...options });
    return { publisher, proxy, connection };
  }

  afterEach(async () => {
    await connection?.close();
    await proxy?.close();
  });

  it('reports confirmed once the queue has the message, persistent, with all its properties', async () => {
    const { publisher } = await start();
    const result = await publisher.publish(
      message('{}', {
        messageId: 'id-1',
        type: 'contact.merged',
        contentType: 'application/json',
        timestamp: 1_769_000_100,
        headers: { 'schema-version': 1 },
      }),
    );
    expect(result).toEqual({ outcome: 'confirmed' });
    const { properties } = await broker().next(QUEUE);
    expect(properties).toMatchObject({
      messageId: 'id-1',
      type: 'contact.merged',
      contentType: 'application/json',
      timestamp: 1_769_000_100,
      deliveryMode: 2,
      headers: { 'schema-version': 1 },
    });
  });

  it('keeps the order of the calls with far more messages than may be in flight', async () => {
    const { publisher } = await start({ maxInFlight: 50 });
    const bodies = Array.from({ length: 3_000 }, (_, i) => String(i));
    const results = await Promise.all(bodies.map((body) => publisher.publish(message(body))));
    expect(results.every(({ outcome }) => outcome === 'confirmed')).toBe(true);
    for (const body of bodies.slice(0, 200)) expect((await broker().next(QUEUE)).content.toString()).toBe(body);
    expect(await broker().ready(QUEUE)).toBe(2_800);
  });

  it('writes no more than the connection buffers, whatever the limit in flight', async () => {
    const { publisher, proxy } = await start({ maxInFlight: 100_000 });
    await publisher.publish(message('before'));
    proxy.hold('all');
    const content = Buffer.alloc(20_000);
    const results = Array.from({ length: 3_000 }, () => publisher.publish(message('', { content })));
    expect(publisher.pending).toBe(3_000);
    expect(publisher.inFlight).toBeLessThan(2_000);
    proxy.restore();
    expect((await Promise.all(results)).every(({ outcome }) => outcome === 'confirmed')).toBe(true);
  });

  it('reports returned for unroutable messages only, among others in flight', async () => {
    const { publisher } = await start();
    const results = await Promise.all(
      Array.from({ length: 30 }, (_, i) =>
        publisher.publish(message(String(i), i % 3 === 0 ? { routingKey: 'test.nowhere' } : {})),
      ),
    );
    for (const [i, result] of results.entries()) {
      expect(result).toEqual(i % 3 === 0 ? { outcome: 'returned', reason: 'NO_ROUTE' } : { outcome: 'confirmed' });
    }
  });

  it('tells messages with one id apart when one of them is unroutable', async () => {
    const { publisher } = await start();
    const results = await Promise.all([
      publisher.publish(message('1', { messageId: 'same' })),
      publisher.publish(message('2', { messageId: 'same', routingKey: 'test.nowhere' })),
      publisher.publish(message('3', { messageId: 'same' })),
    ]);
    expect(results.map(({ outcome }) => outcome)).toEqual(['confirmed', 'returned', 'confirmed']);
  });

  it('publishes messages with one id concurrently, and reports the returned ones even among equal messages', async () => {
    const { publisher } = await start();
    await publisher.publish(message('first'));
    const results = ['a', 'a', 'b', 'b', ''].flatMap((content) =>
      ['test.nowhere', QUEUE].map((routingKey) =>
        publisher.publish(message(content, { routingKey, messageId: content === '' ? '' : 'same' })),
      ),
    );
    expect(publisher.inFlight).toBe(10);
    const outcomes = (await Promise.all(results)).map(({ outcome }) => outcome);
    expect(outcomes).toEqual(Array.from({ length: 5 }, () => ['returned', 'confirmed']).flat());
    expect(await broker().ready(QUEUE)).toBe(6);
  });

  it('reports nacked while the queue is full, and confirmed once it has room', async () => {
    const { publisher } = await start();
    const limits = { 'x-queue-type': 'quorum', 'x-max-length': 2, 'x-overflow': 'reject-publish' };
    const full = await broker().queue('test.full', { arguments: limits });
    const outcomes: string[] = [];
    await until(async () => {
      outcomes.push((await publisher.publish(message('x', { routingKey: full }))).outcome);
      return outcomes.at(-1) === 'nacked';
    });
    expect(outcomes.slice(0, 2)).toEqual(['confirmed', 'confirmed']);
    while ((await broker().ready(full)) > 0) await broker().next(full);
    await until(async () => (await publisher.publish(message('x', { routingKey: full }))).outcome === 'confirmed');
  });

  it('reports failed for everything in flight when the connection is cut, and recovers by itself', async () => {
    const { publisher, proxy } = await start();
    await publisher.publish(message('before'));
    proxy.hold('answers');
    const inFlight = ['1', '2', '3'].map((body) => publisher.publish(message(body)));
    await until(async () => (await broker().ready(QUEUE)) === 4); // they have arrived, but the publisher cannot know
    proxy.restore();
    proxy.cut();
    for (const result of await Promise.all(inFlight))
      expect(result).toMatchObject({ outcome: 'failed', retryable: true });
    expect(await publisher.publish(message('after'))).toEqual({ outcome: 'confirmed' });
  });

  it('reports failed when no confirm comes in time, gives up the channel, and recovers', async () => {
    const { publisher, proxy } = await start({ confirmTimeoutMs: 300 });
    await publisher.publish(message('before'));
    proxy.hold('answers');
    const late = await publisher.publish(message('late'));
    expect(late).toMatchObject({ outcome: 'failed', retryable: true });
    const waiting = await publisher.publish(message('waiting')); // no channel: the broker is still silent
    expect(waiting).toMatchObject({ outcome: 'failed', error: { message: 'not written in time' } });
    proxy.restore();
    await until(async () => (await publisher.publish(message('after'))).outcome === 'confirmed');
    expect(publisher.pending).toBe(0);
  });

  it('waits for a broker that is down, up to its time limit', async () => {
    const { publisher, proxy } = await start();
    await publisher.publish(message('before'));
    proxy.down();
    await until(() => !publisher.open);
    const waiting = publisher.publish(message('waiting'));
    proxy.restore();
    expect(await waiting).toEqual({ outcome: 'confirmed' });
  });

  it('recovers after publishing to a missing exchange, for which the broker closes the channel', async () => {
    const { publisher } = await start();
    const lost = await publisher.publish(message('lost', { exchange: 'test.no-exchange' }));
    expect(lost).toMatchObject({ outcome: 'failed', retryable: true });
    expect(await publisher.publish(message('after'))).toEqual({ outcome: 'confirmed' });
  });

  it('refuses messages that can never be published, without harm to others', async () => {
    const { publisher } = await start();
    const unreadable = Object.defineProperty({}, 'broken', {
      enumerable: true,
      get: () => {
        throw new RangeError('unexpected');
      },
    });
    const results = await Promise.all([
      publisher.publish(message('fine')),
      publisher.publish(message('', { content: Buffer.alloc(16 * 1_024 * 1_024 + 1) })),
      publisher.publish(message('', { messageId: 'x'.repeat(256) })),
      publisher.publish(message('', { headers: unreadable })),
      publisher.publish(message('fine')),
    ]);
    expect(results).toMatchObject([
      { outcome: 'confirmed' },
      { outcome: 'failed', retryable: false },
      { outcome: 'failed', retryable: false },
      { outcome: 'failed', retryable: false },
      { outcome: 'confirmed' },
    ]);
  });

  it('publishes large messages', async () => {
    const { publisher } = await start();
    const content = Buffer.alloc(3_000_000, 'x');
    const results = await Promise.all([1, 2, 3].map(() => publisher.publish(message('', { content }))));
    expect(results.every(({ outcome }) => outcome === 'confirmed')).toBe(true);
    expect((await broker().next(QUEUE)).content.equals(content)).toBe(true);
  });

  it('has few bytes in flight at once, whatever the number of messages', async () => {
    const { publisher, proxy } = await start();
    await publisher.publish(message('before'));
    proxy.hold('answers');
    const content = Buffer.alloc(5 * 1_024 * 1_024);
    const results = Array.from({ length: 12 }, () => publisher.publish(message('', { content })));
    await until(async () => (await broker().ready(QUEUE)) > 1);
    expect(publisher.inFlight).toBeLessThanOrEqual(4);
    proxy.restore();
    expect((await Promise.all(results)).every(({ outcome }) => outcome === 'confirmed')).toBe(true);
  });

  it('settles everything before it closes, and fails later messages', async () => {
    const { publisher } = await start();
    const pending = ['1', '2', '3'].map((body) => publisher.publish(message(body)));
    const closing = publisher.close();
    expect(await publisher.publish(message('later'))).toMatchObject({ outcome: 'failed' });
    await closing;
    for (const result of await Promise.all(pending)) expect(result).toEqual({ outcome: 'confirmed' });
    expect(await broker().ready(QUEUE)).toBe(3);
  });

  it('fails everything when its connection is closed for good', async () => {
    const { publisher, proxy, connection } = await start();
    proxy.down();
    const pending = publisher.publish(message('1'));
    await connection.close();
    expect(await pending).toMatchObject({ outcome: 'failed' });
    expect(await publisher.publish(message('2'))).toMatchObject({ outcome: 'failed' });
  });
});
