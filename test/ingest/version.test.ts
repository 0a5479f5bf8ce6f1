/** A contact's version rises with every change that readers can see, and not without one: on PostgreSQL. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ContactEvent } from '../../src/contacts/facts/event';
import type { StoredContact } from '../../src/contacts/profile/contact-snapshot';
import type { Step } from '../../src/ingest/apply/steps';
import { contactBody } from '../../src/messages/outgoing/contact-body';
import { exportContacts } from '../../src/operations/export/store';
import { findContact } from '../../src/postgres/look-ups/find-contact';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, addressOf, at, because, confirm, del, exactly, optout, signup, uidOf, unsub } from '../support/events';
import { contactEvent } from '../support/histories';
import { ledgerOf, undoOf } from '../support/ledger';
import { apply, sample } from '../support/stored';

const seed = Number(process.env.SEED ?? 4711);
const histories = Number(process.env.STORED_HISTORIES ?? 15);

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database?.drop());

const found = async (name: string): Promise<StoredContact> =>
  (await findContact(database.db, { by: 'email', address: addressOf(name).key })) as StoredContact;

/** How much the version of an address's contact rises with some events. */
async function rise(name: string, ...steps: Step[]): Promise<number> {
  const before = await found(name);
  await apply(database.db, ...steps);
  return (await found(name)).version - before.version;
}

/** What readers see of a contact, but its version and when that rose. */
function bodyOf(contact: StoredContact): string {
  const { version, updated_at, ...body } = contactBody(contact);
  return JSON.stringify(body);
}

async function everyone(): Promise<Map<string, StoredContact>> {
  const contacts = new Map<string, StoredContact>();
  await exportContacts(database.db, (page) => {
    for (const contact of page) contacts.set(contact.id, contact);
  });
  return contacts;
}

const profile = { firstName: 'Ada', lang: 'fr', format: 'H' };

