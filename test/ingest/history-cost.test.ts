/** An event and a look-up cost the same whatever came before: rows are counted, not time. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ContactEvent } from '../../src/contacts/facts/event';
import { lockAndLoadSteps } from '../../src/ingest/apply/steps';
import { applyBatch } from '../../src/ingest/apply/transaction';
import { findContact } from '../../src/postgres/look-ups/find-contact';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, addressOf, at, del, optout, signup, uidOf } from '../support/events';
import { rowsRead, within } from '../support/rows-read';
import { apply, brokenPromises, DEFAULTS } from '../support/stored';

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database?.drop());

const toHandle = (...events: ContactEvent[]): Promise<number> =>
  rowsRead(database.db, (tx) => lockAndLoadSteps(tx, events, undefined));
/** All of it, from the look before the locks to the notifications. */
const toApply = (...events: ContactEvent[]): Promise<number> =>
  rowsRead(database.db, (tx) => applyBatch(within(tx), events, DEFAULTS));
const toLookUp = (address: string): Promise<number> =>
  rowsRead(database.db, (tx) => findContact(within(tx), { by: 'email', address: addressOf(address).key }));

/** An account with this many logins, as the service stores them. */
async function withLogins(u: string, a: string, logins: number): Promise<void> {
  await apply(database.db, acct(u, a, 1));
  await database.sql(
    `INSERT INTO address_claim (address, uid, at, event, event_id, continues)
     SELECT $1, $2, to_timestamp($3::float8 / 1000) + i * interval '1 second', 'login', i, true FROM generate_series(1, $4) AS i`,
    [addressOf(a).key, uidOf(u), at(1), logins],
  );
}

/** An address that this many accounts claimed, one after the other; each has an address of its own since, and the last one both. */
async function claimedBy(name: string, accounts: number): Promise<void> {
  await database.sql(
    `WITH made AS MATERIALIZED (
       SELECT i, gen_random_uuid() AS id, $1 || lpad(i::text, 8, '0') || repeat('0', 16) AS uid, $2 || i || '@mail.test' AS own
       FROM generate_series(1, $3) AS i
     ),
     contact AS (INSERT INTO contact (id) SELECT id FROM made),
     token AS (INSERT INTO basket_token (token, contact_id) SELECT gen_random_uuid(), id FROM made),
     account AS (INSERT INTO account (uid, contact_id) SELECT uid, id FROM made),
     own AS (INSERT INTO email_address (address, typed, typed_at, contact_id) SELECT own, own, to_timestamp(0), id FROM made),
     shared AS (
       INSERT INTO email_address (address, typed, typed_at, contact_id)
       SELECT $2 || '@mail.test', $2 || '@mail.test', to_timestamp(0), id FROM made WHERE i = $3
     )
     INSERT INTO address_claim (address, uid, at, event, event_id)
     SELECT address, uid, to_timestamp(1767225600 + 2 * i + late), 'login', i
     FROM made, LATERAL (VALUES ($2 || '@mail.test', 0), (own, 1)) AS claim (address, late)`,
    [uidOf(name).slice(0, 8), name, accounts],
  );
}

/** The fifth account that claimed an address, and the address of its own. */
const memberOf = (name: string) => ({
  uid: `${uidOf(name).slice(0, 8)}00000005${'0'.repeat(16)}`,
  address: `${name}5`,
});

describe('the rows that are read', () => {
  it('for an event do not depend on the earlier logins of its account', async () => {
    await withLogins('few', 'few', 40);
    await withLogins('many', 'many', 40_000);
    for (const event of [
      (u: string, t: number) => acct(u, u, t),
      (u: string) => acct(u, u, 20),
      (u: string) => acct('another', u, 20.5),
      (u: string, t: number) => acct('another', u, t),
      (u: string, t: number) => acct(u, `${u}-new`, t),
      (u: string) => del(u, 20),
      (u: string, t: number) => del(u, t),
    ]) {
      const few = await toHandle(event('few', 50_000));
      expect(few).toBeLessThan(75);
      expect(await toHandle(event('many', 50_000))).toBeLessThanOrEqual(few + 15);
    }
    expect(await toLookUp('many')).toBeLessThanOrEqual((await toLookUp('few')) + 5);
  });

  it('for a batch of logins are few for each of them, and none of it is another version', async () => {
    const users = Array.from({ length: 100 }, (_, i) => `batch-${i}`);
    for (const u of users) await withLogins(u, u, 300);
    expect(await toHandle(...users.map((u) => acct(u, u, 50_000)))).toBeLessThan(20 * users.length);
    const { contacts, addresses, spellings, continuing } = await apply(
      database.db,
      ...users.map((u) => acct(u, u, 50_000)),
    );
    expect([contacts.changed, contacts.created, addresses]).toEqual([[], [], []]);
    expect([spellings.length, continuing.length]).toEqual([100, 100]);
    expect(await brokenPromises(database)).toEqual([]);
  });

  it('for a login and a look-up do not depend on the accounts that once claimed an address of the account', async () => {
    await claimedBy('ten', 10);
    await claimedBy('thousands', 10_000);
    const costs = async (name: string) => {
      const { uid, address } = memberOf(name);
      return [await toHandle({ ...acct('x', address, 50_000), uid }), await toLookUp(address), await toLookUp(name)];
    };
    expect(Math.max(...(await costs('ten')), ...(await costs('thousands')))).toBeLessThan(50);
  });

  it.each<[string, (name: string, token: string) => ContactEvent]>([
    ['another claim of the address', (name) => acct('new', name, 60_000)],
    ['a claim that takes the address back', (name) => ({ ...acct('x', name, 60_000), uid: memberOf(name).uid })],
    ['an old claim that arrives late', (name) => acct('new', name, 11)],
    ['a change of the primary address', (name) => ({ ...acct('x', `${name}-new`, 60_000), uid: memberOf(name).uid })],
    ['a deletion', (name) => ({ ...del('x', 60_000), uid: memberOf(name).uid })],
    ['an old deletion that arrives late', (name) => ({ ...del('x', 1), uid: memberOf(name).uid })],
    ['a sign-up at the address', (name) => signup(name, ['x'], 60_000, { profile: { firstName: 'Ada' } })],
    ['an old sign-up that arrives late', (name) => signup(name, ['x'], 11, { profile: { firstName: 'Ada' } })],
    ['a sign-up at the address of such an account', (name) => signup(memberOf(name).address, ['x'], 60_000)],
    ['a refusal by the token of such an account', (_, token) => optout({ token }, 60_000)],
  ])('for %s hardly depend on how many accounts once claimed the address', async (_, event) => {
    // As autovacuum does after so many rows: plans that were made for a small table are made again.
    await database.sql('ANALYZE');
    const cost = async (name: string) => {
      const [row] = await database.sql<{ token: string }>(
        'SELECT token FROM basket_token JOIN account USING (contact_id) WHERE uid = $1',
        [memberOf(name).uid],
      );
      return toApply(event(name, row?.token as string));
    };
    const few = await cost('ten');
    expect(few).toBeLessThan(250);
    expect(await cost('thousands')).toBeLessThanOrEqual(3 * few);
  });

  it('are those of the contacts that an event changes, and no others get a version', async () => {
    // An account that takes the address changes its own contact and that of the owner before.
    const { contacts } = await apply(database.db, acct('new', 'thousands', 60_000));
    expect([contacts.created.length, contacts.changed.length]).toEqual([1, 1]);
  });
});
