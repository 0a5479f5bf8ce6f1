import { describe, expect, test } from '@jest/globals';
import { batchesOf, isSuspect } from '../../src/ingest/suspects';

const came = (times: number, count: number) =>
  Array.from({ length: count }, (_, nr) => ({ deliveryCount: times, name: `${times}/${nr}` }));
const sizes = (times: number, count = 500): number[] => batchesOf(came(times, count), 500).map(({ length }) => length);

describe('what is handled together', () => {
  test('messages that come for the first time, or once more after a lost connection, are one batch', () => {
    expect(sizes(0)).toEqual([500]);
    expect(sizes(1)).toEqual([500]);
    expect(came(1, 1).some(isSuspect)).toBe(false);
  });

  test('the more often messages came, the fewer are handled together, until each stands alone', () => {
    expect([2, 3, 4, 5, 6, 19].map((times) => Math.max(...sizes(times)))).toEqual([125, 31, 7, 1, 1, 1]);
    expect(came(2, 1).every(isSuspect)).toBe(true);
  });

  test('those that came least often are first', () => {
    const batches = batchesOf([...came(7, 2), ...came(2, 2), ...came(0, 2)], 500);
    expect(batches.map((batch) => batch.map(({ deliveryCount }) => deliveryCount))).toEqual([[0, 0], [2, 2], [7], [7]]);
  });

  test('suspects come in another order each time, so that none is always behind one that kills its worker', () => {
    const firsts = new Set(Array.from({ length: 200 }, () => batchesOf(came(9, 4), 500)[0]?.[0]?.name));
    expect(firsts.size).toBe(4);
  });

  test('each message is in one batch, and no batch is empty', () => {
    const all = [...came(0, 3), ...came(3, 70), ...came(9, 5)];
    const batches = batchesOf(all, 500);
    expect(batches.flat()).toHaveLength(all.length);
    expect(new Set(batches.flat())).toEqual(new Set(all));
    expect(batches.every(({ length }) => length > 0)).toBe(true);
    expect(batchesOf([], 500)).toEqual([]);
  });

  test('of small batches, a message that came twice stands alone', () => {
    expect(batchesOf(came(2, 3), 4).map(({ length }) => length)).toEqual([1, 1, 1]);
  });
});
