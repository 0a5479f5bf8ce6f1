import { describe, expect, test } from '@jest/globals';
import { partsOf } from '../../src/ingest/parts';
import { acct, signup } from '../support/events';

const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `newsletter-${i}`);
const sizes = (events: Parameters<typeof partsOf>[0][number]['event'][]): number[] =>
  partsOf(events.map((event) => ({ event }))).map((part) => part.length);

describe('a batch', () => {
  test('of ordinary messages is one transaction', () => {
    expect(sizes(Array.from({ length: 500 }, (_, n) => signup(`reader${n}`, names(5), 1)))).toEqual([500]);
    expect(sizes([])).toEqual([]);
  });

  test('of messages with many newsletters is split by the number of facts, in order', () => {
    const heavy = Array.from({ length: 25 }, (_, n) => ({ event: signup(`reader${n}`, names(999), 1) }));
    const parts = partsOf(heavy);
    expect(parts.map((part) => part.length)).toEqual([5, 5, 5, 5, 5]);
    expect(parts.flat()).toEqual(heavy);
  });

  test('has every message, however heavy a single one is', () => {
    expect(sizes([acct('u1', 'one', 1), signup('two', names(20_000), 1), acct('u3', 'three', 1)])).toEqual([1, 1, 1]);
  });
});
