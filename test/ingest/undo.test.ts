/** Undoing a merge on PostgreSQL. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ContactUnmerged } from '../../src/messages/outgoing/schemas';
import { findContact } from '../../src/postgres/look-ups/find-contact';
import { findMerge } from '../../src/postgres/tables/merge';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, addressOf, at, optout, signup, unsub } from '../support/events';
import { contactEvent, history } from '../support/histories';
import { MemoryStore } from '../support/memory-store';
import { apply, brokenPromises, canonicalExportOf, sample } from '../support/stored';

const seed = process.env.SEED === undefined ? Date.now() % 2 ** 31 : Number(process.env.SEED);
const histories = Number(process.env.STORED_HISTORIES ?? 10);

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database?.drop());

async function undo(id: string, now: number) {
  const merge = await findMerge(database.db, id);
  if (!merge) throw new Error(`there is no merge ${id}`);
  return apply(database.db, { kind: 'undo', at: now, merge });
}

const outbox = () => database.sql<{ type: string; body: unknown }>('SELECT * FROM outbox ORDER BY seq');

const found = async (name: string) => {
  const person = await findContact(database.db, { by: 'email', address: addressOf(name).key });
  if (!person) throw new Error(`no contact has ${name}`);
  return person;
};

it('an undo restores the id, the token and the choices of each side, and sends contact.unmerged once', async () => {
  await apply(database.db, acct('u', 'a', 1), signup('b', ['x'], 2));
  const before = [await found('a'), await found('b')].map(({ id, token }) => ({ id, token }));
  const { merges } = await apply(database.db, acct('u', 'b', 3));
  await apply(database.db, unsub('b', ['y'], 4), optout({ token: (await found('a')).token }, 5));
  const sent = (await outbox()).length;

  const id = merges[0]?.id as string;
  expect((await undo(id, at(9))).refusal).toBeNull();
  const [a, b] = [await found('a'), await found('b')];
  expect([a, b].map(({ id, token }) => ({ id, token }))).toEqual(before);
  expect([a, b].map(({ view }) => view.optedOut)).toEqual([true, true]);
  expect([...b.view.newsletters.keys()]).toEqual(['x', 'y']);
  const incoming = (await outbox()).slice(sent);
  expect(incoming.map(({ type }) => type)).toEqual(['contact.unmerged', 'contact.email_changed']);
  expect(ContactUnmerged.parse(incoming[0]?.body)).toMatchObject({
    merge_id: id,
    survivor: { contact_id: before[0]?.id, basket_token: before[0]?.token, opted_out: true },
    restored: { contact_id: before[1]?.id, basket_token: before[1]?.token, opted_out: true, account_id: null },
    addresses: ['b@mail.test'],
  });

  expect((await undo(id, at(10))).refusal).toBe('already_undone');
  const { inactiveClaims } = await apply(database.db, acct('u', 'b', 3)); // redelivery of the trigger
  expect(inactiveClaims).toEqual({ held: 0, blocked: 1 });
  expect((await outbox()).length).toBe(sent + 2);
  expect(await brokenPromises(database)).toEqual([]);
});

describe(`generated histories with undone merges (SEED=${seed})`, () => {
  it(`have the same refusals, contacts and export on PostgreSQL as in the pure domain (${histories} histories)`, async () => {
    const seen = { undone: 0, refused: 0 };
    for (let run = 0; seen.undone < histories || seen.refused === 0; run++) {
      await database.sql(
        'TRUNCATE contact, email_address, account, address_claim, choice, basket_token, merge, claim_block, outbox',
      );
      const [events, later] = [
        sample(history(14), seed + run),
        sample(fc.array(contactEvent, { maxLength: 6 }), seed + run),
      ];
      const store = new MemoryStore();
      for (const event of events) store.apply([event]);
      const n = run % Math.max(1, store.merges.length);
      const plan = store.merges[n];
      if (!plan) continue;
      for (const event of events) await apply(database.db, event);
      const ledger = await database.sql<{ id: string; uid: string }>('SELECT id, uid FROM merge ORDER BY seq');
      expect(ledger.map(({ uid }) => uid)).toEqual(store.merges.map(({ uid }) => uid));

      const command = store.undoOf(plan, at(100));
      const refusal = store.look(command);
      expect((await undo(ledger[n]?.id as string, at(100))).refusal).toBe(refusal);
      if (refusal === null) store.apply([command]);
      seen[refusal === null ? 'undone' : 'refused'] += 1;
      for (const event of later) store.apply([event]);
      for (const event of later) await apply(database.db, event);
      expect(await brokenPromises(database)).toEqual([]);
      expect(await canonicalExportOf(database.db)).toEqual(store.export());
      const states = 'SELECT state::text, count(*)::int AS n FROM contact GROUP BY 1';
      const stored = await database.sql<{ state: string; n: number }>(states);
      for (const { state, n: count } of stored) {
        expect([state, count]).toEqual([state, [...store.contacts.values()].filter((it) => it.state === state).length]);
      }
    }
  }, 300_000);
});
