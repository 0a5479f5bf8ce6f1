/** Addresses that would be refused today, but were stored by an earlier version. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { NewsletterEvent } from '../../src/contacts/facts/event';
import { applyBatch } from '../../src/ingest/apply/transaction';
import { erasureHashes, saveErasureHashes } from '../../src/postgres/tables/erasure';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, addressOf, at, optout, signup, unsub } from '../support/events';
import { apply, brokenPromises, canonicalExportOf, DEFAULTS } from '../support/stored';

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database?.drop());

/** The refusal as the decoder reads it. */
function onlyIfStored(event: NewsletterEvent): NewsletterEvent {
  if (!('address' in event.to)) throw new Error('a refusal by email is needed');
  return { ...event, to: { address: event.to.address, onlyIfStored: true } };
}

describe('a refusal at an address with mail-header syntax', () => {
  it('is taken where the address is stored, however often it comes', async () => {
    await apply(database.db, signup('"known"@mail.test', ['x', 'y'], 1));
    const refusal = onlyIfStored(unsub('"known"@mail.test', ['x'], 2));
    expect((await apply(database.db, refusal, refusal)).notStored).toEqual([]);
    expect((await apply(database.db, refusal)).notStored).toEqual([]);
    const [line] = await canonicalExportOf(database.db);
    expect(JSON.parse(line as string)).toMatchObject({ newsletters: { x: 'unsubscribed', y: 'subscribed' } });
  });

  it('is taken where an account has the address', async () => {
    await apply(database.db, acct('u', '(owned)@mail.test', 1), signup('(owned)@mail.test', ['x'], 2));
    await apply(database.db, onlyIfStored(optout('(owned)@mail.test', 3)));
    const lines = (await canonicalExportOf(database.db)).map((line) => JSON.parse(line));
    expect(lines.find(({ primary }) => primary === '(owned)@mail.test')).toMatchObject({ opted_out: true });
  });

  it('stores nothing where the address is not stored; the events beside it are applied', async () => {
    const before = await database.sql('SELECT id FROM contact');
    const events = [
      signup('first', ['x'], 1),
      onlyIfStored(unsub('<new>@mail.test', ['x'], 2)),
      signup('second', ['x'], 1),
      onlyIfStored(optout('"new"@mail.test', 2)),
    ];
    expect((await apply(database.db, ...events)).notStored).toEqual([1, 3]);
    expect(await database.sql("SELECT FROM email_address WHERE address LIKE '%new%'")).toEqual([]);
    expect(await database.sql("SELECT FROM choice WHERE origin LIKE '%new%'")).toEqual([]);
    expect(await database.sql('SELECT id FROM contact')).toHaveLength(before.length + 2);
    expect(await brokenPromises(database)).toEqual([]);
  });

  it('is dropped as erased where its person was erased, and the places of the others stay right', async () => {
    const erasureKey = 'a key of 32 characters or so, for tests';
    await saveErasureHashes(database.db, erasureKey, {
      ...erasureHashes(erasureKey, { addresses: ['"gone"@mail.test'], uids: [] }),
      at: at(9),
    });
    const events = [
      onlyIfStored(unsub('"gone"@mail.test', ['x'], 2)),
      onlyIfStored(unsub('"never"@mail.test', ['x'], 2)),
      signup(addressOf('third').key, ['x'], 1),
    ];
    expect(await applyBatch(database.db, events, { ...DEFAULTS, erasureKey })).toMatchObject({
      ...{ erased: [0], notStored: [1] },
    });
  });
});
