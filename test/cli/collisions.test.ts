/** `onecontact collisions`: claims that wait for a decision, and accounts that are left without an address. */
import { EventEmitter } from 'node:events';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { run } from '../../src/cli/run';
import type { ContactEvent } from '../../src/contacts/event';
import { applyBatch } from '../../src/workers/apply-batch';
import { freshDatabase, type TestDatabase } from '../helpers/database';
import { acct, addressOf, at, del, signup, uidOf } from '../helpers/events';
import { apply, brokenPromises, canonicalExportOf, DEFAULTS } from '../helpers/stored';
import { allRows, keepRows } from '../helpers/table-rows';
import { onecontact } from './terminal';

let data: TestDatabase;
let empty: () => Promise<void>;
beforeAll(async () => {
  data = await freshDatabase();
  empty = await keepRows(data);
});
beforeEach(() => empty());
afterAll(() => data?.drop());

const collisions = (...args: string[]) => onecontact(['collisions', ...args], { DATABASE_URL: data.url });
const json = async (...args: string[]) =>
  (await collisions(...args, '--json')).out
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
const observe = async (...events: ContactEvent[]): Promise<void> => {
  for (const event of events) await applyBatch(data.db, [event], { ...DEFAULTS, observes: () => true });
};
const key = (name: string): string => addressOf(name).key;
const iso = (t: number): string => new Date(at(t)).toISOString();
const contactOf = async (name: string): Promise<string> =>
  (await data.sql<{ id: string }>('SELECT contact_id AS id FROM email_address WHERE address = $1', [key(name)]))[0]
    ?.id as string;
const heldLeft = async (): Promise<number> =>
  (await data.sql("SELECT FROM address_claim WHERE standing = 'held'")).length;

/** Runs a command that must not change anything. */
async function withoutChange<T>(work: () => Promise<T>): Promise<T> {
  const before = await allRows(data);
  const result = await work();
  expect(await allRows(data)).toEqual(before);
  return result;
}

/** One claim that would merge, made twice; one that would move; one that has lost in the meantime. */
const COLLISIONS = [
  acct('u', 'a', 1),
  signup('b', ['x'], 2),
  acct('u', 'b', 3),
  acct('u', 'b', 4),
  acct('v', 'c', 1),
  acct('w', 'd', 1),
  acct('w', 'c', 5),
  signup('e', [], 1),
  acct('v', 'e', 2),
];

describe('collisions list', () => {
  it('says so when nothing waits', async () => {
    expect(await collisions('list')).toEqual({
      code: 0,
      out: 'No claim is held.\nNo live account is without an address.\n',
      err: '',
    });
    expect((await collisions('list', '--json')).out).toBe('');
  });

  it('lists held claims by address and account, with what resolving them would do; then accounts for review', async () => {
    await observe(...COLLISIONS);
    await apply(data.db, acct('left', 'f', 1), acct('other', 'f', 2));
    const [a, b, c] = [await contactOf('a'), await contactOf('b'), await contactOf('c')];
    const { out, code, err } = await withoutChange(() => collisions('list'));
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(
      new RegExp(
        `^b@mail\\.test  claimed by account ${uidOf('u')} since 2026-01-01 00:00:03 ` +
          `\\(primaryEmailChanged, 2 times, last 2026-01-01 00:00:04\\)\n` +
          `  now with contact ${b}, which stands alone\n  Resolving it would do this:\n` +
          `  Merge: two contacts turn out to be one person\\.\n`,
      ),
    );
    expect(out).toContain(
      `\n  now with contact ${c} of account ${uidOf('v')}\n  Resolving it would do this:\n  Move: the address goes from contact ${c}`,
    );
    expect(out).toMatch(
      new RegExp(
        `\n\nAccount ${uidOf('left')} has no address, only contact [0-9a-f-]{36}\\.\n` +
          `  It last claimed f@mail\\.test \\(2026-01-01 00:00:01\\), now with contact ${await contactOf('f')}\\.\n\n` +
          '3 pairs of address and account wait: `onecontact collisions resolve` releases them\\.\n' +
          '1 live account without an address: for review; the next claim settles it\\.\n$',
      ),
    );
    const lines = await withoutChange(() => json('list'));
    expect(lines).toMatchObject([
      {
        kind: 'held',
        address: key('b'),
        account_id: uidOf('u'),
        claims: 2,
        since: iso(3),
        until: iso(4),
        event: 'primaryEmailChanged',
        contact_id: b,
        contact_account_id: null,
        plan: { outcome: 'merged', merge: { survivor: { contact_id: a }, retired: { contact_id: b } } },
      },
      { kind: 'held', address: key('c'), contact_account_id: uidOf('v'), plan: { outcome: 'moved', from_contact: c } },
      { kind: 'held', address: key('e'), plan: { outcome: 'merged' } },
      { kind: 'no_address', account_id: uidOf('left'), last_claimed: key('f'), claimed_at: iso(1) },
    ]);
  });

  it('does not call for review of an account that waits for a decision', async () => {
    await observe(acct('v', 'a', 1), acct('u', 'a', 3));
    expect((await json('list')).map(({ kind }) => kind)).toEqual(['held']);
  });

  it('tries out the first pairs only, and lists all, however many', async () => {
    const many = Array.from({ length: 230 }, (_, i) => i);
    await applyBatch(
      data.db,
      many.flatMap((i) => [acct(`m${i}`, `own${i}`, 1), signup(`lone${i}`, [], 1), acct(`m${i}`, `lone${i}`, 2)]),
      { ...DEFAULTS, observes: () => true },
    );
    const lines = await json('list');
    expect([lines.length, lines.filter(({ plan }) => plan !== null).length]).toEqual([230, 10]);
    expect(new Set(lines.map(({ address }) => address)).size).toBe(230);
  });
});

