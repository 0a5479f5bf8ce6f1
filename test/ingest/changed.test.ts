/** `contact.changed`: which contacts are told of, and which of their parts. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CHANGED_PARTS, type ChangedPart } from '../../src/contacts/profile/changed-parts';
import type { StoredContact } from '../../src/contacts/profile/contact-snapshot';
import type { Step } from '../../src/ingest/apply/steps';
import { applyBatch } from '../../src/ingest/apply/transaction';
import { contactBody } from '../../src/messages/outgoing/contact-body';
import { contactChanged } from '../../src/messages/outgoing/notification-message';
import { ContactChanged } from '../../src/messages/outgoing/schemas';
import { exportContacts } from '../../src/operations/export/store';
import { inTransaction } from '../../src/postgres/database';
import { listMerges } from '../../src/postgres/tables/merge';
import { deleteFromOutbox, takeFromOutbox } from '../../src/postgres/tables/outbox';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, at, confirm, optout, signup, unsub } from '../support/events';
import { contactEvent } from '../support/histories';
import { DEFAULTS, sample } from '../support/stored';

const seed = process.env.SEED === undefined ? Date.now() % 2 ** 31 : Number(process.env.SEED);
const histories = Number(process.env.STORED_HISTORIES ?? 10);

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
const clear = () =>
  database.sql(
    'TRUNCATE contact, email_address, account, address_claim, choice, basket_token, merge, claim_block, outbox, outbox_changes',
  );
beforeEach(clear);
afterAll(() => database?.drop());

const apply = (...steps: Step[]) =>
  applyBatch(database.db, steps, { ...DEFAULTS, notify: { changes: true, confirmations: false } });

/** The messages since the last look. */
async function told(): Promise<ContactChanged[]> {
  const messages = await inTransaction(database.db, async (tx) => {
    const taken = await takeFromOutbox(tx, 10_000);
    await deleteFromOutbox(
      tx,
      taken.map(({ seq }) => seq),
    );
    return taken;
  });
  return messages.flatMap(({ contactId, content }) =>
    'parts' in content ? ContactChanged.parse(contactChanged(contactId, content.version, content.parts)) : [],
  );
}
const parts = async () => (await told()).map(({ version, changed }) => [version, ...changed]);

async function everyone(): Promise<Map<string, StoredContact>> {
  const contacts = new Map<string, StoredContact>();
  await exportContacts(database.db, (page) => {
    for (const contact of page) contacts.set(contact.id, contact);
  });
  return contacts;
}

describe('contact.changed', () => {
  it('names all parts of a new contact, and then those that an event may have changed', async () => {
    await apply(signup('a', ['x'], 1));
    expect(await parts()).toEqual([[1, ...CHANGED_PARTS]]);
    await apply(unsub('a', ['x'], 2));
    expect(await parts()).toEqual([[2, 'newsletters']]);
    await apply(signup('a', [], 3, { profile: { lang: 'fr' } }));
    expect(await parts()).toEqual([[3, 'profile']]);
    await apply(confirm('a', 4));
    expect(await parts()).toEqual([[4, 'newsletters', 'opt_out']]);
    await apply(optout('a', 5));
    expect(await parts()).toEqual([[5, 'newsletters', 'opt_out']]);
  });

  it('tells exactly what differs at an address of an account', async () => {
    await apply(acct('u', 'a', 1));
    await apply(acct('u', 'b', 2));
    await told();
    await apply(signup('a', ['x'], 3));
    expect(await parts()).toEqual([[3, 'newsletters']]);
    await apply(optout('b', 4));
    expect(await parts()).toEqual([[4, 'newsletters', 'opt_out']]);
    await apply(acct('u', 'b', 5, { country: 'de' }));
    expect(await parts()).toEqual([[5, 'profile']]);
  });

  it('is not sent for an event that changes nothing readers see', async () => {
    await apply(signup('a', ['x'], 1), acct('u', 'b', 1));
    await told();
    await apply(signup('a', ['x'], 2), acct('u', 'b', 3), signup('a', ['x'], 1));
    expect(await told()).toEqual([]);
  });

  it('tells of the survivor of a merge, and not of the contact that ended', async () => {
    await apply(acct('u', 'a', 1), signup('b', ['x'], 1));
    await told();
    await apply(acct('u', 'b', 2));
    const [contact] = (await everyone()).values();
    expect((await told()).map(({ contact_id, version }) => [contact_id, version])).toEqual([
      [contact?.id, contact?.version],
    ]);
  });

  it('is not written unless it is asked for', async () => {
    await applyBatch(database.db, [signup('a', ['x'], 1)], DEFAULTS);
    expect(await told()).toEqual([]);
  });
});

/** The part of each key of a contact, as docs/messages-out.md has them. */
const PART_OF: Record<string, ChangedPart> = {
  newsletters: 'newsletters',
  ...{ opted_out: 'opt_out', opted_out_at: 'opt_out', opt_out_reason: 'opt_out', double_opt_in: 'opt_out' },
  ...{ primary_email: 'address', addresses: 'address' },
  ...{ first_name: 'profile', last_name: 'profile', country: 'profile', lang: 'profile', format: 'profile' },
  ...{ account_id: 'account', account_profile: 'account' },
};
/** Tokens move with addresses and accounts; the others follow from keys above, or say when the version rose. */
const OTHER_KEYS = ['contact_id', 'version', 'basket_token', 'emails', 'mailable', 'created_at', 'updated_at'];

function differingParts(before: StoredContact, after: StoredContact): ChangedPart[] {
  const [was, is]: Record<string, unknown>[] = [contactBody(before), contactBody(after)];
  const keys = Object.keys(is as object).filter((key) => !OTHER_KEYS.includes(key));
  expect(keys.filter((key) => !(key in PART_OF))).toEqual([]);
  return keys
    .filter((key) => JSON.stringify(was?.[key]) !== JSON.stringify(is?.[key]))
    .map((key) => PART_OF[key] as ChangedPart);
}

it(
  `generated histories: each new version of a live contact is told once, with every part that differs (SEED=${seed})`,
  async () => {
    const batches = fc.array(fc.array(contactEvent, { minLength: 1, maxLength: 4 }), { minLength: 3, maxLength: 10 });
    for (let run = 0; run < histories; run++) {
      await clear();
      let before = new Map<string, StoredContact>();
      for (const events of sample(batches, seed + run)) {
        const undos = (await listMerges(database.db, { limit: 1 })).filter(({ undoneAt }) => undoneAt === null);
        const isUndo = events.length === 1 && undos.length === 1;
        await apply(...(isUndo ? undos.map((merge) => ({ kind: 'undo' as const, at: at(12), merge })) : events));
        const after = await everyone();
        const messages = await told();
        const raised = [...after.values()].filter(({ id, version }) => version !== before.get(id)?.version);
        expect(messages.map(({ contact_id, version }) => `${contact_id} ${version}`).sort()).toEqual(
          raised.map(({ id, version }) => `${id} ${version}`).sort(),
        );
        for (const { contact_id, changed } of messages) {
          const [was, is] = [before.get(contact_id), after.get(contact_id)];
          const differ = was && is ? differingParts(was, is) : CHANGED_PARTS;
          expect({ seed: seed + run, events, missing: differ.filter((part) => !changed.includes(part)) }).toMatchObject(
            {
              missing: [],
            },
          );
        }
        before = after;
      }
    }
  },
  60_000 + 3_000 * histories,
);
