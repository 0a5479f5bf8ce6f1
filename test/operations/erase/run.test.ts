/** Erasure on PostgreSQL, with events before, after and during it. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ContactEvent } from '../../../src/contacts/facts/event';
import { peopleOf } from '../../../src/contacts/identity/ownership';
import type { StoredMerge } from '../../../src/contacts/merge/merge';
import { canonicalLine } from '../../../src/contacts/profile/canonical';
import { contactView } from '../../../src/contacts/profile/contact-view';
import { type Applied, applyBatch } from '../../../src/ingest/apply/transaction';
import { planErasure } from '../../../src/operations/erase/plan';
import { type Erased, erasePerson } from '../../../src/operations/erase/run';
import { type Database, inTransaction } from '../../../src/postgres/database';
import { findContact } from '../../../src/postgres/look-ups/find-contact';
import { findHistory, listMerges } from '../../../src/postgres/tables/merge';
import { deleteFromOutbox, takeFromOutbox } from '../../../src/postgres/tables/outbox';
import { keepRows } from '../../../tools/table-rows';
import { onecontact } from '../../support/command-line';
import { freshDatabase, type TestDatabase } from '../../support/database';
import { acct, addressOf, at, confirm, del, EPOCH, exactly, optout, signup, uidOf, unsub } from '../../support/events';
import { gate, waiting } from '../../support/gate';
import { history, shuffledBatches } from '../../support/histories';
import { factsOf } from '../../support/memory-store';
import { brokenPromises, canonicalExportOf, DEFAULTS, sample } from '../../support/stored';
import { tracesOf } from '../../support/traces';

const KEY = 'a key for erasure in tests';

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase({ max: 20 });
});
afterAll(() => database?.drop());

const apply = (...events: ContactEvent[]): Promise<Applied> =>
  applyBatch(database.db, events, { ...DEFAULTS, erasureKey: KEY });
/** Each committed before the next one comes. */
async function inTurn(...events: ContactEvent[]): Promise<void> {
  for (const event of events) await apply(event);
}
/** The relay publishes contact.erased, which has the token, and deletes it from the outbox. */
async function erase(name: string, db: Database = database.db): Promise<Erased> {
  const erased = await erasePerson(db, addressOf(name), { erasureKey: KEY });
  await database.sql("DELETE FROM outbox WHERE type = 'contact.erased'");
  return erased;
}
const key = (name: string): string => addressOf(name).key;
/** The seconds of a time that is later than an erasure made now. */
const later = (): number => (Date.now() - EPOCH) / 1000 + 5;
const lines = async () => (await canonicalExportOf(database.db)).map((line) => JSON.parse(line));
const lineAt = async (name: string) => (await lines()).find(({ addresses }) => addresses.includes(key(name)));
const found = (name: string) => findContact(database.db, { by: 'email', address: key(name) });

