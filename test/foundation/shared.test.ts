import { describe, expect, it } from '@jest/globals';
import { shared } from '../../src/foundation/shared';
import { until } from '../support/broker';

describe('shared work', () => {
  it('runs once for concurrent calls, and for calls soon after them', async () => {
    let runs = 0;
    const read = shared(60_000, async () => ++runs);
    expect(await Promise.all(Array.from({ length: 20 }, read))).toEqual(Array(20).fill(1));
    expect(await read()).toBe(1);
  });

  it('runs again after a while, also if it failed', async () => {
    let runs = 0;
    const read = shared(1, () => {
      runs += 1;
      return runs === 1 ? Promise.reject(new Error('first')) : Promise.resolve(runs);
    });
    await expect(read()).rejects.toThrow('first');
    await until(async () => (await read().catch(() => 0)) >= 2);
  });
});
