import { describe, expect, it } from '@jest/globals';
import { failureOf, inWords } from '../../src/postgres/errors';

const coded = (code: string, message = 'text'): Error => Object.assign(new Error(message), { code });

describe('a failure of the database', () => {
  it('by a lock that another transaction holds is told apart from one by slowness', () => {
    expect(failureOf({ cause: { originalCode: '55P03' } })).toEqual({ kind: 'busy', code: '55P03' });
    expect(failureOf({ cause: { originalCode: '57014' } })).toEqual({ kind: 'slow', code: '57014' });
  });

  it('of Prisma with one code for all of transactions is down if none could begin, and slow if it took too long', () => {
    const expired = 'Transaction API error: Transaction already closed: the timeout for this transaction was 60000 ms';
    const none = 'Transaction API error: Unable to start a transaction in the given time.';
    expect(failureOf(coded('P2028', expired))).toEqual({ kind: 'slow', code: 'P2028' });
    expect(failureOf(coded('P2028', none))).toEqual({ kind: 'down', code: 'no_answer' });
  });

  it('is put in plain words after its code, if its meaning is known', () => {
    expect(inWords('57014')).toMatch(/^57014: the event alone exceeded /);
    expect(inWords('40P01')).toBe('40P01: other transactions changed the same people at the same time');
    expect(inWords('P0001')).toBe('P0001');
  });
});
