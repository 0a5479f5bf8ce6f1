/** Any order, any repetition; unique contacts and tokens: on PostgreSQL. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ContactEvent } from '../../src/contacts/facts/event';
import { canonicalExport } from '../../src/contacts/profile/canonical';
import { freshDatabase, type TestDatabase } from '../support/database';
import { history, shuffledBatches } from '../support/histories';
import { factsOf } from '../support/memory-store';
import { scenarios } from '../support/scenarios';
import { applyConcurrently, brokenPromises, canonicalExportOf, sample } from '../support/stored';

const seed = process.env.SEED === undefined ? Date.now() % 2 ** 31 : Number(process.env.SEED);
const histories = Number(process.env.STORED_HISTORIES ?? 4);

describe(`any order, any repetition, on PostgreSQL (SEED=${seed})`, () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await freshDatabase();
  });
  afterAll(() => database?.drop());

  async function check(events: ContactEvent[], run: number): Promise<void> {
    await database.sql(
      'TRUNCATE contact, email_address, account, address_claim, choice, basket_token, merge, claim_block, outbox',
    );
    const batches = sample(shuffledBatches(events), seed + run);
    await applyConcurrently(database.db, batches, (run % 4) + 1);
    expect(await brokenPromises(database)).toEqual([]);
    expect(await canonicalExportOf(database.db)).toEqual(canonicalExport(factsOf(events)));
  }

  it.each(Object.entries(scenarios))(
    '%s: 20 random orders with repetitions, in random batches, by 1 to 4 workers, end in the same export',
    async (_, events) => {
      for (let run = 0; run < 20; run++) await check(events, run);
    },
  );

  it(`${histories} generated histories end as the pure domain says, by 1 to 4 workers at once`, async () => {
    for (let run = 0; run < histories; run++) await check(sample(history(30), seed + run), run);
  });
});
