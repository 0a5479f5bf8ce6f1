/** A reader of the change feed always ends with what the export has, on generated histories. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { purge } from '../../../src/compaction/run';
import type { ContactEvent } from '../../../src/contacts/facts/event';
import { erasePerson } from '../../../src/operations/erase/run';
import { freshDatabase, type TestDatabase } from '../../support/database';
import { addressOf, at } from '../../support/events';
import { FeedReader, liveContacts } from '../../support/feed-reader';
import { contactEvent } from '../../support/histories';
import { ledgerOf, undoOf } from '../../support/ledger';
import { apply, sample } from '../../support/stored';

const seed = Number(process.env.SEED ?? 4711);
const histories = Number(process.env.STORED_HISTORIES ?? 10);

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database?.drop());

type Step =
  | { kind: 'events'; events: ContactEvent[] }
  | { kind: 'undo' | 'unblock'; which: number }
  | { kind: 'erase'; address: string }
  | { kind: 'purge' };

const story: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant('events' as const),
        events: fc.array(contactEvent, { minLength: 1, maxLength: 4 }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('undo' as const, 'unblock'), which: fc.nat(9) }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('erase' as const), address: fc.constantFrom('a', 'b', 'c') }),
    },
    { weight: 1, arbitrary: fc.constant({ kind: 'purge' as const }) },
  ),
  { minLength: 4, maxLength: 12 },
);

async function run(step: Step): Promise<void> {
  const { db } = database;
  if (step.kind === 'events') await apply(db, ...step.events);
  else if (step.kind === 'purge') await purge(db, { before: at(13) });
  else if (step.kind === 'erase')
    await erasePerson(db, addressOf(step.address), { erasureKey: 'a key for erasure in tests' });
  else {
    const ledger = await ledgerOf(db);
    const merge = ledger[step.which % Math.max(1, ledger.length)];
    if (merge && step.kind === 'undo') await apply(db, undoOf(merge, at(12)));
    for (const address of step.kind === 'unblock' ? (merge?.addresses ?? []) : []) {
      await apply(db, { kind: 'unblock', uid: merge?.uid as string, address });
    }
  }
}

it(
  `generated histories: after every step, the contacts that a reader was told of are those of the export, and every other contact is a tombstone (SEED=${seed}, ${histories} histories)`,
  async () => {
    const { db, sql } = database;
    for (let number = 0; number < histories; number++) {
      await sql(
        'TRUNCATE contact, email_address, account, address_claim, choice, basket_token, merge, claim_block, outbox',
      );
      const reader = new FeedReader();
      for (const step of sample(story, seed + number)) {
        await run(step);
        await reader.catchUp(db, 2);
        expect({ seed: seed + number, contacts: reader.contacts }).toEqual({
          seed: seed + number,
          contacts: await liveContacts(db),
        });
        const ended = await sql(
          `SELECT id AS "contactId", state::text AS kind, merged_into AS "survivorId" FROM contact WHERE state <> 'live' ORDER BY id`,
        );
        const told = [...reader.tombstones.values()].sort((a, b) => (a.contactId < b.contactId ? -1 : 1));
        expect(told).toEqual(ended);
      }
    }
  },
  60_000 + 3_000 * histories,
);
