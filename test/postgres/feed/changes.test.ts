/** The change feed on PostgreSQL: what it delivers, in which order, and what it waits for. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { purge } from '../../../src/compaction/run';
import type { StoredMerge } from '../../../src/contacts/merge/merge';
import { erasePerson } from '../../../src/operations/erase/run';
import { openDatabase } from '../../../src/postgres/database';
import { readChanges } from '../../../src/postgres/feed/changes';
import { FenceAge, readFence } from '../../../src/postgres/feed/fence';
import { findContact } from '../../../src/postgres/look-ups/find-contact';
import { freshDatabase, type TestDatabase } from '../../support/database';
import { acct, addressOf, at, del, signup, uidOf, unsub } from '../../support/events';
import { FeedReader, liveContacts } from '../../support/feed-reader';
import { gate } from '../../support/gate';
import { ledgerOf, undoOf } from '../../support/ledger';
import { eventually } from '../../support/service';
import { apply } from '../../support/stored';

let data: TestDatabase;
let reader: FeedReader;
beforeEach(async () => {
  data = await freshDatabase();
  reader = new FeedReader();
});
afterEach(() => data?.drop());

const idOf = async (name: string): Promise<string> =>
  (await findContact(data.db, { by: 'email', address: addressOf(name).key }))?.id as string;

const read = (limit?: number): Promise<string[]> => reader.read(data.db, limit);

describe('the change feed', () => {
  it('begins with every contact, page by page, each as look-ups show it', async () => {
    await apply(data.db, acct('u', 'a', 1), ...['b', 'c', 'd', 'e', 'f', 'g'].map((name) => signup(name, ['x'], 2)));
    expect(await read(2)).toHaveLength(7);
    expect(reader.contacts).toEqual(await liveContacts(data.db));
    expect(await read(2)).toEqual([]);
  });

  it('begins with the contacts from before the feed, and continues with those that change', async () => {
    await apply(data.db, ...['a', 'b', 'c', 'd', 'e'].map((name) => signup(name, ['x'], 1)));
    await data.sql("UPDATE contact SET changed_in = '0'");
    expect(await read(2)).toHaveLength(5);
    await apply(data.db, signup('c', ['y'], 2));
    expect(await read(2)).toEqual([await idOf('c')]);
    expect(reader.contacts).toEqual(await liveContacts(data.db));
  });

  it('delivers a contact once for any number of changes since the last page, in its last state', async () => {
    await apply(data.db, signup('a', ['x'], 1));
    await read();
    await apply(data.db, signup('a', ['y'], 2));
    await apply(data.db, unsub('a', ['x'], 3));
    expect(await read()).toEqual([await idOf('a')]);
    expect(reader.contacts).toEqual(await liveContacts(data.db));
  });

  it('delivers nothing for events that change nothing for readers, which write nothing to the contact', async () => {
    await apply(data.db, acct('u', 'a', 1), signup('b', ['x'], 2));
    await read();
    const rows = () => data.sql('SELECT xmin, changed_in FROM contact ORDER BY id');
    const before = await rows();
    await apply(data.db, acct('u', 'a', 3), signup('b', ['x'], 4));
    expect(await read()).toEqual([]);
    expect(await rows()).toEqual(before);
  });

  it('delivers a merge as a tombstone with the survivor, and an undo as both contacts', async () => {
    await apply(data.db, acct('u', 'a', 1), signup('b', ['x'], 2));
    const [survivor, retired] = [await idOf('a'), await idOf('b')];
    await read();
    await apply(data.db, acct('u', 'b', 3));
    expect((await read()).sort()).toEqual([survivor, retired].sort());
    expect([...reader.tombstones.values()]).toEqual([{ contactId: retired, kind: 'merged', survivorId: survivor }]);
    expect(reader.contacts).toEqual(await liveContacts(data.db));

    const [merge] = await ledgerOf(data.db);
    await apply(data.db, undoOf(merge as StoredMerge, at(9)));
    expect((await read()).sort()).toEqual([survivor, retired].sort());
    expect(reader.tombstones.size).toBe(0);
    expect(reader.contacts).toEqual(await liveContacts(data.db));
  });

  it('delivers the tombstone of a merged contact again when its survivor is merged', async () => {
    await apply(data.db, acct('u', 'a', 1), signup('lone', ['x'], 1));
    const lone = await idOf('lone');
    await apply(data.db, acct('u', 'lone', 2));
    await read();
    await apply(data.db, del('u', 3), acct('v', 'z', 1), acct('v', 'a', 4), acct('v', 'lone', 5));
    await read();
    expect(reader.tombstones.get(lone)).toEqual({ contactId: lone, kind: 'merged', survivorId: await idOf('z') });
    expect(reader.contacts).toEqual(await liveContacts(data.db));
  });

  it('delivers a closed contact, and one that a purge closed, as tombstones', async () => {
    await apply(data.db, acct('u', 'a', 1), acct('v', 'a', 2), acct('w', 'w', 1));
    const left = await findContact(data.db, { by: 'account', uid: uidOf('u') });
    const purged = await idOf('w');
    await apply(data.db, del('w', 2));
    await read();
    await apply(data.db, del('u', 3));
    await purge(data.db, { before: at(1_000) });
    await read();
    expect([...reader.tombstones.values()]).toEqual(
      expect.arrayContaining([
        { contactId: left?.id, kind: 'closed', survivorId: null },
        { contactId: purged, kind: 'closed', survivorId: null },
      ]),
    );
    expect(reader.contacts).toEqual(await liveContacts(data.db));
  });

  it('delivers an erased contact, and those that were merged into it, as tombstones with nothing but their ids', async () => {
    await apply(data.db, acct('u', 'a', 1), signup('b', ['x'], 2));
    const ids = [await idOf('a'), await idOf('b')];
    await apply(data.db, acct('u', 'b', 3));
    await read();
    await erasePerson(data.db, addressOf('b'), { erasureKey: 'a key for erasure in tests' });
    await read();
    expect([...reader.tombstones.values()]).toEqual(
      expect.arrayContaining(ids.map((contactId) => ({ contactId, kind: 'erased', survivorId: null }))),
    );
    expect(reader.contacts.size).toBe(0);
  });

  it('waits for an older transaction while newer ones commit, and then skips none', async () => {
    await apply(data.db, signup('old', ['x'], 1), signup('new', ['x'], 1));
    await read();
    const [old, changed] = [await idOf('old'), await idOf('new')];
    const commit = await gate(data, 'UPDATE contact SET version = version + 1 WHERE id = $1', [old]);
    await apply(data.db, signup('new', ['y'], 2), signup('newer', ['x'], 2));
    expect(await read()).toEqual([]);
    await commit();
    await apply(data.db, signup('last', ['x'], 3));
    expect(await read(1)).toEqual([old, ...[changed, await idOf('newer')].sort(), await idOf('last')]);
    expect(reader.contacts).toEqual(await liveContacts(data.db));
  });

  it('skips no change of a transaction that got its id before a newer one changed the same contact', async () => {
    await apply(data.db, signup('a', ['x'], 1));
    await read();
    const id = await idOf('a');
    const older = new Client({ connectionString: data.url });
    await older.connect();
    await older.query('BEGIN; SELECT pg_current_xact_id()');
    await apply(data.db, signup('a', ['y'], 2));
    expect(await read()).toEqual([]);
    await older.query('UPDATE contact SET version = version + 1 WHERE id = $1', [id]);
    expect(await read()).toEqual([]);
    await older.query('COMMIT');
    await older.end();
    expect(await read()).toEqual([id]);
    expect(reader.contacts).toEqual(await liveContacts(data.db));
  });

  it('does not wait for a transaction in another database, which holds back pg_snapshot_xmin', async () => {
    const other = await freshDatabase({ migrated: false });
    try {
      await apply(data.db, signup('a', ['x'], 1));
      await read();
      const commit = await gate(other, 'CREATE TABLE theirs (id int)');
      await apply(data.db, signup('a', ['y'], 2));
      const [held] = await data.sql<{ held: boolean }>(
        'SELECT changed_in >= pg_snapshot_xmin(pg_current_snapshot()) AS held FROM contact',
      );
      expect(held).toEqual({ held: true });
      expect(await read()).toEqual([await idOf('a')]);
      await commit();
    } finally {
      await other.drop();
    }
  });

  it('reads no more rows than it delivers, however many contacts there are', async () => {
    await data.sql(`
      INSERT INTO contact (id, state, changed_in)
      SELECT gen_random_uuid(), 'closed', CASE WHEN n <= 3000 THEN '0'::xid8 ELSE pg_current_xact_id() END
      FROM generate_series(1, 6000) AS n`);
    const rowsRead = async (): Promise<number> => {
      const [row] = await data.sql<{ n: number }>(
        `SELECT (seq_tup_read + idx_tup_fetch)::int AS n FROM pg_stat_user_tables WHERE relname = 'contact'`,
      );
      return row?.n ?? 0;
    };
    const before = await rowsRead();
    const own = openDatabase({ url: data.url, name: 'onecontact test', max: 1 });
    const first = await readChanges(own, null, 100);
    if (typeof first === 'string') throw new Error(first);
    const middle = { ...first.next, changedIn: 0n, contactId: 'ffffffff-ffff-ffff-ffff-ffffffffffff' };
    expect(await readChanges(own, middle, 100)).toMatchObject({ hasMore: true });
    await own.$disconnect(); // a session reports what it read at its end at the latest
    expect((await eventually(rowsRead, (n) => n > before)) - before).toBeLessThan(220);
  });
});

describe('the age of the fence', () => {
  it('is that of the oldest transaction while committed changes wait for it, and 0 otherwise', async () => {
    await apply(data.db, signup('a', ['x'], 1));
    expect(await readFence(data.db)).toMatchObject({ holdsBack: false });
    const commit = await gate(data, 'SELECT pg_current_xact_id()');
    expect(await readFence(data.db)).toMatchObject({ holdsBack: false });
    await apply(data.db, signup('a', ['y'], 2));
    const held = await readFence(data.db);
    expect(held.holdsBack).toBe(true);
    await apply(data.db, signup('a', ['z'], 3));
    expect(await readFence(data.db)).toEqual(held);
    await commit();
    expect(await readFence(data.db)).toMatchObject({ holdsBack: false });

    const age = new FenceAge();
    const free = { fence: '9', holdsBack: false };
    expect([age.observe(free, 1_000), age.observe({ ...free, holdsBack: true }, 5_000)]).toEqual([0, 4]);
    expect([age.observe({ fence: '12', holdsBack: true }, 6_000), age.observe(free, 9_000)]).toEqual([0, 0]);
  });
});
