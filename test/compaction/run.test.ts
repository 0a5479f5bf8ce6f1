import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { MOST_CONNECTED } from '../../src/compaction/choices';
import { type PurgeOptions, purge } from '../../src/compaction/run';
import type { ContactEvent } from '../../src/contacts/facts/event';
import type { StoredMerge } from '../../src/contacts/merge/merge';
import type { Step } from '../../src/ingest/apply/steps';
import { applyBatch } from '../../src/ingest/apply/transaction';
import { ContactClosed } from '../../src/messages/outgoing/schemas';
import { findContact } from '../../src/postgres/look-ups/find-contact';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, addressOf, at, confirm, del, exactly, optout, signup, uidOf, unsub } from '../support/events';
import { gate, waiting } from '../support/gate';
import { ledgerOf, undoOf } from '../support/ledger';
import { brokenPromises, canonicalExportOf, DEFAULTS } from '../support/stored';

/** Purges what is older than ten seconds after the tests' epoch; facts of that very moment stay. */
const T = 10;
const JUST_OLDER = 9.999;

const TABLES =
  'contact, email_address, account, address_claim, choice, basket_token, merge, claim_block, outbox, erasure';

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase({ max: 20 });
});
afterAll(() => database?.drop());
beforeEach(async () => {
  await database.sql(`TRUNCATE ${TABLES}`);
});

const key = (name: string): string => addressOf(name).key;

/** Each event in a batch of its own: contacts created and merged in one batch leave no merge. */
async function happened(...events: ContactEvent[]): Promise<void> {
  for (const event of events) await applyBatch(database.db, [event], DEFAULTS);
}
/** The same in observe mode for some accounts. */
async function happenedObserving(names: string[], ...events: Step[]): Promise<void> {
  const uids = names.map(uidOf);
  for (const event of events)
    await applyBatch(database.db, [event], { ...DEFAULTS, observes: (u) => uids.includes(u) });
}

const release = (name: string, address: string) =>
  applyBatch(database.db, [{ kind: 'release', uid: uidOf(name), address: key(address) }], DEFAULTS);

const purgeOld = (options: Partial<PurgeOptions> = {}) => purge(database.db, { before: at(T), ...options });

/** Every row of every table, with its physical place and the transaction that wrote it. */
async function everything(): Promise<Record<string, unknown>> {
  const rows: Record<string, unknown> = {};
  for (const table of TABLES.split(', ')) {
    rows[table] = await database.sql(`SELECT ctid, xmin, x::text FROM ${table} AS x ORDER BY ctid`);
  }
  return rows;
}

const column = async (query: string, values: unknown[] = []): Promise<unknown[]> =>
  (await database.sql(query, values)).map((row) => Object.values(row)[0]);

const claimsOn = (address: string): Promise<unknown[]> =>
  column(
    `SELECT (extract(epoch FROM at) - extract(epoch FROM timestamptz '2026-01-01Z'))::float8 FROM address_claim
     WHERE address = $1 ORDER BY at, uid`,
    [key(address)],
  );

/** Choices made at an address, or in an account, as `act newsletter time`. */
const choicesAt = (origin: string): Promise<unknown[]> =>
  column(
    `SELECT act || ' ' || newsletter || ' ' || (extract(epoch FROM at) - extract(epoch FROM timestamptz '2026-01-01Z'))::float8
     FROM choice WHERE origin IN ($1, $2) ORDER BY at, act, newsletter`,
    [key(origin), uidOf(origin)],
  );

const snapshotOf = (address: string) => findContact(database.db, { by: 'email', address: key(address) });

async function lineOf(address: string): Promise<Record<string, unknown>> {
  const line = (await canonicalExportOf(database.db)).find((text) => text.includes(`"${key(address)}"`));
  return JSON.parse(line ?? 'null');
}

const tokenOf = async (uid: string): Promise<string> =>
  (
    await column(
      `SELECT token FROM basket_token t JOIN account u USING (contact_id) WHERE uid = $1 AND state = 'live'`,
      [uidOf(uid)],
    )
  )[0] as string;

const NOTHING = { claims: 0, choices: 0, accounts: 0, addresses: 0, contacts: 0, explanations: 0, audit: 0 };

