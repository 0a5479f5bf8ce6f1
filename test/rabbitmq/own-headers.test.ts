import { describe, expect, it } from '@jest/globals';
import { DEAD_LETTERS, FXA_EVENTS, FXA_QUEUE, HEADERS } from '../../src/rabbitmq/names';
import { believableHeaders } from '../../src/rabbitmq/own-headers';

const seen = '2026-01-21T10:00:00.000Z';
const OURS = {
  attempts: 4,
  waits: 7,
  delay: '10m',
  reason: 'failed',
  error: 'P0001',
  'origin-queue': FXA_QUEUE,
  'first-seen': seen,
  'last-seen': seen,
  replays: 2,
  'earlier-attempts': 10,
  'earlier-deaths': [{ reason: 'failed', error: 'P0001', attempts: 5, 'last-seen': seen }],
  round: 'a',
};
const TRACE = { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', tracestate: 'a=b' };
const returned = (headers: Record<string, unknown>) => believableHeaders(FXA_QUEUE, '', headers);

describe('headers under our names', () => {
  it('cover all that we write, except those that others may write too', () => {
    expect(Object.keys({ ...OURS, ...TRACE, 'schema-version': '1' }).sort()).toEqual(Object.values(HEADERS).sort());
  });

  it('are left out of a message that came from an exchange; its own and its trace stay', () => {
    const own = { tenant: 'x', 'x-delivery-count': 3, ...TRACE };
    expect(believableHeaders(FXA_QUEUE, FXA_EVENTS, { ...OURS, ...own })).toEqual(own);
    expect(believableHeaders(DEAD_LETTERS, 'another.exchange', { ...OURS, ...own })).toEqual(own);
  });

  it('are believed in a message that came back through the default exchange', () => {
    expect(returned({ ...OURS, ...TRACE })).toEqual({ ...OURS, ...TRACE });
    expect(believableHeaders(FXA_QUEUE, '', undefined)).toEqual({});
  });

  it.each([
    ['attempts', 5],
    ['attempts', 99],
    ['attempts', -1],
    ['attempts', 0.5],
    ['attempts', '4'],
    ['waits', Number.MAX_SAFE_INTEGER],
    ['replays', { '!': 'decimal' }],
    ['earlier-attempts', Number.NaN],
    ['first-seen', 'not a date'],
    ['first-seen', '2026-13-41T10:00:00.000Z'],
    ['last-seen', 1769000000],
    ['origin-queue', ['x']],
    ['reason', { toString: 1 }],
    ['earlier-deaths', 'x'],
    ['earlier-deaths', [{ reason: { deep: {} } }]],
    ['earlier-deaths', Array(11).fill({ reason: 'failed' })],
  ])('are left out where they say what we never write: %s %.60j', (name, value) => {
    const { [name as 'attempts']: _, ...others } = OURS;
    expect(returned({ ...OURS, [name]: value })).toEqual(others);
  });

  it('of a dead letter may count one attempt more', () => {
    expect(believableHeaders(DEAD_LETTERS, '', { attempts: 5 })).toEqual({ attempts: 5 });
    expect(believableHeaders(DEAD_LETTERS, '', { attempts: 6 })).toEqual({});
  });

  it('of a message that the broker dead-lettered are believed by the exchange that it was published to', () => {
    const death = (exchange: string) => ({ 'x-death': [{ reason: 'delivery_limit', queue: FXA_QUEUE, exchange }] });
    expect(believableHeaders(DEAD_LETTERS, '', { ...OURS, ...death(FXA_EVENTS) })).toEqual(death(FXA_EVENTS));
    expect(believableHeaders(DEAD_LETTERS, '', { ...OURS, ...death('') })).toEqual({ ...OURS, ...death('') });
    // A returning retry has been in a retry queue, whose exchange is ours.
    expect(returned({ ...OURS, ...death('contacts.retry') })).toMatchObject(OURS);
  });
});