describe('the erasure of a merged contact', () => {
  /**
   * All that can be known of one: two addresses that became one contact, with everything that leaves words somewhere.
   */
  async function augusta(nr: number) {
    const uid = uidOf(`augusta${nr}`);
    const [first, second] = [`Ada.L${nr}@Old-House.test`, `Countess${nr}@new-house.test`];
    const profile = { firstName: `Augusta${nr}`, lastName: `Byron-King${nr}`, lang: 'en', country: 'gb' };
    await apply(acct(`augusta${nr}`, first, 1, { locale: `en-GB,qx;q=0.${nr}`, service: `service${nr}` }));
    const source = `https://site.test/?from=${second}`;
    const signedUp = { ...signup(second, ['news'], 2, { profile }), source };
    await apply(signedUp, { ...optout(second, 3), reason: `I am Augusta${nr}` });
    await apply(acct(`augusta${nr}`, second, 4, { newsletters: [`only-augusta${nr}`] }));
    const tokens = await database.sql<{ token: string }>(
      `SELECT token FROM basket_token JOIN merge ON contact_id IN (survivor_id, retired_id) WHERE uid = $1`,
      [uid],
    );
    const [merge] = await database.sql<{ survivor_id: string; retired_id: string; id: string }>(
      'SELECT * FROM merge WHERE uid = $1',
      [uid],
    );
    expect(tokens).toHaveLength(2);
    const words = [first, second, `ada.l${nr}`, `countess${nr}`, `augusta${nr}`, `king${nr}`, `service${nr}`, uid];
    return {
      first,
      second,
      merge: merge as NonNullable<typeof merge>,
      tokens: tokens.map(({ token }) => token),
      words: [
        ...words,
        `only-augusta${nr}`,
        `q=0.${nr}`,
        'old-house',
        'new-house',
        ...tokens.map(({ token }) => token),
      ],
    };
  }

  it.each([
    ['the address of its account', 1, ({ first }: { first: string }) => first],
    ['the address that was merged into it', 2, ({ second }: { second: string }) => second],
  ])('by %s: no trace of it in any table; its ids and tokens answer like unknown ones', async (_, nr, by) => {
    const { tokens, merge, words, ...her } = await augusta(nr);
    expect(await tracesOf(database, words)).not.toEqual([]);
    const { known, deleted } = await erase(` ${by(her)} `.trim());
    expect(known).toBe(true);
    expect(deleted).toEqual({
      ...{ addresses: 2, accounts: 1, claims: 2, choices: 3 },
      ...{ contacts: 2, tokens: 2, merges: 1, messages: 2 },
    });
    expect(await tracesOf(database, words)).toEqual([]);
    for (const id of [merge.survivor_id, merge.retired_id]) {
      expect(await findContact(database.db, { by: 'id', id })).toBeNull();
      expect(await findHistory(database.db, id, { limit: 10 })).toBeNull();
    }
    for (const token of tokens) expect(await findContact(database.db, { by: 'token', token })).toBeNull();
    expect(await brokenPromises(database)).toEqual([]);
  });

  it('is told by contact.erased with its ids and its token, and with nothing else of the person', async () => {
    const { second, merge, words, tokens } = await augusta(9);
    const token = (await found(second))?.token;
    await erasePerson(database.db, addressOf(second), { erasureKey: KEY });
    const rows = await database.sql<{ body: unknown }>('SELECT * FROM outbox WHERE contact_id = $1', [
      merge.survivor_id,
    ]);
    expect(rows).toMatchObject([{ type: 'contact.erased', traceparent: null, tracestate: null }]);
    expect(rows[0]?.body).toEqual({
      erased_at: expect.stringMatching(/Z$/),
      contact_id: merge.survivor_id,
      basket_token: token,
      retired_contact_ids: [merge.retired_id],
    });
    expect(
      await tracesOf(
        database,
        words.filter((word) => !tokens.includes(word)),
      ),
    ).toEqual([]);
    await database.sql("DELETE FROM outbox WHERE type = 'contact.erased'");
  });

  it('takes with it the pending requests for a confirmation and the notes of changes', async () => {
    const notify = { changes: true, confirmations: true };
    const batch = [signup('other', ['x'], 1), signup('asked', ['x'], 1)];
    await applyBatch(database.db, batch, { ...DEFAULTS, erasureKey: KEY, notify });
    const [id, other] = [(await found('asked'))?.id, (await found('other'))?.id];
    const types = async () =>
      (await database.sql<{ type: string }>('SELECT type FROM outbox WHERE contact_id = $1 ORDER BY seq', [id])).map(
        ({ type }) => type,
      );
    const changed = () => database.sql('SELECT contact_ids, versions, message_ids FROM outbox_changes');
    expect(await types()).toEqual(['contact.confirmation_needed']);
    expect(await changed()).toMatchObject([{ contact_ids: [other, id], versions: [1, 1] }]);
    expect((await erasePerson(database.db, addressOf('asked'), { erasureKey: KEY })).deleted.messages).toBe(2);
    expect(await types()).toEqual(['contact.erased']);
    expect(await changed()).toMatchObject([{ contact_ids: [other], versions: [1], message_ids: [expect.any(String)] }]);
    expect((await erasePerson(database.db, addressOf('other'), { erasureKey: KEY })).deleted.messages).toBe(2);
    expect(await changed()).toEqual([]);
    await database.sql("DELETE FROM outbox WHERE type = 'contact.erased'");
  });

  it('survives an older late event; a later sign-up creates a new contact', async () => {
    const { first, second, tokens, words } = await augusta(3);
    const { at: erasedAt } = await erase(first);
    expect(erasedAt).toBeGreaterThan(at(4));
    const applied = await apply(
      signup('bystander', ['x'], 1),
      signup(second, ['x'], 5),
      acct('augusta3', 'never-seen@new-house.test', 6),
      acct('somebody', first, 6),
      del('augusta3', 7),
      unsub({ token: tokens[0] as string }, ['x'], 8),
      { ...confirm(first, 0), at: erasedAt },
    );
    expect(applied.erased).toEqual([1, 2, 3, 4, 6]);
    expect(applied.unknownTokens).toEqual([5]);
    expect(await tracesOf(database, [...words, uidOf('somebody')])).toEqual([]);
    expect(await found('bystander')).not.toBeNull();

    await apply(signup(second, ['fresh'], later()));
    expect(await lineAt(second)).toMatchObject({
      ...{ addresses: [key(second)], account: null, first_name: null, opted_out: false },
      newsletters: { fresh: 'subscribed' },
    });
    expect(tokens).not.toContain((await found(second))?.token);
    await apply(acct('augusta3', first, later()));
    expect(await lineAt(first)).toMatchObject({ account: uidOf('augusta3'), addresses: [key(first)], newsletters: {} });
    expect(await brokenPromises(database)).toEqual([]);
  });

  it('includes the predecessor of its account', async () => {
    await apply(
      acct('before', 'anew', 1, { newsletters: ['x'] }),
      signup('anew', [], 2, { profile: { firstName: 'Old' } }),
    );
    await apply(del('before', 3), acct('anew', 'anew', 4));
    expect((await erase('anew')).deleted).toMatchObject({ accounts: 2, contacts: 1 });
    expect(await tracesOf(database, [uidOf('before'), uidOf('anew'), 'anew@'])).toEqual([]);
    expect((await apply(acct('before', 'elsewhere', 1))).erased).toEqual([0]);
  });
});