describe('a deleted account', () => {
  const data = { locale: 'de-AT', country: 'at', service: 'sync', createdAt: at(0), newsletters: ['news'] };
  const account = (uid: string) =>
    database.sql(
      `SELECT locale, locale_at, country, country_at, service, service_at, created_at, deleted_at IS NOT NULL AS deleted
       FROM account WHERE uid = $1`,
      [uidOf(uid)],
    );
  const BLANK = {
    ...{ locale: null, locale_at: null, country: null, country_at: null, service: null, service_at: null },
    created_at: null,
  };
  const KEPT = { locale: 'de-AT', country: 'at', service: 'sync', created_at: new Date(at(0)) };

  it('is blanked if it was deleted before the time, but not at the time; the row stays', async () => {
    await happened(acct('old', 'a', 1, data), acct('new', 'b', 1, data), acct('live', 'c', 1, data));
    await happened(acct('bare', 'd', 1, { createdAt: at(0) }));
    await happened(signup('a', ['x'], 2), del('old', JUST_OLDER), del('bare', JUST_OLDER), del('new', T));
    expect(await purgeOld()).toMatchObject({ accounts: 2 });
    expect(await account('old')).toEqual([{ ...BLANK, deleted: true }]);
    expect(await account('bare')).toEqual([{ ...BLANK, deleted: true }]);
    expect(await account('new')).toMatchObject([KEPT]);
    expect(await account('live')).toMatchObject([KEPT]);
    await happened(acct('old', 'z', 20));
    expect(await findContact(database.db, { by: 'account', uid: uidOf('old') })).toBeNull();
  });

  it('keeps its refusals, but no other choices', async () => {
    await happened(acct('u', 'a', 1, { newsletters: ['in'] }), acct('other', 'b', 1, { newsletters: ['in'] }));
    const token = { token: await tokenOf('u') };
    await happened(signup(token, ['in', 'out'], 2, { optin: true }), unsub(token, ['out'], 3), optout(token, 4));
    await happened(acct('u', 'a', T, { newsletters: ['late'] }), del('u', 6));
    expect(await purgeOld()).toMatchObject({ choices: 3 });
    expect(await choicesAt('u')).toEqual(['unsubscribe out 3', 'opt_out  4', `subscribe late ${T}`]);
    expect(await choicesAt('other')).toEqual(['subscribe in 1']);
    await happened(acct('heir', 'a', 20));
    expect(await lineOf('a')).toMatchObject({ opted_out: true, newsletters: { out: 'unsubscribed' } });
  });

  it('keeps what its sets refuse, and not what they subscribed to', async () => {
    await happened(acct('u', 'a', 1), signup('a', ['x', 'y'], 2));
    await happened(exactly({ token: await tokenOf('u') }, ['y'], 3), del('u', 6));
    expect(await purgeOld()).toMatchObject({ choices: 1 });
    expect(await choicesAt('u')).toEqual([expect.stringMatching(/^set {2}set \S+ 3$/)]);
    await happened(acct('heir', 'a', 20));
    expect(await lineOf('a')).toMatchObject({ newsletters: { x: 'unsubscribed', y: 'subscribed' } });
  });

  it('loses the explanations of old merges that it survived, or that its deletion completed', async () => {
    const merge = (name: string) => [
      acct(name, `${name}-a`, 1),
      signup(`${name}-b`, ['x'], 2, { profile: { firstName: 'Ada' } }),
      acct(name, `${name}-b`, 3),
    ];
    await happened(...merge('gone'), ...merge('young'), ...merge('live'), del('gone', 5), del('young', T));
    await happened(acct('d1', 'd', 1, { country: 'at' }), acct('d2', 'e', 1), acct('d2', 'd', 5), del('d1', 3));
    const explained = `SELECT explanation IS NOT NULL AS explained, reason FROM merge ORDER BY seq`;
    expect(await database.sql(explained)).toHaveLength(4);
    expect(await purgeOld({ before: at(3) })).toMatchObject({ explanations: 0 });
    expect(await purgeOld()).toMatchObject({ explanations: 2 });
    expect(await database.sql(explained)).toEqual([
      { explained: false, reason: 'claim' },
      { explained: true, reason: 'claim' },
      { explained: true, reason: 'claim' },
      { explained: false, reason: 'deletion' },
    ]);
  });
});

