import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { ContactEvent } from '../../src/contacts/facts/event';
import { handleBatch } from '../../src/ingest/batch';
import { dataFault } from '../../src/ingest/data-fault';
import type { Outcome } from '../../src/ingest/outcome';
import { makeLog } from '../../src/observability/log';
import { freshDatabase, type TestDatabase } from '../support/database';
import { signup } from '../support/events';
import { DEFAULTS } from '../support/stored';

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database?.drop());

it('decoded data that the database cannot store is an error in the log, with the field’s name and without its value', async () => {
  const lines: Record<string, unknown>[] = [];
  const bad = signup('bad', ['x'], 1, { profile: { firstName: 'Ada', lastName: 'Lovelace\0' } });
  const events: ContactEvent[] = [signup('good', ['x'], 1), bad, signup('fine', ['x'], 1)];
  const items = events.map((event) => ({ event, outcome: null as Outcome | null }));
  await handleBatch(items, {
    db: database.db,
    options: DEFAULTS,
    log: makeLog('info', { write: (line) => void lines.push(JSON.parse(line)) }),
    stopping: new AbortController().signal,
    onApplied: () => undefined,
    onFailure: () => undefined,
    onAway: () => undefined,
    onBack: () => undefined,
  });
  expect(items.map(({ outcome }) => outcome?.kind)).toEqual(['ok', 'retry', 'ok']);
  const errors = lines.filter(({ msg }) => msg === 'decoded data refused by the database');
  expect(errors).toMatchObject([{ level: 'error', code: expect.stringMatching(/^22/), fields: ['profile.lastName'] }]);
  expect(JSON.stringify(lines)).not.toMatch(/Lovelace|mail\.test/);
});

it('other failures say nothing of an event’s fields, and a column is named where the database names it', () => {
  const event = signup('bad', ['x', 'ü'], 1);
  expect(dataFault({ kind: 'permanent', code: 'P0001' }, event)).toBeNull();
  expect(dataFault({ kind: 'permanent', code: '22001', column: 'country' }, event)).toEqual({
    column: 'country',
    fields: ['trigger.id', 'newsletters'],
  });
});
