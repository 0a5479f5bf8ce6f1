/** Batches that connect accounts while others look: a look is lost seldom, and never without end. Looks are counted, not time. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ContactEvent } from '../../src/contacts/facts/event';
import { LookTurns } from '../../src/ingest/apply/look-turns';
import { lockAndLoadSteps } from '../../src/ingest/apply/steps';
import { applyBatch } from '../../src/ingest/apply/transaction';
import { handleBatch } from '../../src/ingest/batch';
import type { Outcome } from '../../src/ingest/outcome';
import { erasePerson } from '../../src/operations/erase/run';
import { lookAlone } from '../../src/postgres/batch/find-component';
import { type Database, inTransaction, openDatabase } from '../../src/postgres/database';
import type { Prisma } from '../../src/postgres/generated/prisma/client';
import { Random } from '../../tools/random';
import { silent } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, addressOf, del, signup } from '../support/events';
import { doneOrWaiting, gate, waiting } from '../support/gate';
import { apply, brokenPromises, DEFAULTS } from '../support/stored';

/** More than a batch of account events ever needs. */
const FEW = 3;

let database: TestDatabase;
/** The connections of another process. */
let elsewhere: Database;
beforeAll(async () => {
  database = await freshDatabase();
  elsewhere = openDatabase({ url: database.url, name: 'onecontact test', max: 4 });
});
beforeEach(() => database.sql('TRUNCATE email_address, account, contact CASCADE'));
afterAll(async () => {
  await elsewhere?.$disconnect();
  await database?.drop();
});

/** In each look before the locks. */
const LOOK = 'pg_advisory_xact_lock_shared';
const LOCK_OF_ADDRESSES = 'ORDER BY address FOR NO KEY UPDATE';

/** The same database, with something done after each statement that has a text in it. */
const doAfter = (text: string, db: Database, work: () => Promise<unknown>): Database =>
  db.$extends({
    query: {
      async $queryRaw({ args, query }) {
        const rows = await query(args);
        if ((args as Prisma.Sql).sql.includes(text)) await work();
        return rows;
      },
    },
  }) as unknown as Database;

/** Applies a batch. @returns how many looks it lost */
async function lostBy(db: Database, events: ContactEvent[], lookTurns = new LookTurns()): Promise<number> {
  let lost = 0;
  const onStaleRead = (): void => {
    lost += 1;
  };
  await applyBatch(db, events, { ...DEFAULTS, lookTurns, onStaleRead });
  return lost;
}

describe('a batch of account events', () => {
  it('that reaches one more account of another process after each look makes the other wait after two lost looks', async () => {
    const members = ['a', 'b', 'c', 'd'];
    await apply(database.db, ...members.map((name) => acct(name, name, 99)));
    let others = 0;
    const otherSlot: Promise<number>[] = [];
    /** A deleted account that had the address of a member before. */
    const addPredecessor = async (): Promise<void> => {
      const [other, member] = [`other-${others}`, members[others++ % 4] as string];
      const batch = lostBy(elsewhere, [acct(other, member, others), del(other, others)]);
      otherSlot.push(batch);
      await doneOrWaiting(database, batch);
    };
    const lost: number[] = [];
    for (let round = 0; round < 5; round++) {
      const events = members.map((name) => acct(name, `${name}-${round}`, 100 + round));
      lost.push(await lostBy(doAfter(LOOK, database.db, addPredecessor), events));
      lost.push(...(await Promise.all(otherSlot.splice(0))));
    }
    expect(Math.max(...lost)).toBe(2);
    expect(others).toBe(15);
    expect(await brokenPromises(database)).toEqual([]);
  });

  it('loses few looks when two slots connect more and more to the same few accounts', async () => {
    const random = new Random(16, 'dense');
    let time = 1;
    // Every other event has a new address.
    const event = (): ContactEvent =>
      acct(`u${random.below(8)}`, `a${random.chance(0.5) ? time : random.below(8)}`, time++);
    const batches = Array.from({ length: 120 }, () => Array.from({ length: 5 }, event));
    const lookTurns = new LookTurns();
    const lost: number[] = [];
    const slot = async (db: Database): Promise<void> => {
      for (let batch = batches.pop(); batch; batch = batches.pop()) lost.push(await lostBy(db, batch, lookTurns));
    };
    await Promise.all([slot(database.db), slot(elsewhere)]);
    expect(lost).toHaveLength(120);
    expect(Math.max(...lost)).toBeLessThanOrEqual(FEW);
    expect(lost.reduce((sum, looks) => sum + looks)).toBeLessThan(lost.length / 4);
    expect(await brokenPromises(database)).toEqual([]);
  });

  it('at new addresses is split when sign-ups at these addresses are faster each time, and all of it is done', async () => {
    const names = Array.from({ length: 8 }, (_, i) => `new-${i}`);
    let [signedUp, attempts] = [0, 0];
    const db = doAfter(LOCK_OF_ADDRESSES, database.db, async () => {
      attempts += 1;
      if (signedUp < names.length) await apply(elsewhere, signup(names[signedUp++] as string, ['x'], 1));
    });
    const items = names.map((name) => ({ event: acct(name, name, 2), outcome: null as Outcome | null }));
    const codes: string[] = [];
    await handleBatch(items, {
      db,
      options: DEFAULTS,
      log: silent,
      stopping: new AbortController().signal,
      onApplied: () => undefined,
      onFailure: ({ code, kind }) => void codes.push(`${kind} ${code}`),
      onAway: () => undefined,
      onBack: () => undefined,
    });
    expect(items.map(({ outcome }) => outcome?.kind)).toEqual(Array(8).fill('ok'));
    expect(new Set(codes)).toEqual(new Set(['transient stale_read']));
    expect(attempts).toBeLessThanOrEqual(signedUp + codes.length + 1);
    expect(await brokenPromises(database)).toEqual([]);
  });
});