describe('an unproven subscription', () => {
  it('is purged between the first and the last of an unbroken run at one address, all of them old', async () => {
    await happened(signup('a', ['x', 'y'], 1), ...[2, 3, JUST_OLDER].map((t) => signup('a', ['x'], t)));
    await happened(...[1, 2, T].map((t) => signup('b', ['x'], t)), ...[1, 2].map((t) => signup('c', ['x'], t)));
    const before = await snapshotOf('a');
    expect(await purgeOld()).toEqual({ ...NOTHING, choices: 2 });
    expect((await choicesAt('a')).sort()).toEqual(['subscribe x 1', `subscribe x ${JUST_OLDER}`, 'subscribe y 1']);
    expect(await choicesAt('b')).toHaveLength(3);
    expect(await choicesAt('c')).toHaveLength(2);
    expect(await snapshotOf('a')).toEqual(before);
  });

  it('stays where a refusal at any address or account of the person lies between, and after an opt-out', async () => {
    await happened(acct('u', 'a', 1), acct('u', 'b', 1), ...[2, 4, 6].map((t) => signup('a', ['x'], t)));
    await happened(unsub('b', ['x'], 3));
    await happened(...[1, 2, 4].map((t) => signup('c', ['x'], t)), unsub('c', ['x'], 3));
    await happened(optout('d', 1), confirm('d', 3), ...[2, 4, 5].map((t) => signup('d', ['x'], t)));
    const before = await snapshotOf('a');
    expect(await purgeOld()).toEqual(NOTHING);
    expect(before?.view.newsletters.get('x')).toMatchObject({ state: 'subscribed', since: at(4) });
  });

  it('is purged between sets that list it, and stays if a set that refuses it comes between', async () => {
    await happened(...[1, 2, 3, 4].map((t) => exactly('kept', ['n1', 'n2'], t)));
    const among = { among: ['n1', 'n2'] };
    await happened(
      signup('a', ['n1'], 1),
      exactly('a', ['n2'], 2, among),
      signup('a', ['n1'], 3),
      signup('a', ['n1'], 4),
    );
    await happened(signup('b', ['n1'], 1), signup('b', ['n1'], 2), exactly('b', ['n2'], 2.5), signup('b', ['n1'], 3));
    const before = await canonicalExportOf(database.db);
    expect(await purgeOld()).toEqual({ ...NOTHING, choices: 4 });
    expect(await choicesAt('a')).toHaveLength(5);
    expect((await snapshotOf('kept'))?.view.newsletters.get('n1')?.since).toBe(at(1));
    expect(await canonicalExportOf(database.db)).toEqual(before);
  });

  it('is purged in an account, too', async () => {
    await happened(acct('u', 'a', 1));
    const token = { token: await tokenOf('u') };
    await happened(...[2, 3, 4].map((t) => signup(token, ['x'], t)));
    expect(await purgeOld()).toEqual({ ...NOTHING, choices: 1 });
    expect(await choicesAt('u')).toEqual(['subscribe x 2', 'subscribe x 4']);
  });

  it('is the only choice to be purged: proven acts, confirmations and refusals stay', async () => {
    await happened(optout('a', 1), signup('a', ['x'], 2, { optin: true }), unsub('a', ['x'], 3), optout('a', 4));
    await happened(unsub('a', ['x'], 5), signup('a', ['x'], 6));
    expect(await purgeOld()).toEqual(NOTHING);
  });

  it.each<[string, string[], ContactEvent[]]>([
    ['another account claimed the address between', [], [acct('v', 'a', 4)]],
    ['another account’s claim between waits for a decision', ['v'], [acct('v', 'a', 4)]],
    [
      'its own account claimed the address between, and another’s claim waits',
      ['v'],
      [acct('v', 'a', 2), acct('u', 'a', 4)],
    ],
  ])('stays if %s: the choices may be two people’s', async (_, observed, claims) => {
    await happenedObserving(observed, acct('u', 'a', 1), acct('u', 'c', 1), acct('v', 'b', 1), ...claims);
    await happened(...[2.5, 3, 5].map((t) => signup('a', ['x'], t)));
    expect(await purgeOld()).toEqual(NOTHING);
    for (const name of observed) await release(name, 'a');
    const states = [await lineOf('c'), await lineOf('b')].map(({ newsletters }) => newsletters);
    expect(states).toEqual([{ x: 'subscribed' }, { x: 'subscribed' }]);
  });

  it('is purged if another account claimed the address at the time of the later choice: both belong to the earlier period', async () => {
    await happened(acct('u', 'a', 1), ...[3, 4, 5].map((t) => signup('a', ['x'], t)), acct('v', 'a', 5));
    expect(await purgeOld()).toEqual({ ...NOTHING, choices: 1 });
  });

  it('is purged if the claims between the choices are compacted in the same run', async () => {
    await happened(...[1, 2, 3, 6, 7].map((t) => acct('u', 'a', t)));
    await happened(...[2, 4, 5].map((t) => signup('a', ['x'], t)));
    expect(await purgeOld()).toEqual({ ...NOTHING, claims: 3, choices: 1 });
  });
});

