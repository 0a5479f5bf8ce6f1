import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { browseQueue, lockQueue, type Verdict } from '../../src/rabbitmq/browse-queue';
import { type BrokerConnection, openConnection } from '../../src/rabbitmq/connection';
import type { Delivery } from '../../src/rabbitmq/consuming/delivery';
import { DEAD_LETTERS, NEWSLETTER_QUEUE } from '../../src/rabbitmq/names';
import { readDeadLetter, toTail } from '../../src/rabbitmq/publishing/dead-letter';
import { toQueue } from '../../src/rabbitmq/publishing/forward';
import { Publisher } from '../../src/rabbitmq/publishing/publisher';
import { declareAll } from '../../src/rabbitmq/topology/topology';
import { TcpProxy } from '../../tools/proxy/tcp-proxy';
import { silent, until, withBroker } from '../support/broker';
import { addDeadLetters, drain } from '../support/dead-letters';

const broker = withBroker();
const KEEP: Verdict = { do: 'keep' };
const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i + 1));

describe('browsing a quorum queue', () => {
  let connection: BrokerConnection;
  let publisher: Publisher;
  let proxy: TcpProxy;

  beforeEach(async () => {
    await broker().freshTopology();
    proxy = await TcpProxy.to(broker().url);
    connection = await openConnection({ url: proxy.through(broker().url), name: 'browse test', log: silent });
    await connection.ready();
    publisher = new Publisher({ connection, log: silent });
  });
  afterEach(async () => {
    await publisher.close();
    await connection.close();
    await proxy.close();
  });

  const browse = (
    visit: (delivery: Delivery) => Verdict | Promise<Verdict>,
    more: { enough?: () => boolean; signal?: AbortSignal; expected?: number } = {},
  ) =>
    browseQueue({
      connection,
      publisher,
      queue: DEAD_LETTERS,
      visit,
      copy: toTail,
      signal: new AbortController().signal,
      ...more,
    });

  it('loses nothing and keeps the order over 30 runs, though the broker’s default delivery limit is 20', async () => {
    await addDeadLetters(broker(), 60);
    const ids: string[][] = [];
    for (let n = 0; n < 30; n++) {
      const seen: string[] = [];
      const result = await browse((delivery) => {
        seen.push(readDeadLetter(delivery).id);
        return KEEP;
      });
      expect(result).toMatchObject({ total: 60, seen: 60, sent: 0, dropped: 0 });
      ids.push(seen);
    }
    for (const seen of ids) expect(seen).toEqual(ids[0]);
    expect(new Set(ids[0]).size).toBe(60);
    expect(await drain(broker())).toEqual(numbers(60));
  }, 120_000);

  it('loses nothing when runs are cut off in the middle or end early', async () => {
    await addDeadLetters(broker(), 60);
    for (let n = 0; n < 30; n++) {
      let left = 20;
      const ended = browse(
        async () => {
          left -= 1;
          if (left === 0 && n % 2 === 0) {
            proxy.cut();
            await until(() => !connection.connected);
          }
          return KEEP;
        },
        { enough: () => left <= 0 },
      );
      await ended.catch((error: Error) =>
        expect(error.message).toMatch(/^The connection to the broker was lost|^The queue/),
      );
      await connection.ready();
      await until(async () => connection.connected && (await broker().ready(DEAD_LETTERS)) >= 60);
    }
    expect(new Set(await drain(broker()))).toEqual(new Set(numbers(60)));
  }, 120_000);

  it('rotates a queue with more messages than it can hold: each is visited once, in order, and later arrivals are not', async () => {
    const bodies = await addDeadLetters(broker(), 2_100);
    const seen: string[] = [];
    await browse(async (delivery) => {
      if (seen.length === 0) await broker().send('', DEAD_LETTERS, ['new']);
      seen.push(delivery.content.toString());
      return KEEP;
    });
    expect(seen).toEqual(bodies);
    const after = await drain(broker());
    expect(after.filter((body) => body !== 'new')).toEqual(bodies);
    expect(after).toHaveLength(2_101);
  });

  it('sends on, drops or keeps each message as the visitor decides, in order, in short and long queues', async () => {
    for (const count of [30, 1_500]) {
      await broker().freshTopology();
      const bodies = await addDeadLetters(broker(), count);
      const result = await browse((delivery) => {
        const nr = Number(delivery.content.toString());
        if (nr % 3 === 0) return { do: 'send', message: toQueue(NEWSLETTER_QUEUE, delivery, {}) };
        return nr % 3 === 1 ? { do: 'drop' } : KEEP;
      });
      expect(result).toMatchObject({ seen: count, sent: count / 3, dropped: count / 3 });
      expect(await drain(broker(), NEWSLETTER_QUEUE)).toEqual(bodies.filter((body) => Number(body) % 3 === 0));
      expect(await drain(broker())).toEqual(bodies.filter((body) => Number(body) % 3 === 2));
    }
  });

  it('keeps the messages that it cannot send, and says why', async () => {
    await addDeadLetters(broker(), 5);
    const send = browse((delivery) => ({ do: 'send', message: toQueue('test.nowhere', delivery, {}) }));
    await expect(send).rejects.toThrow(/^The queue test\.nowhere does not accept messages \(it does not exist\)/);
    expect(await drain(broker())).toEqual(numbers(5));
  });

  it('leaves a message at both places, never at neither, when it ends between confirm and ack', async () => {
    await addDeadLetters(broker(), 3);
    let sent = 0;
    const ended = browse(async (delivery) => {
      sent += 1;
      if (sent === 2) proxy.hold('answers'); // no more confirms arrive, so nothing more is acknowledged
      if (sent === 3) {
        await until(async () => (await broker().ready(NEWSLETTER_QUEUE)) >= 2);
        proxy.restore();
        proxy.cut();
      }
      return { do: 'send', message: toQueue(NEWSLETTER_QUEUE, delivery, {}) };
    });
    await expect(ended).rejects.toThrow(/connection/);
    await until(async () => (await broker().ready(DEAD_LETTERS)) >= 2);
    const [there, here] = [await drain(broker(), NEWSLETTER_QUEUE), await drain(broker())];
    expect(new Set([...there, ...here])).toEqual(new Set(numbers(3)));
    expect(there).toContain('2');
    expect(here).toContain('2');
  });

  it('returns all messages when a visit fails, or when it is aborted', async () => {
    await addDeadLetters(broker(), 20);
    const failing = browse((delivery) => {
      if (delivery.content.toString() === '7') throw new Error('from the visitor');
      return KEEP;
    });
    await expect(failing).rejects.toThrow('from the visitor');
    expect(await broker().ready(DEAD_LETTERS)).toBe(20);
    const stop = new AbortController();
    const result = await browse(
      () => {
        stop.abort();
        return KEEP;
      },
      { signal: stop.signal },
    );
    expect(result.seen).toBe(1);
    expect(await drain(broker())).toEqual(numbers(20));
  });

  it('ends when the queue is purged meanwhile', async () => {
    await addDeadLetters(broker(), 1_200);
    const result = await browse(async () => {
      await (await broker().channel()).purgeQueue(DEAD_LETTERS);
      return KEEP;
    });
    expect(result.seen).toBeLessThan(1_200);
  });

  it('refuses a second process until the first has ended', async () => {
    const other = await openConnection({ url: broker().url, name: 'browse test', log: silent });
    await lockQueue(connection, DEAD_LETTERS);
    await expect(lockQueue(other, DEAD_LETTERS)).rejects.toThrow(
      /^Another command is working on the queue contacts\.dead-letters/,
    );
    await connection.close();
    await lockQueue(other, DEAD_LETTERS);
    await other.close();
  });

  it('says so when the queue does not exist', async () => {
    const channel = await broker().channel();
    await channel.deleteQueue(DEAD_LETTERS);
    await expect(browse(() => KEEP)).rejects.toThrow(/^The broker has no queue contacts\.dead-letters/);
    await declareAll(channel);
  });
});
