/** An undo beside concurrent transactions. A second session holds a row lock as a gate, which forces the interleaving. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findMerge } from '../../src/postgres/tables/merge';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, addressOf, del, signup, uidOf } from '../support/events';
import { gate, waiting } from '../support/gate';
import { apply, brokenPromises } from '../support/stored';

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database?.drop());

/** Merges the reader at `b` into the account at `a`, with names made unique by `run`. @returns a function that undoes it */
async function mergeOf(run: string): Promise<() => ReturnType<typeof apply>> {
  await apply(database.db, acct(run, `a-${run}`, 1), signup(`b-${run}`, ['x'], 2));
  const { merges } = await apply(database.db, acct(run, `b-${run}`, 3));
  const merge = await findMerge(database.db, merges[0]?.id as string);
  if (!merge) throw new Error('nothing was merged');
  return () => apply(database.db, { kind: 'undo', at: Date.now(), merge });
}

/** Locks an address until it is opened: transactions that need its account stop while they take their locks. */
const gateAt = (name: string) =>
  gate(database, 'SELECT FROM email_address WHERE address = $1 FOR UPDATE', [addressOf(name).key]);

describe('an undo', () => {
  it('is superseded by another merge of the survivor that it waited for', async () => {
    const undo = await mergeOf('one');
    await apply(database.db, signup('c-one', [], 4));
    const open = await gateAt('a-one');
    const merge = apply(database.db, acct('one', 'c-one', 5));
    await waiting(database, 1);
    const waitingUndo = undo();
    await waiting(database, 2);
    await open();
    expect((await merge).merges).toHaveLength(1);
    expect(await waitingUndo).toMatchObject({ refusal: 'superseded', merges: [] });
    expect(await brokenPromises(database)).toEqual([]);
  });

  it('is superseded by a merge that a late deletion completed, which only the ledger shows', async () => {
    const undo = await mergeOf('two');
    await apply(database.db, acct('d', 'd-two', 1), acct('two', 'd-two', 5));
    const open = await gateAt('a-two');
    const deletion = apply(database.db, del('d', 4));
    await waiting(database, 1);
    const waitingUndo = undo();
    await waiting(database, 2);
    await open();
    expect((await deletion).merges).toMatchObject([{ reason: 'deletion', uid: uidOf('two') }]);
    expect((await waitingUndo).refusal).toBe('superseded');
    expect(await brokenPromises(database)).toEqual([]);
  });

  it('is done once when two run concurrently, and the other answers already_undone', async () => {
    const undo = await mergeOf('three');
    const open = await gateAt('a-three');
    const both = [undo(), undo()];
    await waiting(database, 2);
    await open();
    const answers = (await Promise.all(both)).map(({ refusal, undone }) => [refusal, undone.length]);
    expect(answers.sort()).toEqual([
      [null, 1],
      ['already_undone', 0],
    ]);
    expect(await database.sql("SELECT FROM outbox WHERE type = 'contact.unmerged'")).toHaveLength(1);
    expect(await brokenPromises(database)).toEqual([]);
  });

  it('waits for a sign-up at an address of the merge', async () => {
    const undo = await mergeOf('four');
    const open = await gateAt('b-four');
    const sign = apply(database.db, signup('b-four', ['late'], 6));
    await waiting(database, 1);
    const waitingUndo = undo();
    await waiting(database, 2);
    await open();
    await sign;
    expect((await waitingUndo).refusal).toBeNull();
    expect(await brokenPromises(database)).toEqual([]);
  });
});