describe('other people', () => {
  it('keep their facts at an address that they owned before, and no notification names it', async () => {
    await apply(acct('former', 'former-own', 1), acct('former', 'handed-on', 2));
    await apply(signup('handed-on', ['theirs'], 3), unsub('handed-on', ['no'], 4), optout('handed-on', 4));
    await apply(confirm('handed-on', 5), signup('handed-on', ['again'], 6));
    await apply(acct('next', 'handed-on', 7), signup('handed-on', ['hers'], 8, { profile: { firstName: 'Nextine' } }));
    const before = await lineAt('former-own');
    expect(before).toMatchObject({
      newsletters: { theirs: 'unsubscribed', no: 'unsubscribed', again: 'subscribed' },
      opted_out: false,
    });
    const version = (await found('former-own'))?.version;
    await erase('handed-on');
    expect(await lineAt('former-own')).toEqual(before);
    expect((await found('former-own'))?.version).toBe(version);
    expect(await tracesOf(database, [key('handed-on'), 'nextine', uidOf('next')])).toEqual([]);
  });

  it('get no facts of the person at an address that they took over, even if events are redelivered', async () => {
    const events = [
      acct('gone', 'x', 1, { newsletters: ['account'] }),
      ...[signup('x', ['hers'], 2, { profile: { firstName: 'Goneril' } }), optout('x', 3)],
      ...[acct('stays', 'x', 4), signup('x', ['theirs'], 5)],
      acct('gone', 'y', 6),
    ];
    await apply(...events);
    const before = await lineAt('x');
    expect(before).toMatchObject({ account: uidOf('stays'), newsletters: { theirs: 'subscribed' }, opted_out: false });
    await erase('y');
    expect(await tracesOf(database, ['goneril', '|gone|', uidOf('gone'), key('y')])).toEqual([]);
    expect(await lineAt('x')).toEqual(before);
    expect((await apply(...events)).erased).toEqual([0, 5]);
    expect(await lineAt('x')).toEqual(before);
    expect(await brokenPromises(database)).toEqual([]);
  });

  it('do not inherit each other’s periods where the person’s period was between them', async () => {
    await apply(
      acct('one', 'between', 1),
      signup('between', ['of-one'], 2),
      optout('between', 2),
      acct('one', 'b1', 2),
    );
    await apply(acct('middle', 'between', 3), acct('middle', 'b2', 3), acct('three', 'between', 6), del('one', 5));
    const before = [await lineAt('b1'), await lineAt('between')];
    expect(before[1]).toMatchObject({ newsletters: {}, opted_out: false });
    await erase('b2');
    expect([await lineAt('b1'), await lineAt('between')]).toEqual(before);
    // Later events there do not bring the person back either: the address gets no owner.
    await apply(del('three', 4));
    expect(await lineAt('between')).toMatchObject({ account: null, newsletters: {}, opted_out: false });
    expect(await brokenPromises(database)).toEqual([]);
  });

  it('keep every refusal that they inherited from the person', async () => {
    await apply(
      acct('old', 'left', 1),
      acct('old', 'passed', 1),
      optout('left', 2),
      unsub('left', ['x'], 2),
      del('old', 3),
    );
    await apply(acct('young', 'passed', 4), signup('passed', ['x', 'y'], 5));
    const before = await lineAt('passed');
    expect(before).toMatchObject({ opted_out: true, newsletters: { x: 'unsubscribed', y: 'unsubscribed' } });
    await erase('left');
    expect(await lineAt('passed')).toEqual(before);
    expect(await tracesOf(database, [key('left'), uidOf('old')])).toEqual([]);
  });

  it('keep what sets of the person refused, with the list and without its source', async () => {
    await apply(acct('set-before', 'set-gone', 1), acct('set-before', 'set-given', 1), del('set-before', 4));
    await apply({ ...exactly('set-gone', ['y'], 2), source: 'https://gone.test/' }, exactly('set-gone', ['y', 'z'], 2));
    await apply(acct('set-after', 'set-given', 5), signup('set-given', ['x', 'z'], 1));
    const before = await lineAt('set-given');
    expect(before).toMatchObject({ newsletters: { x: 'unsubscribed', z: 'unsubscribed' } });
    await erase('set-gone');
    expect(await lineAt('set-given')).toEqual(before);
    expect(await tracesOf(database, [key('set-gone'), uidOf('set-before'), 'gone.test'])).toEqual([]);
  });

  it('keep their token, and opt-outs of either side while they were merged with the person, after an undo', async () => {
    await inTurn(acct('undo', 'u1', 1), signup('u2', ['x'], 2), acct('undo', 'u2', 3), signup('u1', ['x'], 3));
    const [merge] = await listMerges(database.db, { limit: 1, uid: uidOf('undo') });
    await inTurn(optout('u2', 4));
    await applyBatch(database.db, [{ kind: 'undo', at: at(5), merge: merge as StoredMerge }], DEFAULTS);
    const before = await lineAt('u1');
    const token = (await found('u1'))?.token;
    expect(before).toMatchObject({ opted_out: true, newsletters: { x: 'unsubscribed' } });
    expect((await erase('u2')).deleted).toMatchObject({ contacts: 1, tokens: 1, merges: 1, accounts: 0 });
    expect(await lineAt('u1')).toEqual(before);
    expect((await found('u1'))?.token).toBe(token);
    expect(await tracesOf(database, [key('u2')])).toEqual([]);
    expect(await brokenPromises(database)).toEqual([]);
  });

  it('keep their subscriptions when the middle one of three accounts that claimed an address in one millisecond is erased', async () => {
    const names = ['tri1', 'tri2', 'tri3'];
    for (const name of names) await apply(acct(name, `of-${name}`, 1));
    await apply(signup('tri', ['x'], 2), ...names.map((name) => acct(name, 'tri', 5)));
    const before = [await lineAt('of-tri1'), await lineAt('of-tri3')];
    expect(before[0]).toMatchObject({ newsletters: { x: 'subscribed' } });
    await erase('of-tri2');
    expect([await lineAt('of-tri1'), await lineAt('of-tri3')]).toEqual(before);
    expect(await tracesOf(database, [uidOf('tri2'), key('of-tri2')])).toEqual([]);
  });

  it('never see a pseudonym: a late deletion gives an address back to what is left of the person', async () => {
    await inTurn(acct('pn1', 'pn-a', 1), acct('pn2', 'pn-b', 2), acct('pn1', 'pn-b', 10), acct('pn2', 'pn-a', 12));
    await apply(acct('pn3', 'pn-b', 3));
    await erase('pn-b');
    await apply(del('pn2', 11));
    expect(await lineAt('pn-a')).toMatchObject({ addresses: [key('pn-a')], account: null, primary: key('pn-a') });
    const env = { DATABASE_URL: database.url };
    const shown = await Promise.all(
      [
        ['export'],
        ['export', '--canonical'],
        ['show', '--json', key('pn-a')],
        ['consent', '--json', key('pn-a')],
        ['merges', 'list', '--json', '--limit', '1000'],
        ['merges', 'list', '--limit', '1000'],
        ['collisions', 'list', '--json'],
        ['collisions', 'list'],
      ].map((args) => onecontact(args, env)),
    );
    const bodies = await database.sql<{ body: string }>('SELECT body::text FROM outbox');
    const pseudonym = /[~!][0-9a-f]{8}-[0-9a-f]{4}-/;
    expect(await tracesOf(database, ['~'])).not.toEqual([]);
    expect(shown.map(({ code }) => code)).toEqual(shown.map(() => 0));
    expect(
      [...shown.map(({ out }) => out), ...bodies.map(({ body }) => body)].filter((it) => pseudonym.test(it)),
    ).toEqual([]);
  });

  it('can be erased later, with the facts that were kept for them', async () => {
    await inTurn(acct('first', 'f1', 1), acct('first', 'shared', 2), signup('shared', ['kept-for-first'], 3));
    await inTurn(acct('second', 'shared', 4), acct('second', 's1', 4));
    await erase('s1');
    expect(await lineAt('f1')).toMatchObject({ newsletters: { 'kept-for-first': 'subscribed' } });
    await erase('f1');
    expect(await tracesOf(database, ['kept-for-first', uidOf('first'), uidOf('second'), key('shared')])).toEqual([]);
  });

  it('keep their merges in the ledger, without the address, the account and the explanation', async () => {
    await inTurn(
      acct('supervisor', 'k1', 1),
      signup('k2', ['x'], 2, { profile: { firstName: 'Kayla' } }),
      acct('supervisor', 'k2', 3),
    );
    await inTurn(acct('taker', 'k2', 4));
    const [{ id, survivor_id: survivor }] = (await database.sql<{ id: string; survivor_id: string }>(
      'SELECT * FROM merge WHERE uid = $1',
      [uidOf('supervisor')],
    )) as [{ id: string; survivor_id: string }];
    await erase('k2');
    expect(await database.sql('SELECT addresses, explanation, trigger_id FROM merge WHERE id = $1', [id])).toEqual([
      { addresses: [], explanation: null, trigger_id: '' },
    ]);
    expect((await findHistory(database.db, survivor, { limit: 10 }))?.merges).toHaveLength(1);
    expect(await tracesOf(database, [key('k2')])).toEqual([]);
  });

  it('get their pending notifications, except those that name the person, in any spelling', async () => {
    const mill = { address: { key: 'm2@xn--mhle-0ra.test', typed: 'M2@MÜHLE.test' } };
    await inTurn(acct('mia', 'm1', 1), acct('mia', 'ignored', 2, mill), acct('mia', 'm1', 3));
    await inTurn(acct('leo', 'ignored', 4, mill), acct('mia', 'm2@other.test', 5));
    const told = () =>
      database.sql(
        `SELECT body ->> 'former_email' AS former, body -> 'contact' ->> 'primary_email' AS now
         FROM outbox JOIN account USING (contact_id) WHERE uid = $1 ORDER BY seq`,
        [uidOf('mia')],
      );
    const last = { former: 'm1@mail.test', now: 'm2@other.test' }; // another mailbox
    expect(await told()).toEqual([
      { former: 'm1@mail.test', now: 'M2@MÜHLE.test' },
      { former: 'M2@MÜHLE.test', now: 'm1@mail.test' },
      last,
    ]);
    await erasePerson(database.db, mill.address, { erasureKey: KEY });
    expect(await told()).toEqual([last]);
  });
});

