import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { browseQueue, lockQueue, type Verdict } from '../../src/rabbitmq/browse-queue';
import { type BrokerConnection, openConnection } from '../../src/rabbitmq/connection';
import { readDeadLetter, toTail } from '../../src/rabbitmq/dead-letter';
import type { Delivery } from '../../src/rabbitmq/delivery';
import { toQueue } from '../../src/rabbitmq/forward';
import { DEAD_LETTERS, NEWSLETTER_QUEUE } from '../../src/rabbitmq/names';
import { Publisher } from '../../src/rabbitmq/publisher';
import { declareAll } from '../../src/rabbitmq/topology';
import { TcpProxy } from '../../tools/proxy/tcp-proxy';
import { silent, until, withBroker } from '../support/broker';
import { drain, setAside } from '../support/dead-letters';

const broker = withBroker();
const KEEP: Verdict = { do: 'keep' };
const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i + 1));

describe('a walk through a quorum queue', () => {
  let connection: BrokerConnection;
  let publisher: Publisher;
  let proxy: TcpProxy;

  beforeEach(async () => {
    await broker().freshTopology();
    proxy = await TcpProxy.to(broker().url);
    connection = await openConnection({ url: proxy.through(broker().url), name: 'walk test', log: silent });
    await connection.ready();
    publisher = new Publisher({ connection, log: silent });
  });
  afterEach(async () => {
    await publisher.close();
    await connection.close();
    await proxy.close();
  });

  const look = (
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

  it('loses nothing and keeps the order, however often one looks: 30 times, where the broker’s default limit is 20', async () => {
    await setAside(broker(), 60);
    const ids: string[][] = [];
    for (let n = 0; n < 30; n++) {
      const seen: string[] = [];
      const walked = await look((delivery) => {
        seen.push(readDeadLetter(delivery).id);
        return KEEP;
      });
      expect(walked).toMatchObject({ total: 60, seen: 60, sent: 0, dropped: 0 });
      ids.push(seen);
    }
    for (const seen of ids) expect(seen).toEqual(ids[0]);
    expect(new Set(ids[0]).size).toBe(60);
    expect(await drain(broker())).toEqual(numbers(60));
  }, 120_000);

  it('loses nothing when every look is cut off in the middle, or ends early', async () => {
    await setAside(broker(), 60);
    for (let n = 0; n < 30; n++) {
      let left = 20;
      const ended = look(
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

  it('goes round a queue with more than it can hold, each message once, those that come meanwhile not, in order', async () => {
    const bodies = await setAside(broker(), 2_100);
    const seen: string[] = [];
    await look(async (delivery) => {
      if (seen.length === 0) await broker().send('', DEAD_LETTERS, ['new']);
      seen.push(delivery.content.toString());
      return KEEP;
    });
    expect(seen).toEqual(bodies);
    const after = await drain(broker());
    expect(after.filter((body) => body !== 'new')).toEqual(bodies);
    expect(after).toHaveLength(2_101);
  });

  it('sends on and drops what it is told to, and keeps the rest, in order: few and many', async () => {
    for (const count of [30, 1_500]) {
      await broker().freshTopology();
      const bodies = await setAside(broker(), count);
      const walked = await look((delivery) => {
        const nr = Number(delivery.content.toString());
        if (nr % 3 === 0) return { do: 'send', message: toQueue(NEWSLETTER_QUEUE, delivery, {}) };
        return nr % 3 === 1 ? { do: 'drop' } : KEEP;
      });
      expect(walked).toMatchObject({ seen: count, sent: count / 3, dropped: count / 3 });
      expect(await drain(broker(), NEWSLETTER_QUEUE)).toEqual(bodies.filter((body) => Number(body) % 3 === 0));
      expect(await drain(broker())).toEqual(bodies.filter((body) => Number(body) % 3 === 2));
    }
  });

  it('keeps what it cannot send, and says why', async () => {
    await setAside(broker(), 5);
    const send = look((delivery) => ({ do: 'send', message: toQueue('test.nowhere', delivery, {}) }));
    await expect(send).rejects.toThrow(/^The queue test\.nowhere takes no messages \(there is no such queue\)/);
    expect(await drain(broker())).toEqual(numbers(5));
  });

  it('ends between confirm and ack with the message at both places, never at neither', async () => {
    await setAside(broker(), 3);
    let sent = 0;
    const ended = look(async (delivery) => {
      sent += 1;
      if (sent === 2) proxy.hold('answers'); // from here on no confirm comes through, so nothing more is acknowledged
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

  it('gives all back when the look at one fails, or when it is told to end', async () => {
    await setAside(broker(), 20);
    const failing = look((delivery) => {
      if (delivery.content.toString() === '7') throw new Error('from the visitor');
      return KEEP;
    });
    await expect(failing).rejects.toThrow('from the visitor');
    expect(await broker().ready(DEAD_LETTERS)).toBe(20);
    const stop = new AbortController();
    const walked = await look(
      () => {
        stop.abort();
        return KEEP;
      },
      { signal: stop.signal },
    );
    expect(walked.seen).toBe(1);
    expect(await drain(broker())).toEqual(numbers(20));
  });

  it('ends when somebody else empties the queue meanwhile', async () => {
    await setAside(broker(), 1_200);
    const walked = await look(async () => {
      await (await broker().channel()).purgeQueue(DEAD_LETTERS);
      return KEEP;
    });
    expect(walked.seen).toBeLessThan(1_200);
  });

  it('is for one at a time: another one is told so, until the first has ended', async () => {
    const other = await openConnection({ url: broker().url, name: 'walk test', log: silent });
    await lockQueue(connection, DEAD_LETTERS);
    await expect(lockQueue(other, DEAD_LETTERS)).rejects.toThrow(
      /^Another command is working on the queue contacts\.dead-letters/,
    );
    await connection.close();
    await lockQueue(other, DEAD_LETTERS);
    await other.close();
  });

  it('says so when there is no such queue', async () => {
    const channel = await broker().channel();
    await channel.deleteQueue(DEAD_LETTERS);
    await expect(look(() => KEEP)).rejects.toThrow(/^The broker has no queue contacts\.dead-letters/);
    await declareAll(channel);
  });
});
