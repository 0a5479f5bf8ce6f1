import { describe, expect, test } from '@jest/globals';
import { PoisonScheduler } from '../../src/ingest/poison-scheduler';

/** Lanes of so many batches each, one batch after the other, as a worker's. @returns in which order they came */
async function order(
  poisonScheduler: PoisonScheduler,
  slots: Record<string, { count: number; batches: number }>,
): Promise<string[]> {
  const came: string[] = [];
  let atWork = 0;
  const run = async ([name, { count, batches }]: [string, { count: number; batches: number }]): Promise<void> => {
    for (let left = batches; left > 0; left--) {
      await poisonScheduler.take({ count, alike: left }, async () => {
        atWork += 1;
        expect(atWork).toBe(1);
        came.push(name);
        await new Promise((resolve) => setImmediate(resolve));
        atWork -= 1;
      });
    }
  };
  await Promise.all(Object.entries(slots).map(run));
  return came;
}

describe('whose suspects are next', () => {
  test('one goes at a time, and all get their turn', async () => {
    const came = await order(new PoisonScheduler(Math.random, 1), {
      a: { count: 5, batches: 20 },
      b: { count: 5, batches: 7 },
    });
    expect(came.filter((name) => name === 'a')).toHaveLength(20);
    expect(came.filter((name) => name === 'b')).toHaveLength(7);
  });

  test('those that came least often are first, whichever slot they are in', async () => {
    const came = await order(new PoisonScheduler(Math.random, 1), {
      poison: { count: 9, batches: 1 },
      innocent: { count: 3, batches: 10 },
    });
    expect(came.at(-1)).toBe('poison');
  });

  test('of those that came as often each has the same chance: one that kills has about half of the others before it', async () => {
    let before = 0;
    for (let life = 0; life < 100; life++) {
      const came = await order(new PoisonScheduler(Math.random, 0), {
        poison: { count: 9, batches: 1 },
        innocent: { count: 9, batches: 20 },
      });
      before += came.indexOf('poison');
    }
    // Of 20 each time, 10 on average; the bounds are more than six standard deviations away.
    expect(before / 100).toBeGreaterThan(6);
    expect(before / 100).toBeLessThan(14);
  });

  test('nobody goes before all queues are being consumed', async () => {
    const poisonScheduler = new PoisonScheduler(Math.random, 0);
    const started = [poisonScheduler.join(), poisonScheduler.join()];
    const came: string[] = [];
    const poison = poisonScheduler.take({ count: 9, alike: 1 }, async () => void came.push('poison'));
    started[0]?.();
    await new Promise((resolve) => setTimeout(resolve, 20)); // it would have gone by now
    const innocent = poisonScheduler.take({ count: 5, alike: 1 }, async () => void came.push('innocent'));
    expect(came).toEqual([]);
    started[1]?.();
    await Promise.all([poison, innocent]);
    expect(came).toEqual(['innocent', 'poison']);
  });

  test('one that fails gives its turn on', async () => {
    const poisonScheduler = new PoisonScheduler(Math.random, 0);
    await expect(poisonScheduler.take({ count: 2, alike: 1 }, () => Promise.reject(new Error('no')))).rejects.toThrow(
      'no',
    );
    expect(await order(poisonScheduler, { next: { count: 2, batches: 1 } })).toEqual(['next']);
  });
});