describe('an unknown address', () => {
  it('is remembered as erased: an older event is dropped', async () => {
    const { known, deleted } = await erase('nobody');
    expect([known, new Set(Object.values(deleted))]).toEqual([false, new Set([0])]);
    expect((await apply(signup('nobody', ['x'], 1))).erased).toEqual([0]);
    expect(await tracesOf(database, ['nobody@'])).toEqual([]);
  });

  it('and an erased one are the same: a second erasure deletes nothing, and its later time counts', async () => {
    await apply(signup('twice', ['x'], 1));
    const first = await erase('twice');
    const second = await erase('twice');
    expect([first.known, second.known]).toEqual([true, false]);
    expect(second.at).toBeGreaterThan(first.at);
    expect((await apply({ ...signup('twice', ['x'], 1), at: second.at })).erased).toEqual([0]);
    expect((await apply({ ...signup('twice', ['x'], 1), at: second.at + 1 })).erased).toEqual([]);
  });
});

it('an erasure has the time of the newest erased event if that is later than now', async () => {
  const ahead = later() + 3_600;
  await apply(signup('ahead', ['x'], ahead));
  const newest = Math.round(at(ahead));
  expect((await erase('ahead')).at).toBe(newest);
  await erase('ahead'); // known no more: now is the later of what is left
  expect((await apply({ ...signup('ahead', ['x'], 1), at: newest })).erased).toEqual([0]);
});