describe('where one address connects many accounts', () => {
  /** Accounts that once claimed the address `hot`, and an address of the first that readers sign up at again and again. */
  async function crowd(size: number): Promise<void> {
    const names = Array.from({ length: size }, (_, i) => `u${i}`);
    await applyBatch(
      database.db,
      names.map((name, i) => acct(name, 'hot', 1 + i / 1_000)),
      DEFAULTS,
    );
    await happened(acct('u0', 'a', 3), ...[4, 5, 6].map((t) => signup('a', ['x'], t)));
  }

  it('repeated subscriptions are purged while all connected addresses and accounts can be looked at', async () => {
    await crowd(MOST_CONNECTED - 2); // and two addresses
    expect(await purgeOld()).toEqual({ ...NOTHING, choices: 1 });
  });

  it('repeated subscriptions stay if there are more: any of them may have refused', async () => {
    await crowd(MOST_CONNECTED - 1);
    expect(await purgeOld()).toEqual(NOTHING);
    expect(await choicesAt('a')).toHaveLength(3);
  });

  it('an address that many deleted accounts claimed is dropped', async () => {
    const names = Array.from({ length: 300 }, (_, i) => `u${i}`);
    await applyBatch(
      database.db,
      names.map((name, i) => acct(name, 'hot', 1 + i / 1_000)),
      DEFAULTS,
    );
    await applyBatch(
      database.db,
      names.map((name) => del(name, 5)),
      DEFAULTS,
    );
    expect(await purgeOld()).toMatchObject({ addresses: 1 });
    expect(await claimsOn('hot')).toEqual([]);
    expect(await brokenPromises(database)).toEqual([]);
  });
});

describe('consecutive claims of an account', () => {
  it('are marked as continuing, so that no event reads them as beginnings of periods', async () => {
    await happened(acct('u', 'a', 1), acct('v', 'a', 3), acct('u', 'a', 2), acct('v', 'a', 11), acct('v', 'a', 12));
    await database.sql('UPDATE address_claim SET continues = false'); // as stored by an older version
    expect(await purgeOld()).toEqual(NOTHING);
    const marked = `SELECT (extract(epoch FROM at) - extract(epoch FROM timestamptz '2026-01-01Z'))::float8
      FROM address_claim WHERE continues ORDER BY at`;
    expect(await column(marked)).toEqual([2, 11, 12]);
    expect(await brokenPromises(database)).toEqual([]);
  });

  it('are compacted to the first and the last of the old ones', async () => {
    await happened(...[1, 2, 3, 4].map((t) => acct('u', 'a', t)));
    await happened(...[1, 2, JUST_OLDER].map((t) => acct('v', 'b', t)), ...[1, 2, T, 12].map((t) => acct('w', 'c', t)));
    const before = await canonicalExportOf(database.db);
    expect(await purgeOld()).toEqual({ ...NOTHING, claims: 3 });
    expect(await claimsOn('a')).toEqual([1, 4]);
    expect(await claimsOn('b')).toEqual([1, JUST_OLDER]);
    expect(await claimsOn('c')).toEqual([1, 2, T, 12]);
    expect(await canonicalExportOf(database.db)).toEqual(before);
    expect(await purgeOld()).toEqual(NOTHING);
  });

  it('stay where another account’s claim is between them, next to them, or at the same time', async () => {
    await happened(acct('u', 'a', 1), acct('v', 'a', 2), acct('u', 'a', 3), acct('u', 'a', 4), acct('v', 'a', 4));
    await happened(acct('u', 'a', 5), acct('u', 'a', 6));
    expect(await purgeOld()).toEqual(NOTHING);
    expect(await claimsOn('a')).toEqual([1, 2, 3, 4, 4, 5, 6]);
  });

  it('stay if they are held or next to a held claim', async () => {
    await happenedObserving(['v'], acct('v', 'b', 1), acct('u', 'a', 1), acct('u', 'a', 2), acct('v', 'a', 3));
    await happenedObserving(['v'], acct('v', 'a', 4), acct('v', 'a', 5), acct('u', 'a', 6), acct('u', 'a', 7));
    expect(await purgeOld()).toEqual(NOTHING);
  });

  it('stay if an undone merge blocks them', async () => {
    await happened(acct('u', 'a', 1), signup('b', ['x'], 2), ...[3, 4, 5].map((t) => acct('u', 'b', t)));
    await applyBatch(database.db, [undoOf(await lastMerge(), at(6))], DEFAULTS);
    expect(await purgeOld()).toEqual(NOTHING);
    expect(await claimsOn('b')).toEqual([3, 4, 5]);
  });

  it('keep the last one before the deletion of their account', async () => {
    await happened(acct('u', 'a', 1), acct('u', 'b', 4), signup('a', ['x'], 1));
    await happened(acct('u', 'a', 2), acct('u', 'a', 5), acct('u', 'a', 6), acct('u', 'a', 7), del('u', 5));
    const before = await canonicalExportOf(database.db);
    expect(await purgeOld()).toMatchObject({ claims: 1 });
    expect(await claimsOn('a')).toEqual([1, 5, 6, 7]);
    expect(await canonicalExportOf(database.db)).toEqual(before);
  });

  it('stay at an address of a merge that a deletion completed: an undo needs them for consent', async () => {
    await happened(acct('d1', 'd', 1), acct('d2', 'e', 1), acct('d2', 'd', 5), del('d1', 3));
    await happened(...[6, 7, 8].map((t) => acct('w', 'd', t)), ...[6, 7, 8].map((t) => acct('w', 'e', t)));
    expect(await purgeOld()).toMatchObject({ claims: 1 });
    expect(await claimsOn('d')).toEqual([1, 5, 6, 7, 8]);
  });
});

