/** Chains of merges and messages addressed by retired tokens, on PostgreSQL. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findContact } from '../../src/postgres/look-ups/find-contact';
import { resolveTokens } from '../../src/postgres/tables/basket-token';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, addressOf, confirm, del, optout, signup, uidOf, unsub } from '../support/events';
import { apply, brokenPromises } from '../support/stored';

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database?.drop());

const found = async (name: string) => {
  const person = await findContact(database.db, { by: 'email', address: addressOf(name).key });
  if (!person) throw new Error(`no contact has ${name}`);
  return { id: person.id, token: person.token, view: person.view };
};

it('merging three contacts gives the same contact in either order: (a+b)+c = a+(b+c)', async () => {
  for (const [n, [first, second]] of [
    ['b', 'c'],
    ['c', 'b'],
  ].entries()) {
    const at = (name: string) => `${name}${n}`;
    await apply(database.db, acct(`m${n}`, at('a'), 1), unsub(at('a'), ['x'], 5));
    await apply(database.db, signup(at('b'), ['x', 'y'], 2), signup(at('c'), ['z'], 3), optout(at('c'), 4));
    await apply(database.db, acct(`m${n}`, at(first as string), 6));
    await apply(database.db, acct(`m${n}`, at(second as string), 6));
  }
  const [left, right] = [(await found('a0')).view, (await found('a1')).view];
  expect([...left.newsletters]).toEqual([...right.newsletters]);
  expect([left.optedOut, left.primary?.[0]]).toEqual([right.optedOut, right.primary?.[0]]);
  expect(left.addresses).toHaveLength(3);
});

describe('after a chain of merges', () => {
  const STEPS = 200;
  let tokens: string[];
  let last: string;

  beforeAll(async () => {
    await apply(database.db, signup('chain', ['x'], 1));
    tokens = [(await found('chain')).token];
    // Each account first makes a claim that loses, which gives it a contact without addresses. Then the owner is deleted
    // and the next account inherits the address, so the owner's contact is merged into the next one.
    for (let n = 1; n <= STEPS; n++) {
      const before =
        n > 1
          ? [acct(`c${n}`, 'chain', 0.5), del(`c${n - 1}`, 10 * n)]
          : [acct('c1', 'own', 1), acct('thief', 'own', 2)];
      await apply(database.db, ...before, acct(`c${n}`, 'chain', 10 * n + 1));
    }
    last = (await found('chain')).id;
  }, 900_000);

  it(`of ${STEPS}, every retired id and token opens nothing, and every token resolves to the last contact in one look-up`, async () => {
    const rows = await database.sql<{ retired_id: string; token_retired: string | null; token_kept: string }>(
      'SELECT * FROM merge WHERE $1 = ANY (addresses)',
      [addressOf('chain').key],
    );
    expect(rows).toHaveLength(STEPS);
    tokens.push(...rows.flatMap(({ token_retired }) => token_retired ?? []));
    const { token } = await found('chain');
    for (const { retired_id } of rows) expect(await findContact(database.db, { by: 'id', id: retired_id })).toBeNull();
    for (const retired of new Set(tokens)) {
      if (retired !== token) expect(await findContact(database.db, { by: 'token', token: retired })).toBeNull();
    }
    const roots = await resolveTokens(database.db, [...new Set(tokens)]);
    expect(new Set(roots.map(({ contact_id }) => contact_id))).toEqual(new Set([last]));
    expect(await brokenPromises(database)).toEqual([]);
  });
});

describe('a message addressed by a retired token', () => {
  let retired: string;
  beforeAll(async () => {
    await apply(database.db, acct('t', 'ta', 1));
    retired = (await found('ta')).token;
    await apply(database.db, signup('tb', ['x'], 2));
    await apply(database.db, acct('t', 'tb', 3));
    expect((await found('tb')).token).not.toBe(retired);
  });
  const state = async () => {
    const { view } = await found('tb');
    return {
      optedOut: view.optedOut,
      ...Object.fromEntries([...view.newsletters].map(([name, { state }]) => [name, state])),
    };
  };

  it('subscribes, unsubscribes and opts out the survivor, and confirms it if proven', async () => {
    await apply(database.db, signup({ token: retired }, ['y'], 4), unsub({ token: retired }, ['x'], 4));
    expect(await state()).toMatchObject({ x: 'unsubscribed', y: 'subscribed' });
    await apply(database.db, optout({ token: retired }, 5));
    expect(await state()).toMatchObject({ optedOut: true, y: 'unsubscribed' });
    await apply(database.db, confirm({ token: retired }, 6, false));
    expect(await state()).toMatchObject({ optedOut: true });
    await apply(database.db, confirm({ token: retired }, 7, true));
    expect(await state()).toMatchObject({ optedOut: false });
  });

  it('is reported as unknown if the token never existed or its contact was closed', async () => {
    await apply(database.db, acct('gone', 'g', 1), acct('next', 'g', 2));
    const person = await findContact(database.db, { by: 'account', uid: uidOf('gone') });
    await apply(database.db, del('gone', 3)); // overlapped with the next account: a different person
    const neverIssued = '00000000-0000-4000-8000-00000000dead';
    const { unknownTokens } = await apply(
      database.db,
      unsub({ token: neverIssued }, ['x'], 4),
      unsub({ token: person?.token as string }, ['x'], 4),
      unsub({ token: retired }, ['x'], 4),
    );
    expect(unknownTokens).toEqual([0, 1]);
  });
});

it('an unconfirmed address of the retired side counts as confirmed once the account claims it', async () => {
  await apply(database.db, signup('unconfirmed', ['x'], 1));
  expect((await found('unconfirmed')).view.doubleOptIn).toBe(false);
  await apply(database.db, acct('prover', 'proven', 2), acct('prover', 'unconfirmed', 3));
  expect((await found('unconfirmed')).view).toMatchObject({ doubleOptIn: true, account: uidOf('prover') });
});