it('a dry run counts what would be deleted, and changes nothing', async () => {
  await inTurn(acct('dry', 'dry1', 1), signup('dry2', ['x'], 2), acct('dry', 'dry2', 3));
  const before = [await lineAt('dry1'), await database.sql('SELECT count(*) FROM erasure')];
  const { deleted } = await erasePerson(database.db, addressOf('dry2'), { erasureKey: KEY, dryRun: true });
  expect(deleted).toMatchObject({ contacts: 2, addresses: 2, merges: 1 });
  expect([await lineAt('dry1'), await database.sql('SELECT count(*) FROM erasure')]).toEqual(before);
  expect((await apply(acct('dry', 'dry1', 1))).erased).toEqual([]);
});

describe('at the same time', () => {
  /** An erasure with all its locks that has deleted everything, and waits to write its hashes. */
  const almostErased = () => gate(database, 'LOCK TABLE erasure IN SHARE MODE');

  it.each([
    ['a known', 'held1', true],
    ['an unknown', 'held2', false],
  ])('as the erasure of %s address, an older sign-up waits and does not bring it back', async (_, name, known) => {
    if (known) await apply(signup(name, ['x'], 1));
    const open = await almostErased();
    const erased = erase(name);
    await waiting(database, 1);
    const late = apply(signup(name, ['x'], 2), signup(`${name}-other`, ['x'], 2));
    await waiting(database, 2);
    await open();
    expect((await erased).known).toBe(known);
    expect((await late).erased).toEqual([0]);
    expect(await tracesOf(database, [key(name)])).toEqual([]);
    expect(await found(`${name}-other`)).not.toBeNull();
  });

  it('as an erasure, a claim of the account on a new address waits and does not bring it back; a later one is applied', async () => {
    await apply(acct('mover', 'mv1', 1));
    const open = await almostErased();
    const erased = erase('mv1');
    await waiting(database, 1);
    const both = [apply(acct('mover', 'mv2', 2)), apply(acct('mover', 'mv3', later()))];
    await waiting(database, 3);
    await open();
    await erased;
    expect((await Promise.all(both)).map((applied) => applied.erased)).toEqual([[0], []]);
    expect(await lineAt('mv3')).toMatchObject({ addresses: [key('mv3')], account: uidOf('mover') });
    expect(await tracesOf(database, [key('mv1'), key('mv2')])).toEqual([]);
  });

  it('as a sign-up, an erasure waits, and erases that too', async () => {
    await apply(signup('early', ['x'], 1));
    const open = await gate(database, 'LOCK TABLE choice IN SHARE MODE');
    const early = apply(signup('early', ['in-flight'], 2));
    await waiting(database, 1);
    const erased = erase('early');
    await waiting(database, 2);
    await open();
    await early;
    expect((await erased).deleted).toMatchObject({ choices: 2 });
    expect(await tracesOf(database, [key('early'), 'in-flight'])).toEqual([]);
  });

  it('as a merge, an erasure of the retired side waits, and erases the survivor', async () => {
    await apply(acct('whole', 'w1', 1), signup('w2', ['x'], 2));
    const open = await gate(database, 'LOCK TABLE merge IN SHARE MODE');
    const merge = apply(acct('whole', 'w2', 3));
    await waiting(database, 1);
    const erased = erase('w2');
    await waiting(database, 2);
    await open();
    expect((await merge).merges).toHaveLength(1);
    expect((await erased).deleted).toMatchObject({ contacts: 2, addresses: 2, merges: 1 });
    expect(await tracesOf(database, [key('w1'), key('w2'), uidOf('whole')])).toEqual([]);
  });

  it('as another erasure of the same person, an erasure waits, and finds an unknown address', async () => {
    await inTurn(acct('both', 'both1', 1), signup('both2', ['x'], 2), acct('both', 'both2', 3));
    const open = await almostErased();
    const erasures = [erase('both1'), erase('both2'), erase('both1')];
    await waiting(database, 3);
    await open();
    const known = (await Promise.all(erasures)).map((erased) => erased.known);
    expect(known.sort()).toEqual([false, false, true]);
    expect(await tracesOf(database, ['both1@', 'both2@', uidOf('both')])).toEqual([]);
  });

  it('as a relay’s pass, an erasure waits: messages being published are not deleted', async () => {
    await inTurn(acct('relayed', 'r1', 1), signup('r2', ['x'], 2), acct('relayed', 'r2', 3));
    let erased: Promise<Erased> | undefined;
    await inTransaction(database.db, async (tx) => {
      const taken = await takeFromOutbox(tx, 10_000);
      erased = erase('r1');
      await waiting(database, 1);
      await deleteFromOutbox(
        tx,
        taken.map(({ seq }) => seq),
      );
    });
    expect((await erased)?.deleted).toMatchObject({ contacts: 2, messages: 0 });
  });
});