const lastMerge = async (): Promise<StoredMerge> => (await ledgerOf(database.db)).at(-1) as StoredMerge;

describe('addresses with nothing but claims of deleted accounts', () => {
  /** d1 owned a; d2, the same person again, owns it now, and b. In single steps, so that a merge is in the ledger. */
  const component = () =>
    happened(acct('d2', 'b', 1), acct('d1', 'a', 1), del('d1', 2), acct('d2', 'a', 3), del('d2', JUST_OLDER));

  it('are dropped, and the contact that is left with nothing is closed: its id and token answer like unknown ones', async () => {
    await component();
    await happened(acct('live', 'z', 1));
    const [contact] = await database.sql<{ id: string; token: string; version: number }>(
      `SELECT c.id, t.token, c.version FROM account u JOIN contact c ON c.id = u.contact_id
       JOIN basket_token t ON t.contact_id = c.id AND t.state = 'live' WHERE uid = $1`,
      [uidOf('d2')],
    );
    const before = await column('SELECT message_id FROM outbox');
    expect(await purgeOld()).toEqual({ ...NOTHING, addresses: 2, contacts: 1, explanations: 1 });
    for (const lookUp of [
      { by: 'email', address: key('a') },
      { by: 'email', address: key('b') },
      { by: 'token', token: contact?.token as string },
      { by: 'id', id: contact?.id as string },
      { by: 'account', uid: uidOf('d2') },
    ] as const) {
      expect(await findContact(database.db, lookUp)).toBeNull();
    }
    expect(await database.sql('SELECT state, version, merged_into FROM contact WHERE id = $1', [contact?.id])).toEqual([
      { state: 'closed', version: (contact?.version as number) + 1, merged_into: null },
    ]);
    expect(await database.sql('SELECT state, retired_by FROM basket_token WHERE token = $1', [contact?.token])).toEqual(
      [{ state: 'retired', retired_by: null }],
    );
    const told = await database.sql<{ type: string; body: unknown }>(
      'SELECT type, body FROM outbox WHERE message_id <> ALL ($1)',
      [before],
    );
    expect(told.map(({ type }) => type)).toEqual(['contact.closed']);
    expect(ContactClosed.parse(told[0]?.body)).toMatchObject({
      ...{ contact_id: contact?.id, basket_token: contact?.token, version: (contact?.version as number) + 1 },
      ...{ account_id: null, trigger: null },
    });
    expect(await database.sql('SELECT addresses, explanation FROM merge')).toEqual([
      { addresses: [], explanation: null },
    ]);
    for (const table of TABLES.split(', ').filter((name) => name !== 'outbox')) {
      expect(await database.sql(`SELECT FROM ${table} AS x WHERE x::text ~ '[ab]@mail'`)).toEqual([]);
    }
    expect(await column('SELECT uid FROM account WHERE deleted_at IS NOT NULL ORDER BY uid')).toHaveLength(2);
    expect(await brokenPromises(database)).toEqual([]);
    expect(await canonicalExportOf(database.db)).toHaveLength(1);
    expect(await purgeOld()).toEqual(NOTHING);
  });

  it('are dropped once, whatever pages their accounts are in', async () => {
    await component();
    await happened(acct('x', 'x', 1), del('x', 2));
    const dry = await purgeOld({ dryRun: true, pageSize: 1 });
    expect(await purgeOld({ pageSize: 1 })).toEqual(dry);
    expect(dry).toMatchObject({ addresses: 3, contacts: 2 });
  });

  it('are unknown afterwards: a sign-up creates a new contact, an event with the old token has no effect', async () => {
    await happened(acct('d', 'a', 1));
    const token = { token: await tokenOf('d') };
    await happened(del('d', 2));
    await purgeOld();
    expect(await applyBatch(database.db, [signup(token, ['x'], 20)], DEFAULTS)).toMatchObject({ unknownTokens: [0] });
    await happened(signup('a', ['x'], 20));
    expect(await lineOf('a')).toMatchObject({ account: null, double_opt_in: false, newsletters: { x: 'subscribed' } });
    await happened(acct('heir', 'a', 21));
    expect(await lineOf('a')).toMatchObject({ account: uidOf('heir'), newsletters: { x: 'subscribed' } });
    expect(await brokenPromises(database)).toEqual([]);
  });

  it('return with a late event that is older than the time, and are dropped again', async () => {
    await component();
    await purgeOld();
    await happened(acct('d2', 'a', 3), del('d2', 8), acct('d1', 'c', 1));
    expect(await brokenPromises(database)).toEqual([]);
    expect(await canonicalExportOf(database.db)).toHaveLength(2);
    expect(await purgeOld()).toMatchObject({ addresses: 2, contacts: 2 });
  });

  const only = (...events: ContactEvent[]) => [acct('d', 'a', 1), ...events, del('d', 5)];
  it.each<[string, ContactEvent[]]>([
    ['a choice at it', only(unsub('a', ['x'], 2))],
    ['a profile field', only(signup('a', [], 2, { profile: { firstName: null } }))],
    ['a deletion that is not old enough', [acct('d', 'a', 1), del('d', T)]],
    ['a claim that is not old enough, although it does not count', only(acct('d', 'a', T))],
    ['a sign-up that told nothing, and is not old enough', only(signup('a', [], T))],
    ['a live account that claimed it before', [acct('live', 'a', 0.5), ...only()]],
    [
      'a live account that claimed another address of the deleted one',
      [...only(acct('d', 'b', 2)), acct('live', 'b', 6)],
    ],
    [
      'a choice at another address of the deleted one: they are one contact',
      only(acct('d', 'b', 2), signup('b', ['x'], 3)),
    ],
  ])('stay with %s', async (_, events) => {
    await happened(...events);
    const before = await everything();
    expect(await purgeOld()).toEqual(NOTHING);
    expect(await everything()).toEqual(before);
  });

  it('stay if the deleted account has a set, which is a refusal', async () => {
    await happened(acct('d', 'a', 1));
    const { token } = { token: await tokenOf('d') };
    await happened(exactly({ token }, [], 2), del('d', 5));
    await database.sql(`DELETE FROM choice WHERE origin_kind = 'address'`);
    expect(await purgeOld()).toEqual(NOTHING);
  });

  it('stay if the deleted account has a refusal: the next account inherits it', async () => {
    await happened(acct('d', 'a', 1));
    await happened(unsub({ token: await tokenOf('d') }, ['x'], 2), del('d', 5));
    expect(await purgeOld()).toEqual(NOTHING);
    await happened(acct('heir', 'a', 20, { newsletters: ['y'] }));
    expect(await lineOf('a')).toMatchObject({ newsletters: { x: 'unsubscribed', y: 'subscribed' } });
  });

  it('stay if a claim is held', async () => {
    await happenedObserving(['e'], acct('d', 'a', 1), acct('e', 'b', 1), acct('e', 'a', 2), del('e', 4), del('d', 5));
    expect(await purgeOld()).toEqual(NOTHING);
  });

  it('stay if a merge was undone: an opt-out from the meantime counts for both sides', async () => {
    await happened(acct('d', 'b', 1), acct('e', 'a', 1), del('e', 2), acct('d', 'a', 3));
    await applyBatch(database.db, [undoOf(await lastMerge(), at(4))], DEFAULTS);
    await happened(del('d', 5));
    expect(await purgeOld()).toMatchObject({ addresses: 0, contacts: 0 });
  });

  it('stay while they connect a live account with an address where a refusal may still arrive', async () => {
    // live inherited y from d2, and d2 inherited a from d1: a refusal at z, in d1's period, counts for live.
    await happened(acct('d1', 'z', 1), signup('z', ['x'], 1), acct('d1', 'a', 1), del('d1', 2), acct('d2', 'a', 3));
    await happened(acct('d2', 'y', 3), del('d2', 4), acct('live', 'y', 5));
    expect(await purgeOld()).toMatchObject({ addresses: 0 });
    await happened(optout('z', 20));
    expect(await lineOf('y')).toMatchObject({ account: uidOf('live'), opted_out: true });
  });
});

