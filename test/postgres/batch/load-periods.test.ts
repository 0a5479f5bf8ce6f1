/** Few claims are loaded, and everything about ownership follows from them as from all. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ClaimEvent, DeletionEvent } from '../../../src/contacts/facts/event';
import { type Claim, Facts } from '../../../src/contacts/facts/facts';
import { claimOf } from '../../../src/contacts/facts/record';
import { periodsOf, primaryOf } from '../../../src/contacts/identity/ownership';
import { loadPeriods } from '../../../src/postgres/batch/load-periods';
import { loadAccounts } from '../../../src/postgres/tables/account';
import { loadAllClaims } from '../../../src/postgres/tables/address-claim';
import { freshDatabase, type TestDatabase } from '../../support/database';
import { acct, addressOf, at, del, uidOf } from '../../support/events';

const seed = process.env.SEED === undefined ? Date.now() % 2 ** 31 : Number(process.env.SEED);
const HISTORIES = Number(process.env.STORED_HISTORIES ?? 200);

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database?.drop());

const USERS = ['u1', 'u2', 'u3'];
const ADDRESSES = ['a', 'b'];
const time = fc.integer({ min: 1, max: 30 });
/** Mostly of one account, so that there are runs of logins. */
const claim = fc.record({
  u: fc.constantFrom('u1', 'u1', 'u1', 'u1', 'u1', 'u1', ...USERS),
  a: fc.constantFrom(...ADDRESSES),
  t: time,
});
const status = fc.constantFrom('held', 'blocked');
const generated = fc.record({
  claims: fc.array(claim, { minLength: 10, maxLength: 40, size: 'max' }),
  deletions: fc.dictionary(fc.constantFrom(...USERS), time, { maxKeys: 2 }),
  inactive: fc.oneof(fc.constant(null), status),
  incoming: fc.array(
    fc.oneof(
      { weight: 3, arbitrary: claim.map(({ u, a, t }) => ({ kind: 'claim' as const, u, a, t })) },
      {
        weight: 1,
        arbitrary: fc.tuple(fc.constantFrom(...USERS), time).map(([u, t]) => ({ kind: 'deletion' as const, u, t })),
      },
    ),
    { maxLength: 4 },
  ),
});

/** Names of its own for each history, so that all of them are stored and loaded at once. */
const renamed = (name: string, history: number): string => `${name}-${history}`;

/** As the service would store the claims at best: every claim that continues a period is marked, none with another status. */
const MARK = `
  UPDATE address_claim AS known SET continues = true
  FROM (
    SELECT *, lag((uid, status)) OVER (PARTITION BY address ORDER BY at, uid) AS before FROM address_claim
  ) AS claim
  WHERE known.address = claim.address AND known.uid = claim.uid AND known.at = claim.at
    AND before = (claim.uid, claim.status)`;

describe(`the claims that are loaded of ${HISTORIES} generated histories (SEED=${seed})`, () => {
  it('give the same periods and primary addresses as all claims, also after events at any time', async () => {
    const histories = fc.sample(generated, { numRuns: HISTORIES, seed });
    const [events, incoming]: [ClaimEvent[], (ClaimEvent | DeletionEvent)[]] = [[], []];
    const statuses = new Map<string, string>();
    for (const [i, history] of histories.entries()) {
      for (const { u, a, t } of history.claims) events.push(acct(renamed(u, i), renamed(a, i), t));
      const [first] = history.claims;
      if (first && history.inactive)
        statuses.set(keyOf(claimOf(acct(renamed(first.u, i), renamed(first.a, i), first.t))), history.inactive);
      for (const step of history.incoming) {
        incoming.push(
          step.kind === 'claim'
            ? acct(renamed(step.u, i), renamed(step.a, i), step.t)
            : del(renamed(step.u, i), step.t),
        );
      }
    }
    const claims = [...new Map(events.map((event) => [keyOf(claimOf(event)), claimOf(event)])).values()];
    await database.sql(
      `INSERT INTO address_claim (address, uid, at, status, event, event_id)
       SELECT address, uid, to_timestamp(at / 1000), status::claim_status, '', ''
       FROM unnest($1::text[], $2::text[], $3::float8[], $4::text[]) AS x (address, uid, at, status)`,
      [
        claims.map(({ address }) => address),
        claims.map(({ uid }) => uid),
        claims.map((it) => it.at),
        claims.map((it) => statuses.get(keyOf(it)) ?? 'active'),
      ],
    );
    const deleted = histories.flatMap(({ deletions }, i) =>
      Object.entries(deletions).map(([u, t]) => ({ uid: uidOf(renamed(u, i)), at: at(t) })),
    );
    await database.sql(
      'INSERT INTO account (uid, deleted_at) SELECT uid, to_timestamp(at / 1000) FROM unnest($1::text[], $2::float8[]) AS x (uid, at)',
      [deleted.map(({ uid }) => uid), deleted.map((it) => it.at)],
    );
    await database.sql(MARK);

    const component = {
      addresses: histories.flatMap((_, i) => ADDRESSES.map((a) => addressOf(renamed(a, i)).key)),
      uids: histories.flatMap((_, i) => USERS.map((u) => uidOf(renamed(u, i)))),
    };
    const accounts = await loadAccounts(database.db, component.uids);
    const all = await loadAllClaims(database.db, component);
    const few = await loadPeriods(database.db, component, {
      claims: incoming.filter((event) => event.kind === 'claim'),
      deletions: incoming.filter((event) => event.kind === 'deletion'),
    });
    expect(new Set(few.map(keyOf)).size).toBeLessThan(0.8 * all.length);

    const [whole, part] = [new Facts(), new Facts()];
    for (const [facts, loaded] of [
      [whole, all],
      [part, few],
    ] as const) {
      for (const account of accounts) facts.addAccount(account);
      for (const it of loaded) facts.addClaim(it);
    }
    const ownership = (facts: Facts) => ({
      periods: component.addresses.map((address) => periodsOf(facts, address)),
      primaries: component.uids.map((uid) => primaryOf(facts, uid)),
    });
    for (const facts of [whole, part]) {
      for (const address of component.addresses)
        facts.addAddress({ address, typed: { value: address, at: 0 }, profile: {} });
    }
    expect(ownership(part)).toEqual(ownership(whole));
    for (const event of incoming) {
      for (const facts of [whole, part]) {
        if (event.kind === 'claim') facts.addClaim(claimOf(event));
        else facts.addAccount({ uid: event.uid, deletedAt: event.at });
      }
    }
    expect(ownership(part)).toEqual(ownership(whole));
  });
});

const keyOf = ({ address, uid, at }: Claim): string => `${address} ${uid} ${at}`;
