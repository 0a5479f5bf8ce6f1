/** A contact's version does not rise with a login, and rises with each change of ownership that readers can see. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ContactSnapshot } from '../../src/contacts/profile/contact-snapshot';
import type { Step } from '../../src/ingest/steps';
import { findContact } from '../../src/postgres/find-contact';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, addressOf, del, signup, unsub } from '../support/events';
import { apply } from '../support/stored';

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database?.drop());

const found = async (name: string): Promise<ContactSnapshot> =>
  (await findContact(database.db, { by: 'email', address: addressOf(name).key })) as ContactSnapshot;

/** How much the version of an address's contact rises with some events. */
async function rise(name: string, ...steps: Step[]): Promise<number> {
  const before = await found(name);
  await apply(database.db, ...steps);
  return (await found(name)).version - before.version;
}

describe('the version of a contact', () => {
  it('does not rise with a login of the owner or a repeated claim', async () => {
    await apply(database.db, acct('o', 'login', 1, { locale: 'de', country: 'at' }));
    expect(await rise('login', acct('o', 'login', 2, { locale: 'de', country: 'at' }))).toBe(0);
    expect(await rise('login', acct('o', 'login', 2), acct('o', 'login', 1))).toBe(0);
  });

  it('rises with another spelling, another locale, another primary address and the deletion of the account', async () => {
    await apply(database.db, acct('s', 's1', 1), acct('s', 's2', 2));
    expect(await rise('s1', acct('s', 'S2', 3))).toBe(1);
    expect(await rise('s1', acct('s', 'S2', 4, { locale: 'de' }))).toBe(1);
    expect(await rise('s1', acct('s', 's1', 5))).toBe(1);
    expect(await rise('s1', del('s', 6))).toBe(1);
  });

  it('rises for a former owner of an address when a late claim shows that a choice was another account’s', async () => {
    await apply(database.db, acct('f1', 'f', 1), acct('f1', 'own', 1), acct('f2', 'f', 9), signup('f', ['x'], 5));
    expect((await found('own')).view.newsletters.has('x')).toBe(true);
    expect(await rise('own', acct('f3', 'f', 4))).toBe(1);
    expect((await found('own')).view.newsletters.has('x')).toBe(false);
  });

  it('rises for the next owner of an address when a late deletion passes refusals on', async () => {
    await apply(database.db, acct('p1', 'p', 1), acct('p1', 'q', 1), unsub('q', ['x'], 2), acct('p2', 'p', 4));
    expect(await rise('p', del('p1', 3))).toBe(1);
    expect((await found('p')).view.newsletters.get('x')?.state).toBe('unsubscribed');
  });
});