describe('a batch that looks alone', () => {
  const deadlocks = async (): Promise<unknown> =>
    (await database.sql('SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()'))[0]
      ?.deadlocks;
  /** Locks what an event concerns, with all others waiting for its look. */
  const lockedAlone = (event: ContactEvent) =>
    inTransaction(database.db, async (tx) => {
      await lookAlone(tx);
      await lockAndLoadSteps(tx, [event], undefined);
    });

  it('holds up no sign-up, and cannot deadlock with one that must compare views under its locks', async () => {
    await apply(database.db, acct('owner', 'shared', 1), signup('shared', ['x'], 2));
    const version = async () =>
      (await database.sql<{ version: number }>('SELECT version FROM contact'))[0]?.version ?? 0;
    const before = await version();
    const open = await gate(database, 'LOCK TABLE choice IN SHARE MODE');
    // Holds its address, and waits to store its choice; whether readers see it depends on the account.
    const signUp = apply(elsewhere, signup('shared', ['y'], 3));
    await waiting(database, 1);
    const alone = lockedAlone(acct('owner', 'shared', 4));
    await waiting(database, 2);
    await open();
    await Promise.all([signUp, alone]);
    expect(await deadlocks()).toBe(0);
    expect(await version()).toBe(before + 1);
  });

  it('lets sign-ups pass while it waits for a row, and account events afterwards', async () => {
    await apply(database.db, acct('waits', 'waits', 1));
    const open = await gate(database, 'SELECT FROM email_address WHERE address = $1 FOR UPDATE', [
      addressOf('waits').key,
    ]);
    const alone = lockedAlone(acct('waits', 'waits', 0));
    await waiting(database, 1);
    await apply(elsewhere, signup('passes', ['x'], 1));
    const other = lostBy(elsewhere, [acct('other', 'other', 1)]);
    await waiting(database, 2);
    await open();
    await alone;
    expect(await other).toBe(0);
  });

  it('cannot deadlock with the first erasure, which locks the table of erasures before it looks', async () => {
    await apply(database.db, acct('stays', 'stays', 1), signup('goes', ['x'], 1));
    let erasing: ReturnType<typeof erasePerson> | undefined;
    await inTransaction(database.db, async (tx) => {
      await lookAlone(tx);
      erasing = erasePerson(elsewhere, addressOf('goes'), { erasureKey: 'k'.repeat(32) });
      await waiting(database, 1);
      await lockAndLoadSteps(tx, [acct('stays', 'stays', 2)], null);
    });
    expect((await erasing)?.deleted.contacts).toBe(1);
    expect(await deadlocks()).toBe(0);
  });
});