const seed = process.env.SEED === undefined ? Date.now() % 2 ** 31 : Number(process.env.SEED);
const histories = Number(process.env.STORED_HISTORIES ?? 15);

it(
  `in ${histories} generated histories (SEED=${seed}), an erasure leaves other people as the pure domain says, even after redelivery, and the database keeps its invariants`,
  async () => {
    const stored = await freshDatabase({ max: 8 });
    const putBack = await keepRows(stored);
    const options = { ...DEFAULTS, erasureKey: KEY };
    // The message of an announced merge may have been deleted, because it named the person.
    const broken = async () => (await brokenPromises(stored)).filter((problem) => !problem.startsWith('announced'));
    try {
      for (let run = 0; run < histories; run++) {
        await putBack();
        const events = sample(history(20), seed + run);
        for (const batch of sample(shuffledBatches(events), seed + run)) await applyBatch(stored.db, batch, options);
        const facts = factsOf(events);
        const people = peopleOf(facts).filter(({ addresses }) => addresses.length > 0);
        const person = people[run % Math.max(1, people.length)];
        if (!person) continue;
        const address = person.addresses.at(-1) as string;
        let names = 0;
        const plan = planErasure(facts, person, { now: 0, newName: () => `nobody-${names++}`, merges: new Set() });
        const others = peopleOf(facts).filter(
          ({ uid, addresses }) => uid !== person.uid || (uid === null && addresses[0] !== address),
        );
        const expected = others.map((other) => canonicalLine(contactView(plan.left, other))).sort();
        const exported = async () => (await canonicalExportOf(stored.db)).sort();

        await erasePerson(stored.db, { key: address, typed: address }, { erasureKey: KEY });
        expect(await exported()).toEqual(expected);
        expect(await broken()).toEqual([]);
        expect(await tracesOf(stored, [...plan.addresses, ...plan.uids])).toEqual([]);

        for (const batch of sample(shuffledBatches(events), run)) await applyBatch(stored.db, batch, options);
        const without = (line: string) => ({ ...JSON.parse(line), ...NO_PROFILE });
        expect((await exported()).map(without)).toEqual(expected.map(without));
        expect(await tracesOf(stored, [...plan.addresses, ...plan.uids])).toEqual([]);
        const next = sample(history(20), seed - run).map((event) => ({ ...event, at: event.at + later() * 1000 }));
        for (const batch of sample(shuffledBatches(next), run)) await applyBatch(stored.db, batch, options);
        expect(await broken()).toEqual([]);
      }
    } finally {
      await stored.drop();
    }
  },
  60_000 + 5_000 * histories,
);

/** A former owner's profile at the erased address is lost. It returns when its events are redelivered. */
const NO_PROFILE = { first_name: null, last_name: null, country: null, lang: null, format: null };