describe('a purge beside running workers', () => {
  const lock = 'SELECT FROM account WHERE uid = $1 FOR UPDATE';

  it('loses no sign-up that arrives while its address is being dropped', async () => {
    await happened(acct('d', 'a', 1), del('d', 2));
    // The purge locks the address first: with the account locked here, it stops halfway.
    const open = await gate(database, lock, [uidOf('d')]);
    const purging = purgeOld();
    await waiting(database, 1);
    const late = [happened(signup('a', ['x'], 20)), happened(acct('heir', 'a', 21, { newsletters: ['y'] }))];
    await waiting(database, 3);
    await open();
    expect(await purging).toMatchObject({ addresses: 1, contacts: 1 });
    await Promise.all(late);
    expect(await lineOf('a')).toMatchObject({
      account: uidOf('heir'),
      newsletters: { x: 'subscribed', y: 'subscribed' },
    });
    expect(await brokenPromises(database)).toEqual([]);
  });

  /** Purges beside a batch that has locked the address of an event at a, and waits for b. */
  async function purgedBeside(event: ContactEvent) {
    const open = await gate(database, 'SELECT FROM email_address WHERE address = $1 FOR UPDATE', [key('b')]);
    const batch = applyBatch(database.db, [signup('b', ['y'], 3), event], DEFAULTS);
    await waiting(database, 1);
    const purging = purgeOld();
    await waiting(database, 2);
    await open();
    await batch;
    return purging;
  }

  it('does not drop an address for which a worker is about to write a choice', async () => {
    await happened(acct('d', 'a', 1), del('d', 2), signup('b', ['x'], 1));
    expect(await purgedBeside(unsub('a', ['x'], 3))).toEqual(NOTHING);
    expect(await lineOf('a')).toMatchObject({ newsletters: { x: 'unsubscribed' } });
  });

  it('does not compact claims between which a worker is about to write another account’s claim', async () => {
    await happened(...[1, 2, 3, 5].map((t) => acct('u', 'a', t)), signup('b', ['x'], 1));
    expect(await purgedBeside(acct('v', 'a', 2.5))).toEqual(NOTHING);
    expect(await claimsOn('a')).toEqual([1, 2, 2.5, 3, 5]);
  });

  it('does not block workers on other addresses', async () => {
    await happened(acct('d', 'a', 1), del('d', 2));
    const open = await gate(database, lock, [uidOf('d')]);
    const purging = purgeOld();
    await waiting(database, 1);
    await happened(signup('unrelated', ['x'], 3), acct('u', 'unrelated', 4));
    await open();
    await purging;
  });

  it('leaves a locked merge for the next run', async () => {
    await happened(acct('d', 'a', 1), signup('b', ['x'], 1), acct('d', 'b', 2), del('d', 3));
    const open = await gate(database, 'UPDATE merge SET undone_at = NULL');
    expect(await purgeOld()).toEqual(NOTHING);
    await open();
    expect(await purgeOld()).toEqual({ ...NOTHING, explanations: 1 });
  });

  it('does not deadlock with workers, and keeps the invariants', async () => {
    // Each group has a deleted account with two addresses: readers sign up at one, a live account claims the other.
    const groups = Array.from({ length: 60 }, (_, i) => i);
    const all = (make: (i: number) => ContactEvent[]) => applyBatch(database.db, groups.flatMap(make), DEFAULTS);
    await all((i) => [acct(`d${i}`, `a${i}`, 1), acct(`d${i}`, `b${i}`, 2), del(`d${i}`, 3)]);
    await all((i) => [1, 2, 3, 4].map((t) => acct(`l${i}`, `l${i}`, t)));
    const worker = async (nr: number): Promise<void> => {
      for (let round = 0; round < 6; round++) {
        const first = (nr * 20 + round * 7) % 60;
        const turned = [...groups.slice(first), ...groups.slice(0, first)].slice(0, 20);
        const events = turned.flatMap((i) => [
          signup(`a${i}`, ['x'], 20 + round, { optin: nr === 1 }),
          acct(`l${i}`, `b${i}`, 20 + round),
          acct(`l${i}`, `l${i}`, 5),
        ]);
        await applyBatch(database.db, nr === 2 ? events.reverse() : events, DEFAULTS);
      }
    };
    const purger = async (): Promise<void> => {
      for (let round = 0; round < 6; round++) await purgeOld({ pageSize: 9 });
    };
    await Promise.all([worker(0), worker(1), worker(2), purger(), purger()]);
    expect(
      await database.sql('SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()'),
    ).toEqual([{ deadlocks: 0 }]);
    expect(await brokenPromises(database)).toEqual([]);
    expect(await column('SELECT DISTINCT origin FROM choice')).toHaveLength(60);
  });
});

