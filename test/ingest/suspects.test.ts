import { describe, expect, test } from '@jest/globals';
import { batchesOf, isSuspect } from '../../src/ingest/suspects';

const delivered = (times: number, count: number) =>
  Array.from({ length: count }, (_, nr) => ({ deliveryCount: times, name: `${times}/${nr}` }));
const sizes = (times: number, count = 500): number[] =>
  batchesOf(delivered(times, count), 500).map(({ length }) => length);

describe('batches of redelivered messages', () => {
  test('messages on their first or second delivery are one batch', () => {
    expect(sizes(0)).toEqual([500]);
    expect(sizes(1)).toEqual([500]);
    expect(delivered(1, 1).some(isSuspect)).toBe(false);
  });

  test('batches shrink as the delivery count rises, until each message is alone', () => {
    expect([2, 3, 4, 5, 6, 19].map((times) => Math.max(...sizes(times)))).toEqual([125, 31, 7, 1, 1, 1]);
    expect(delivered(2, 1).every(isSuspect)).toBe(true);
  });

  test('the lowest delivery count comes first', () => {
    const batches = batchesOf([...delivered(7, 2), ...delivered(2, 2), ...delivered(0, 2)], 500);
    expect(batches.map((batch) => batch.map(({ deliveryCount }) => deliveryCount))).toEqual([[0, 0], [2, 2], [7], [7]]);
  });

  test('suspects come in random order, so that none is always behind one that kills its worker', () => {
    const firsts = new Set(Array.from({ length: 200 }, () => batchesOf(delivered(9, 4), 500)[0]?.[0]?.name));
    expect(firsts.size).toBe(4);
  });

  test('suspects whose counts differ by a few are equals, so that none waits behind one that kills its worker', () => {
    const first = () => batchesOf([...delivered(9, 1), ...delivered(12, 1)], 500)[0]?.[0]?.deliveryCount;
    expect(new Set(Array.from({ length: 200 }, first))).toEqual(new Set([9, 12]));
    const later = () => batchesOf([...delivered(9, 1), ...delivered(13, 1)], 500)[0]?.[0]?.deliveryCount;
    expect(new Set(Array.from({ length: 200 }, later))).toEqual(new Set([9]));
  });

  test('each message is in exactly one batch, and no batch is empty', () => {
    const all = [...delivered(0, 3), ...delivered(3, 70), ...delivered(9, 5)];
    const batches = batchesOf(all, 500);
    expect(batches.flat()).toHaveLength(all.length);
    expect(new Set(batches.flat())).toEqual(new Set(all));
    expect(batches.every(({ length }) => length > 0)).toBe(true);
    expect(batchesOf([], 500)).toEqual([]);
  });

  test('with a small batch size, a message delivered twice before is alone', () => {
    expect(batchesOf(delivered(2, 3), 4).map(({ length }) => length)).toEqual([1, 1, 1]);
  });
});
