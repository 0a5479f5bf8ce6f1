import { beforeEach, expect, it } from '@jest/globals';
import { BatchLog } from '../../src/ingest/batch-log';
import { makeLog } from '../../src/observability/log';

let lines: Record<string, unknown>[];
beforeEach(() => {
  lines = [];
});
const message = (eventId: string) =>
  makeLog('info', { write: (line) => void lines.push(JSON.parse(line)) }).child({ eventId });

it('writes one line for all messages with the same text and shared fields, with the details of the first', () => {
  const log = new BatchLog();
  log.add(message('1'), 'warn', 'dead-lettered', { reason: 'not_json' }, { problems: ['a'] });
  log.add(message('2'), 'warn', 'dead-lettered', { reason: 'invalid_time' }, { problems: ['b'] });
  log.add(message('3'), 'warn', 'dead-lettered', { reason: 'not_json' }, { problems: ['c'] });
  log.add(message('4'), 'info', 'tried again', { reason: 'not_json' });
  expect(lines).toEqual([]);
  log.write();
  expect(lines).toMatchObject([
    { level: 'warn', msg: 'dead-lettered', reason: 'not_json', eventId: '1', problems: ['a'], messages: 2 },
    { level: 'warn', msg: 'dead-lettered', reason: 'invalid_time', eventId: '2', problems: ['b'], messages: 1 },
    { level: 'info', msg: 'tried again', reason: 'not_json', eventId: '4', messages: 1 },
  ]);
  log.write();
  expect(lines).toHaveLength(3);
});

it('once() writes at once, and only for the first of several equal messages', () => {
  const log = new BatchLog();
  for (const attempt of [1, 2]) {
    for (const id of ['1', '2']) log.once(message(id), 'warn', 'trying again', { attempt });
  }
  expect(lines).toMatchObject([
    { eventId: '1', attempt: 1 },
    { eventId: '1', attempt: 2 },
  ]);
});