describe('the version of a contact', () => {
  it('does not rise with a repeated sign-up at a lone address', async () => {
    await apply(database.db, signup('lone', ['x', 'y'], 1, { profile }));
    expect(await rise('lone', signup('lone', ['y', 'x'], 2, { profile }))).toBe(0);
    expect(await rise('lone', signup('lone', ['x'], 3, { profile }), signup('lone', ['y'], 4, { profile }))).toBe(0);
    expect(await rise('lone', signup('lone', ['x'], 3, { profile }))).toBe(0);
  });

  it('rises with a repeated sign-up that says something else besides, and only if it is the latest', async () => {
    const from = (source: string, t: number) => ({ ...signup('says', ['x'], t, { profile }), source });
    await apply(database.db, from('https://one.test/', 1));
    expect(await rise('says', from('https://two.test/', 3))).toBe(1);
    expect(await rise('says', from('https://three.test/', 2))).toBe(0);
    expect(await rise('says', signup('says', ['x'], 4, { profile: { ...profile, lang: 'de' } }))).toBe(1);
    expect(await rise('says', signup('says', ['x'], 5, { profile: { ...profile, lang: 'de', format: 'T' } }))).toBe(1);
    const geo = (country: string, t: number) => ({
      ...signup('says', ['x'], t, { profile: { lang: 'de', format: 'T' } }),
      fields: new Map([['x', JSON.stringify({ geo: country })]]),
    });
    expect(await rise('says', geo('de', 5.1))).toBe(1);
    expect(await rise('says', geo('fr', 5.2))).toBe(1);
    expect(await rise('says', geo('fr', 5.3))).toBe(0);
    await apply(database.db, acct('says', 'says', 6));
    expect(await rise('says', from('https://four.test/', 7))).toBe(1);
    expect(await rise('says', from('https://four.test/', 8))).toBe(0);
  });

  it('rises with a set that ends or begins something, and not with a set that changes nothing', async () => {
    await apply(database.db, signup('sets', ['x', 'y'], 1));
    expect(await rise('sets', exactly('sets', ['x', 'y'], 2))).toBe(0);
    expect(await rise('sets', exactly('sets', ['x'], 3))).toBe(1);
    expect(await rise('sets', exactly('sets', ['x'], 3))).toBe(0);
    expect(await rise('sets', exactly('sets', ['x'], 4, { among: ['x', 'z'] }))).toBe(0);
    expect(await rise('sets', signup('sets', ['y'], 2.5))).toBe(0);
    expect(await rise('sets', signup('sets', ['y'], 5))).toBe(1);
    expect(await rise('sets', signup('sets', ['x'], 5), signup('sets', ['y'], 5))).toBe(0);
    expect(await rise('sets', exactly('sets', [], 6))).toBe(1);
    expect(await rise('sets', signup('sets', ['x'], 5.5))).toBe(0);
    expect(await rise('sets', signup('sets', ['x'], 7))).toBe(1);
  });

  it('rises with a reason that is shown with a refusal, and not with a reason that explains nothing', async () => {
    await apply(database.db, signup('why', ['x', 'y'], 1));
    expect(await rise('why', because('why', 'early', ['x'], 3))).toBe(0);
    expect(await rise('why', unsub('why', ['x'], 2))).toBe(1);
    expect((await found('why')).view.newsletters.get('x')?.details.reason).toBe('early');
    expect(await rise('why', because('why', 'late', ['x'], 4))).toBe(1);
    expect(await rise('why', because('why', 'never seen', ['x'], 3.5))).toBe(0);
    expect(await rise('why', because('why', 'of another', ['y'], 5))).toBe(0);
    expect(await rise('why', optout('why', 6), because('why', 'enough', [], 7))).toBe(1);
    expect((await found('why')).view.optOut).toEqual({ at: at(6), reason: 'enough' });
  });

  it('rises with a later opt-out, whose time and reason are shown', async () => {
    const leaving = (reason: string, t: number) => ({ ...optout('leaves', t), reason });
    await apply(database.db, leaving('too many', 1));
    expect(await rise('leaves', leaving('far too many', 2))).toBe(1);
    expect(await rise('leaves', leaving('the first', 0.5))).toBe(0);
    expect((await found('leaves')).view.optOut).toEqual({ at: at(2), reason: 'far too many' });
  });

  it('rises with what an account says of itself for the first time: locale, first service, when it was created', async () => {
    await apply(database.db, acct('says2', 'profile', 1));
    expect(await rise('profile', acct('says2', 'profile', 2, { locale: 'xx' }))).toBe(1);
    expect(await rise('profile', acct('says2', 'profile', 3, { service: 'sync' }))).toBe(1);
    expect(await rise('profile', acct('says2', 'profile', 4, { createdAt: at(0) }))).toBe(1);
    const same = { locale: 'xx', service: 'relay', createdAt: at(0) };
    expect(await rise('profile', acct('says2', 'profile', 5, same))).toBe(0);
    expect((await found('profile')).view.accountProfile).toEqual({
      ...{ createdAt: at(0), firstService: 'sync', locale: 'xx' },
    });
  });

  it('moves the time of the last change with it, and only with it', async () => {
    await apply(database.db, signup('times', ['x'], 1));
    const first = await found('times');
    expect(first.updatedAt).toEqual(first.createdAt);
    await apply(database.db, signup('times', ['x'], 2));
    expect((await found('times')).updatedAt).toEqual(first.updatedAt);
    await apply(database.db, unsub('times', ['x'], 3));
    const second = await found('times');
    expect([second.createdAt, Number(second.updatedAt) > Number(first.updatedAt)]).toEqual([first.createdAt, true]);
  });

  it('does not rise with a repeated sign-up at an account’s address, also with logins between', async () => {
    await apply(database.db, acct('r', 'owned', 1), acct('r', 'second', 1), signup('owned', ['x'], 2, { profile }));
    await apply(database.db, acct('r', 'owned', 3));
    expect(await rise('owned', signup('owned', ['x'], 4, { profile }))).toBe(0);
    expect(await rise('owned', acct('r', 'owned', 5), signup('owned', ['x'], 6, { profile }))).toBe(0);
  });

  it('does not rise with a login of the owner or a repeated claim', async () => {
    await apply(database.db, acct('o', 'login', 1, { locale: 'de', country: 'at' }));
    expect(await rise('login', acct('o', 'login', 2, { locale: 'de', country: 'at' }))).toBe(0);
    expect(await rise('login', acct('o', 'login', 2), acct('o', 'login', 1))).toBe(0);
  });

  it('does not rise with a repeated sign-up after a refusal that the first one had answered', async () => {
    await apply(database.db, signup('back', ['x'], 1), unsub('back', ['x'], 2), signup('back', ['x'], 3));
    expect(await rise('back', signup('back', ['x'], 4))).toBe(0);
  });

  it('rises with another spelling, a new value, a proof, a new newsletter and a refusal', async () => {
    await apply(database.db, signup('news', ['x'], 1, { profile }));
    expect(await rise('news', signup('News', ['x'], 2))).toBe(1);
    expect(await rise('news', signup('News', ['x'], 3, { profile: { firstName: 'Eve' } }))).toBe(1);
    expect(await rise('news', signup('News', ['x'], 4, { optin: true }))).toBe(1);
    expect(await rise('news', signup('News', ['y'], 5))).toBe(1);
    expect(await rise('news', unsub('News', ['x'], 6))).toBe(1);
    expect(await rise('news', signup('News', ['x'], 7))).toBe(1);
  });

  it('rises with a repeated sign-up after an opt-out or a refusal at another address', async () => {
    await apply(database.db, acct('m', 'm1', 1), acct('m', 'm2', 1), signup('m1', ['x', 'y'], 2));
    await apply(database.db, unsub('m2', ['x'], 3));
    expect(await rise('m1', signup('m1', ['x'], 4))).toBe(1);
    await apply(database.db, optout('m2', 5));
    expect(await rise('m1', signup('m1', ['y'], 6))).toBe(1);
    expect(await rise('m1', confirm('m1', 7))).toBe(1);
  });

  it('does not rise for the owner of an address where a former owner’s refusal by token is recorded', async () => {
    await apply(database.db, acct('f1', 'had', 1), acct('f1', 'has', 2), acct('f2', 'had', 9));
    const { token, version } = await found('has');
    expect(await rise('had', unsub({ token }, ['x'], 5))).toBe(0);
    expect((await found('has')).version).toBe(version + 1);
  });

  it('rises for a former owner of whose time a choice arrives late, in the batch that gives the address to a new contact', async () => {
    await apply(database.db, acct('late1', 'late', 1), acct('late1', 'late.own', 5), acct('late2', 'late', 8));
    expect(await rise('late.own', signup('late', ['x'], 1), acct('late3', 'late', 11))).toBe(1);
  });

  it('rises for a successor whose predecessor’s refusal arrives late', async () => {
    await apply(
      database.db,
      acct('p1', 'p', 1),
      acct('p1', 'q', 1),
      signup('p', ['x'], 2),
      del('p1', 3),
      acct('p2', 'p', 4),
    );
    expect(await rise('p', unsub('q', ['x'], 2.5))).toBe(1);
    expect(
      (await findContact(database.db, { by: 'account', uid: uidOf('p2') }))?.view.newsletters.get('x')?.state,
    ).toBe('unsubscribed');
  });
});

