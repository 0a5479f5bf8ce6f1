/** Refusals addressed by token or by contact id, on PostgreSQL. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findContact } from '../../src/postgres/look-ups/find-contact';
import { findMerge } from '../../src/postgres/tables/merge';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, addressOf, at, confirm, del, exactly, optout, signup, uidOf, unsub } from '../support/events';
import { apply, brokenPromises } from '../support/stored';

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database?.drop());

const found = async (name: string) => {
  const person = await findContact(database.db, { by: 'email', address: addressOf(name).key });
  if (!person) throw new Error(`no contact has ${name}`);
  return person;
};
const stateAt = async (name: string) => (await found(name)).view.newsletters.get('x')?.state;

describe('a refusal by token', () => {
  it('through the surviving token of a merge still holds at the retired side’s address after an undo', async () => {
    await apply(database.db, acct('u', 'a', 1), signup('b', ['x'], 2));
    const { merges } = await apply(database.db, acct('u', 'b', 3));
    await apply(database.db, unsub({ token: (await found('a')).token }, ['x'], 4));
    const merge = await findMerge(database.db, merges[0]?.id as string);
    if (!merge) throw new Error('the merge is not in the ledger');
    await apply(database.db, { kind: 'undo', at: at(9), merge });
    expect((await found('b')).view.account).toBeNull();
    expect(await stateAt('b')).toBe('unsubscribed');
    expect(await brokenPromises(database)).toEqual([]);
  });

  it('while an account owns the address still holds when a late deletion leaves the address without an owner', async () => {
    await apply(database.db, acct('late', 'lone', 5));
    await apply(database.db, optout({ token: (await found('lone')).token }, 6));
    await apply(database.db, del('late', 4));
    expect((await found('lone')).view).toMatchObject({ account: null, optedOut: true });
  });

  it('is recorded at an address that the contact has lost, if it had the address at that time', async () => {
    await apply(database.db, acct('l1', 'lost', 1), acct('l1', 'kept', 2), acct('l2', 'lost', 9));
    await apply(database.db, unsub({ token: (await found('kept')).token }, ['x'], 5));
    const rows = await database.sql<{ origin: string }>(
      'SELECT origin FROM choice WHERE origin IN ($1, $2, $3) ORDER BY 1',
      [uidOf('l1'), addressOf('kept').key, addressOf('lost').key],
    );
    expect(rows.map(({ origin }) => origin).sort()).toEqual(
      [uidOf('l1'), addressOf('kept').key, addressOf('lost').key].sort(),
    );
  });
});

describe('a contact’s id in place of a token', () => {
  it('unsubscribes and opts out, also at any depth of merges', async () => {
    await apply(database.db, signup('c0', ['x'], 1), signup('c1', ['x'], 1), acct('v', 'c2', 1), del('v', 2));
    const ids = [(await found('c0')).id, (await found('c1')).id, (await found('c2')).id];
    await apply(database.db, acct('w', 'c', 3), acct('w', 'c0', 4), acct('w', 'c1', 5));
    await apply(database.db, acct('w', 'c2', 6));
    const survivor = await found('c');
    expect((await found('c2')).id).toBe(survivor.id);
    const { unknownTokens } = await apply(database.db, unsub({ token: ids[1] as string }, ['x'], 7));
    expect(unknownTokens).toEqual([]);
    expect(await stateAt('c')).toBe('unsubscribed');
    await apply(database.db, optout({ token: ids[2] as string }, 8));
    expect((await found('c')).view.optedOut).toBe(true);
    await apply(database.db, confirm({ token: survivor.token }, 9), optout({ token: ids[0] as string }, 10));
    expect((await found('c')).view.optedOut).toBe(true);
  });

  it('with exactly these newsletters ends the others, subscribes to none, and changes no profile', async () => {
    await apply(database.db, signup('set', ['x', 'y'], 1));
    const { id } = await found('set');
    const set = { ...exactly({ token: id }, ['y', 'z'], 2), profile: { lang: 'fr' } };
    expect((await apply(database.db, set)).unknownTokens).toEqual([]);
    const { newsletters, profile } = (await found('set')).view;
    expect([...newsletters].map(([name, { state }]) => `${name} ${state}`)).toEqual(['x unsubscribed', 'y subscribed']);
    expect(profile.lang).toBeNull();
  });

  it('is an unknown token for a sign-up or a confirmation', async () => {
    await apply(database.db, signup('s', ['x'], 1), optout('s', 2));
    const { id } = await found('s');
    const batch = [signup({ token: id }, ['x'], 3, { optin: true }), confirm({ token: id }, 3)];
    expect((await apply(database.db, ...batch)).unknownTokens).toEqual([0, 1]);
    expect((await apply(database.db, ...batch, unsub({ token: id }, ['y'], 3))).unknownTokens).toEqual([0, 1]);
    expect((await found('s')).view.optedOut).toBe(true);
  });

  it('is an unknown token if the contact was closed or erased, or never existed', async () => {
    await apply(database.db, acct('gone', 'g', 1));
    const { id } = await found('g');
    await apply(database.db, acct('next', 'g', 2));
    const { id: closed } = (await findContact(database.db, { by: 'account', uid: uidOf('gone') })) ?? { id };
    await apply(database.db, del('gone', 3));
    await apply(database.db, signup('e', ['x'], 1));
    const erased = (await found('e')).id;
    await database.sql('DELETE FROM email_address WHERE contact_id = $1', [erased]);
    await database.sql('DELETE FROM basket_token WHERE contact_id = $1', [erased]);
    await database.sql("UPDATE contact SET state = 'erased' WHERE id = $1", [erased]);
    const never = '00000000-0000-4000-8000-00000000dead';
    const refusals = [closed, erased, never].map((token) => unsub({ token }, ['x'], 4));
    expect((await apply(database.db, ...refusals)).unknownTokens).toEqual([0, 1, 2]);
  });

  it('opens nothing on a look-up by token', async () => {
    const { id } = await found('s');
    expect(await findContact(database.db, { by: 'token', token: id })).toBeNull();
  });
});
