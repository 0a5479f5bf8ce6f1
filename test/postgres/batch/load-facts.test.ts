/** What is loaded for a contact is little, and gives the same view and consent ledger as all facts. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { consentOf } from '../../../src/contacts/profile/consent';
import { contactView } from '../../../src/contacts/profile/contact-view';
import { applyBatch } from '../../../src/ingest/apply/transaction';
import { loadFacts } from '../../../src/postgres/batch/load-facts';
import { inSnapshot } from '../../../src/postgres/database';
import { listMerges } from '../../../src/postgres/tables/merge';
import { allFactsOf, factsFrom } from '../../support/all-facts';
import { freshDatabase, type TestDatabase } from '../../support/database';
import { acct, addressOf, at, uidOf } from '../../support/events';
import { contactEvent } from '../../support/histories';
import { apply, DEFAULTS, sample } from '../../support/stored';

const seed = process.env.SEED === undefined ? Date.now() % 2 ** 31 : Number(process.env.SEED);
const histories = Number(process.env.STORED_HISTORIES ?? 15);

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database?.drop());

interface Member {
  contact_id: string;
  addresses: string[];
  uid: string | null;
}

const people = () =>
  database.sql<Member>(`
    SELECT c.id AS contact_id, max(u.uid) AS uid,
      coalesce(array_agg(a.address ORDER BY a.address) FILTER (WHERE a.address IS NOT NULL), '{}') AS addresses
    FROM contact c LEFT JOIN email_address a ON a.contact_id = c.id LEFT JOIN account u ON u.contact_id = c.id
    WHERE c.state = 'live' GROUP BY c.id ORDER BY c.id`);

describe(`the facts that are loaded for a contact, in ${histories} generated histories (SEED=${seed})`, () => {
  it(
    'give the same view and the same consent ledger as all facts',
    async () => {
      /** Many claims on few addresses: accounts that take them from each other, with logins between. */
      const claim = fc
        .tuple(
          fc.constantFrom('u1', 'u2', 'u3', 'u4', 'u5'),
          fc.constantFrom('a', 'b'),
          fc.integer({ min: 1, max: 20 }),
        )
        .map(([u, a, t]) => acct(u, a, t));
      const batches = fc.array(fc.array(fc.oneof(contactEvent, claim), { minLength: 1, maxLength: 5 }), {
        minLength: 3,
        maxLength: 10,
      });
      for (let run = 0; run < histories; run++) {
        await database.sql(
          'TRUNCATE contact, email_address, account, address_claim, choice, basket_token, merge, claim_block, outbox',
        );
        const isObserved = (uid: string): boolean => run % 3 === 0 && uid === uidOf('u1');
        for (const [i, batch] of sample(batches, seed + run).entries()) {
          await applyBatch(database.db, batch, { ...DEFAULTS, observes: isObserved });
          const [merge] = i % 2 === run % 2 ? await listMerges(database.db, { limit: 1, undone: false }) : [];
          if (merge) await apply(database.db, { kind: 'undo', at: at(20 + i), merge });
          if (merge && run % 4 === 1) {
            await apply(database.db, {
              kind: 'unblock',
              uid: merge.uid,
              address: merge.addresses[0] ?? addressOf('a').key,
            });
          }
        }
        const all = factsFrom(await allFactsOf(database.db));
        for (const { contact_id, addresses, uid } of await people()) {
          const person = { uid, addresses };
          const members = { addresses, uids: uid === null ? [] : [uid] };
          const facts = await inSnapshot(database.db, (tx) => loadFacts(tx, members));
          expect([run, contact_id, contactView(facts, person)]).toEqual([run, contact_id, contactView(all, person)]);
          expect(consentOf(facts, person)).toEqual(consentOf(all, person));
        }
      }
    },
    60_000 + 10_000 * histories,
  );
});