type Story =
  | { kind: 'events'; events: ContactEvent[]; token: number | null }
  | { kind: 'undo' | 'unblock'; which: number };

const repeated = fc
  .tuple(
    fc.constantFrom('a', 'b', 'c'),
    fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 3 }),
    fc.boolean(),
    fc.constantFrom('fr', 'fr', 'fr', 'de'),
  )
  .map(([a, times, optin, lang]) =>
    times.map((t) => signup(a, ['n1'], t, { optin, profile: { firstName: 'x', lang } })),
  );
const batch = fc.oneof(
  { weight: 3, arbitrary: fc.array(contactEvent, { minLength: 1, maxLength: 3 }) },
  { weight: 2, arbitrary: repeated },
);
const story: fc.Arbitrary<Story[]> = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant('events' as const),
        events: batch,
        token: fc.option(fc.nat(20), { freq: 4 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('undo' as const, 'unblock'), which: fc.nat(9) }) },
  ),
  { minLength: 4, maxLength: 12 },
);

it(
  `generated histories: a contact that readers see changed has another version (SEED=${seed}, ${histories} histories)`,
  async () => {
    const seen = { changed: 0, same: 0, spare: 0 };
    for (let run = 0; run < histories; run++) {
      await database.sql(
        'TRUNCATE contact, email_address, account, address_claim, choice, basket_token, merge, claim_block, outbox',
      );
      let before = new Map<string, StoredContact>();
      for (const step of sample(story, seed + run)) {
        const steps = await stepsOf(step);
        if (steps.length === 0) continue;
        const { refusal } = await apply(database.db, ...steps);
        if (refusal) continue;
        const after = await everyone();
        for (const [id, contact] of after) {
          const known = before.get(id);
          if (!known) continue;
          const [changed, rose] = [bodyOf(known) !== bodyOf(contact), contact.version > known.version];
          if (changed && !rose)
            expect({ seed: seed + run, steps, before: bodyOf(known), after: bodyOf(contact) }).toBeNull();
          seen[changed ? 'changed' : rose ? 'spare' : 'same'] += 1;
        }
        before = after;
      }
    }
    expect(seen.changed).toBeGreaterThan(histories);
    expect(seen.same).toBeGreaterThan(seen.spare);
  },
  60_000 + 3_000 * histories,
);

async function stepsOf(step: Story): Promise<Step[]> {
  if (step.kind !== 'events') {
    const ledger = await ledgerOf(database.db);
    const merge = ledger[step.which % Math.max(1, ledger.length)];
    if (!merge) return [];
    if (step.kind === 'unblock')
      return merge.addresses.map((address) => ({ kind: 'unblock', uid: merge.uid, address }));
    return merge.undoneAt === null ? [undoOf(merge, at(12))] : [];
  }
  const tokens = await database.sql<{ token: string }>('SELECT token FROM basket_token ORDER BY token');
  const token = step.token === null ? undefined : tokens[step.token % Math.max(1, tokens.length)]?.token;
  return step.events.map((event) => (event.kind === 'newsletter' && token ? { ...event, to: { token } } : event));
}
