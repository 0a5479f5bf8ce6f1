import { describe, expect, test } from '@jest/globals';
import { PoisonScheduler } from '../../src/ingest/poison-scheduler';

interface Slot {
  deliveryCount: number;
  batches: number;
}

/** Runs all batches of some slots, each slot one batch after the other, as a worker does. @returns the slots' order */
async function order(poisonScheduler: PoisonScheduler, slots: Record<string, Slot>): Promise<string[]> {
  const ran: string[] = [];
  let running = 0;
  const runSlot = async ([name, { deliveryCount, batches }]: [string, Slot]): Promise<void> => {
    for (let left = batches; left > 0; left--) {
      await poisonScheduler.run({ deliveryCount, batches: left }, async () => {
        running += 1;
        expect(running).toBe(1);
        ran.push(name);
        await new Promise((resolve) => setImmediate(resolve));
        running -= 1;
      });
    }
  };
  await Promise.all(Object.entries(slots).map(runSlot));
  return ran;
}

describe('the poison scheduler', () => {
  test('runs one batch at a time, and each of them once', async () => {
    const ran = await order(new PoisonScheduler(Math.random, 1), {
      a: { deliveryCount: 5, batches: 20 },
      b: { deliveryCount: 5, batches: 7 },
    });
    expect(ran.filter((name) => name === 'a')).toHaveLength(20);
    expect(ran.filter((name) => name === 'b')).toHaveLength(7);
  });

  test('runs the batches with the lowest delivery count first, whichever slot they are in', async () => {
    const ran = await order(new PoisonScheduler(Math.random, 1), {
      poison: { deliveryCount: 9, batches: 1 },
      innocent: { deliveryCount: 3, batches: 10 },
    });
    expect(ran.at(-1)).toBe('poison');
  });

  test('chooses at random among delivery counts that differ by a few, so about half of the others run before the one that kills', async () => {
    let before = 0;
    for (let life = 0; life < 100; life++) {
      const ran = await order(new PoisonScheduler(Math.random, 0), {
        poison: { deliveryCount: 9, batches: 1 },
        innocent: { deliveryCount: 11, batches: 20 },
      });
      before += ran.indexOf('poison');
    }
    // 10 of 20 on average; the bounds are more than six standard deviations away.
    expect(before / 100).toBeGreaterThan(6);
    expect(before / 100).toBeLessThan(14);
  });

  test('runs nothing before all queues are consumed', async () => {
    const poisonScheduler = new PoisonScheduler(Math.random, 0);
    const consuming = [poisonScheduler.expectQueue(), poisonScheduler.expectQueue()];
    const ran: string[] = [];
    const poison = poisonScheduler.run({ deliveryCount: 9, batches: 1 }, async () => void ran.push('poison'));
    consuming[0]?.();
    await new Promise((resolve) => setTimeout(resolve, 20)); // enough for it to have run
    const innocent = poisonScheduler.run({ deliveryCount: 5, batches: 1 }, async () => void ran.push('innocent'));
    expect(ran).toEqual([]);
    consuming[1]?.();
    await Promise.all([poison, innocent]);
    expect(ran).toEqual(['innocent', 'poison']);
  });

  test('goes on after a batch that fails', async () => {
    const poisonScheduler = new PoisonScheduler(Math.random, 0);
    const failing = poisonScheduler.run({ deliveryCount: 2, batches: 1 }, () => Promise.reject(new Error('no')));
    await expect(failing).rejects.toThrow('no');
    expect(await order(poisonScheduler, { next: { deliveryCount: 2, batches: 1 } })).toEqual(['next']);
  });
});
