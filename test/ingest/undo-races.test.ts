/** Case 24 under concurrency: an undo and others at once. A second session holds the gate, so the interleaving is forced. */
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

/** Merges the reader at `b` into the account at `a`; both names end in the run's own. @returns how to undo it */
async function mergeOf(run: string): Promise<() => ReturnType<typeof apply>> {
  await apply(database.db, acct(run, `a-${run}`, 1), signup(`b-${run}`, ['x'], 2));
  const { merges } = await apply(database.db, acct(run, `b-${run}`, 3));
  const merge = await findMerge(database.db, merges[0]?.id as string);
  if (!merge) throw new Error('nothing was merged');
  return () => apply(database.db, { kind: 'undo', at: Date.now(), merge });
}

/** Holds an address until it is opened: who works on its account stands in the middle of taking the locks. */
const gateAt = (name: string) =>
  gate(database, 'SELECT FROM email_address WHERE address = $1 FOR UPDATE', [addressOf(name).key]);

describe('case 24: an undo', () => {
  it('that waits while the survivor is in another merge finds it, and is superseded', async () => {
    const undo = await mergeOf('one');
    await apply(database.db, signup('c-one', [], 4));
    const open = await gateAt('a-one');
    const merge = apply(database.db, acct('one', 'c-one', 5));
    await waiting(database, 1);
    const late = undo();
    await waiting(database, 2);
    await open();
    expect((await merge).merges).toHaveLength(1);
    expect(await late).toMatchObject({ refusal: 'superseded', merges: [] });
    expect(await brokenPromises(database)).toEqual([]);
  });

  it('finds a merge that a late deletion completed: no claim shows it, the ledger alone does', async () => {
    const undo = await mergeOf('two');
    await apply(database.db, acct('d', 'd-two', 1), acct('two', 'd-two', 5));
    const open = await gateAt('a-two');
    const deletion = apply(database.db, del('d', 4));
    await waiting(database, 1);
    const late = undo();
    await waiting(database, 2);
    await open();
    expect((await deletion).merges).toMatchObject([{ reason: 'deletion', uid: uidOf('two') }]);
    expect((await late).refusal).toBe('superseded');
    expect(await brokenPromises(database)).toEqual([]);
  });

  it('is done once, when two come at once: the other finds it done', async () => {
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

  it('waits for a sign-up at an address of the merge, which then is the restored contact’s', async () => {
    const undo = await mergeOf('four');
    const open = await gateAt('b-four');
    const sign = apply(database.db, signup('b-four', ['late'], 6));
    await waiting(database, 1);
    const late = undo();
    await waiting(database, 2);
    await open();
    await sign;
    expect((await late).refusal).toBeNull();
    expect(await brokenPromises(database)).toEqual([]);
  });
});