describe('a purge', () => {
  const history = () =>
    happened(
      acct('d', 'a', 1, { locale: 'de', newsletters: ['n'] }),
      signup('b', ['x'], 1),
      acct('d', 'b', 2),
      ...[3, 4, 5].map((t) => acct('d', 'b', t)),
      ...[6, 6.5, 7].map((t) => signup('b', ['x'], t)),
      del('d', 8),
      acct('e', 'c', 1),
      del('e', 2),
    );
  const ALL = { claims: 2, choices: 2, accounts: 1, addresses: 1, contacts: 1, explanations: 1, audit: 0 };

  it('changes nothing in a dry run, and counts what would be purged', async () => {
    await history();
    const before = await everything();
    expect(await purgeOld({ dryRun: true })).toEqual(ALL);
    expect(await everything()).toEqual(before);
    expect(await purgeOld()).toEqual(ALL);
  });

  it('commits each page: the next run continues after a stop', async () => {
    await history();
    const lines = (await canonicalExportOf(database.db)).filter((line) => !line.includes(key('c')));
    for (let stops = 0; ; stops++) {
      let pages = 0;
      const stopped = await purgeOld({
        pageSize: 1,
        onPage: () => {
          if (pages++ === stops) throw new Error('stopped');
        },
      }).catch((error: Error) => error.message);
      expect(await brokenPromises(database)).toEqual([]);
      expect((await canonicalExportOf(database.db)).filter((line) => !line.includes(key('c')))).toEqual(lines);
      if (stopped !== 'stopped') break;
    }
    expect(await purgeOld()).toEqual(NOTHING);
  });

  it('removes no more rows in a transaction than it may, however much there is in a page', async () => {
    await database.sql(`
      CREATE TABLE removed (kind text, transaction bigint);
      CREATE FUNCTION note_removed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO removed VALUES (TG_TABLE_NAME, txid_current()); RETURN NULL; END $$;
      CREATE TRIGGER note_removed AFTER DELETE ON address_claim FOR EACH ROW EXECUTE FUNCTION note_removed();
      CREATE TRIGGER note_removed AFTER DELETE ON choice FOR EACH ROW EXECUTE FUNCTION note_removed();
      CREATE TRIGGER note_removed AFTER DELETE ON email_address FOR EACH ROW EXECUTE FUNCTION note_removed()`);
    try {
      const moments = Array.from({ length: 9 }, (_, i) => 1 + i / 10);
      await happened(...moments.map((t) => acct('u', 'a', t)), ...moments.map((t) => signup('a', ['x'], 3 + t)));
      await happened(acct('d', 'b', 1, { newsletters: ['p', 'q', 'r', 's'] }), del('d', 2));
      for (const name of ['e', 'f', 'g']) await happened(acct(name, `${name}-a`, 1), del(name, 2));
      expect(await purgeOld({ dryRun: true })).toEqual(await purgeOld({ rows: 2 }));
      const removed = await database.sql(`
        SELECT kind, sum(rows)::int AS rows, max(rows)::int AS most
        FROM (SELECT kind, transaction, count(*) AS rows FROM removed GROUP BY 1, 2) AS of_transactions GROUP BY 1 ORDER BY 1`);
      expect(removed).toEqual([
        { kind: 'address_claim', rows: 11, most: 2 },
        { kind: 'choice', rows: 11, most: 2 },
        { kind: 'email_address', rows: 4, most: 1 },
      ]);
    } finally {
      await database.sql('DROP FUNCTION note_removed CASCADE; DROP TABLE removed');
    }
  });

  it('reports each page', async () => {
    await history();
    const pages: string[] = [];
    await purgeOld({ pageSize: 2, onPage: ({ table }, rows) => pages.push(`${table} ${rows}`) });
    expect(pages).toEqual(['email_address 2', 'email_address 1', 'account 2', 'account 2', 'merge 1']);
  });
});