describe('collisions resolve', () => {
  it('releases all that is held, and announces the merges; a second time there is nothing to do', async () => {
    await observe(...COLLISIONS);
    await apply(data.db, acct('z', 'e', 9));
    const dry = await withoutChange(() => collisions('resolve', '--dry-run'));
    const counts = '1 merged, 1 moved, 1 took nothing.\n';
    expect(dry.out).toBe(`3 pairs of address and account would be released; nothing was changed yet: ${counts}`);
    expect(await collisions('resolve')).toEqual({
      code: 0,
      out: `3 pairs of address and account released: ${counts}`,
      err: '',
    });
    expect(await heldLeft()).toBe(0);
    expect(await data.sql("SELECT FROM outbox WHERE type = 'contact.merged'")).toHaveLength(1); // z joined
    expect(await brokenPromises(data)).toEqual([]);
    const again = await withoutChange(() => collisions('resolve'));
    expect(again).toEqual({ code: 0, out: 'No claim is held: nothing to do.\n', err: '' });

    const released = await canonicalExportOf(data.db);
    await empty();
    await apply(data.db, ...COLLISIONS, acct('z', 'e', 9));
    expect(await canonicalExportOf(data.db)).toEqual(released);
  });

  it('releases one account’s, or one pair', async () => {
    await observe(...COLLISIONS, acct('u', 'c', 6));
    const [summary] = await json('resolve', uidOf('u').toUpperCase(), ' B@mail.test ');
    expect(summary).toEqual({ released: 1, merged: 1, moved: 0, nothing: 0, dry_run: false });
    expect(await heldLeft()).toBe(3);
    expect(await json('resolve', uidOf('w'))).toMatchObject([{ released: 1, moved: 1 }]);
    expect(await brokenPromises(data)).toEqual([]);
  });

  it('fails clearly when the pair that is named does not wait', async () => {
    await observe(...COLLISIONS);
    for (const args of [[uidOf('nobody')], [uidOf('v'), 'b@mail.test']]) {
      expect(await withoutChange(() => collisions('resolve', ...args))).toEqual({
        code: 1,
        out: '',
        err: 'onecontact: No such claim is held: `onecontact collisions list` shows those that are.\n',
      });
    }
  });

  it('releases what an account claimed that was deleted since: it takes nothing', async () => {
    await observe(...COLLISIONS.slice(0, 4), del('u', 2));
    expect(await json('resolve')).toMatchObject([{ released: 1, nothing: 1 }]);
    expect(await brokenPromises(data)).toEqual([]);
  });

  it('works in transactions of at most 100 pairs, shows its progress to a person, and can be cut off', async () => {
    const many = Array.from({ length: 250 }, (_, i) => i);
    await applyBatch(
      data.db,
      many.flatMap((i) => [acct(`m${i}`, `own${i}`, 1), signup(`lone${i}`, [], 1), acct(`m${i}`, `lone${i}`, 2)]),
      { ...DEFAULTS, observes: () => true },
    );
    expect(await json('resolve', '--limit', '20')).toMatchObject([{ released: 20, merged: 20 }]);
    const page = (isTTY: boolean) =>
      Object.assign(new EventEmitter(), { isTTY, texts: [] as string[], write: (text: string) => Boolean(text) });
    const [stdout, stderr] = [page(true), page(true)];
    stderr.write = (text) => stderr.texts.push(text) > 0;
    // The second transaction fails; the first is kept.
    await data.sql(`
      CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF (SELECT count(*) FROM merge) > 130 THEN RAISE 'cut off'; END IF; RETURN NULL; END $$;
      CREATE TRIGGER cut AFTER INSERT ON merge FOR EACH STATEMENT EXECUTE FUNCTION cut()`);
    expect(await run(['collisions', 'resolve'], { env: { DATABASE_URL: data.url }, stdout, stderr })).toBe(1);
    await data.sql('DROP TRIGGER cut ON merge');
    expect(stderr.texts[0]).toBe('\r\u001b[K100 of 230 pairs released');
    expect(await heldLeft()).toBe(130);
    expect(await json('resolve')).toMatchObject([{ released: 130, merged: 130 }]);
    expect(await brokenPromises(data)).toEqual([]);
  });
});

describe('bad input', () => {
  it.each([
    ['resolve', 'secret@mail.test'],
    ['resolve', uidOf('u'), 'secret'],
    ['resolve', uidOf('u'), 'b@mail.test', 'more'],
    ['resolve', '--limit', '-1'],
    ['resolve', '--limit', '1.5'],
    ['list', 'all'],
    ['nonsense'],
    [],
  ])('is bad usage, and changes nothing: %s %s', async (...args) => {
    await observe(...COLLISIONS);
    const { code, out, err } = await withoutChange(() => collisions(...args.filter((arg) => arg !== undefined)));
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/^(error|Usage): /);
    expect(err).not.toContain('secret');
  });

  it.each(['list', 'resolve'])('help shows examples: %s', async (command) => {
    const { code, out } = await collisions(command, '--help');
    expect([code, out]).toEqual([0, expect.stringMatching(/\nExamples:\n {2}\$ /)]);
  });
});
