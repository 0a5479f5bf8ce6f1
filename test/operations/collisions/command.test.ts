/** `onecontact collisions`: held claims, and accounts without an address. */
import { EventEmitter } from 'node:events';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { run } from '../../../src/cli/run';
import type { ContactEvent } from '../../../src/contacts/facts/event';
import { applyBatch } from '../../../src/ingest/apply/transaction';
import { allRows, keepRows } from '../../../tools/table-rows';
import { confirmed, onecontact, terminal } from '../../support/command-line';
import { crashesOf } from '../../support/crashes';
import { freshDatabase, type TestDatabase } from '../../support/database';
import { acct, addressOf, at, del, signup, uidOf } from '../../support/events';
import { apply, applyConcurrently, brokenPromises, canonicalExportOf, DEFAULTS } from '../../support/stored';

let data: TestDatabase;
let empty: () => Promise<void>;
beforeAll(async () => {
  data = await freshDatabase();
  empty = await keepRows(data);
});
beforeEach(() => empty());
afterAll(() => data?.drop());

const collisions = (...args: string[]) => onecontact(confirmed(['collisions', ...args]), { DATABASE_URL: data.url });
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
  (await data.sql("SELECT FROM address_claim WHERE status = 'held'")).length;

/** Runs a command and checks that it changes no row. */
async function withoutChange<T>(work: () => Promise<T>): Promise<T> {
  const before = await allRows(data);
  const result = await work();
  expect(await allRows(data)).toEqual(before);
  return result;
}

/** A claim that would merge, made twice; one that would move an address; and another that would merge. */
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
  it('says that no claim is held', async () => {
    expect(await collisions('list')).toEqual({
      code: 0,
      out: 'No claims are held.\nEvery live account has an address.\n',
      err: '',
    });
    expect((await collisions('list', '--json')).out).toBe('');
  });

  it('lists held claims with what resolving them would do, then accounts that need a review', async () => {
    await observe(...COLLISIONS);
    await apply(data.db, acct('left', 'f', 1), acct('other', 'f', 2));
    const [a, b, c] = [await contactOf('a'), await contactOf('b'), await contactOf('c')];
    const { out, code, err } = await withoutChange(() => collisions('list', '--plan'));
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(
      new RegExp(
        `^b@mail\\.test\n  claimed by  account ${uidOf('u')}\n` +
          `  since       2026-01-01 00:00:03 \\(primaryEmailChanged, 2 times, last 2026-01-01 00:00:04\\)\n` +
          `  now with    contact ${b}\n  of          no account\n  Resolving it would do this:\n` +
          `  Merge: the two contacts are one person\\.\n`,
      ),
    );
    expect(out).toContain(
      `\n  now with    contact ${c}\n  of          account ${uidOf('v')}\n  Resolving it would do this:\n  Move: the address goes from contact ${c}`,
    );
    expect(out).toMatch(
      new RegExp(
        `\n\naccount ${uidOf('left')}\n  contact     [0-9a-f-]{36}, without an address\n` +
          `  last claim  f@mail\\.test \\(2026-01-01 00:00:01\\), now with contact\n              ${await contactOf('f')}\n\n` +
          '3 pairs of address and account held: `onecontact collisions resolve` releases them\\.\n' +
          '1 live account without an address, for review\\. The next claim adds one\\.\n$',
      ),
    );
    const lines = await withoutChange(() => json('list', '--plan'));
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

  it('does not list an account with a held claim for review', async () => {
    await observe(acct('v', 'a', 1), acct('u', 'a', 3));
    expect((await json('list')).map(({ kind }) => kind)).toEqual(['held']);
  });

  it('lists the first 20 of each kind without their plans, says how many it does not show, and more with --limit', async () => {
    const many = Array.from({ length: 230 }, (_, i) => i);
    await applyBatch(
      data.db,
      many.flatMap((i) => [acct(`m${i}`, `own${i}`, 1), signup(`lone${i}`, [], 1), acct(`m${i}`, `lone${i}`, 2)]),
      { ...DEFAULTS, observes: () => true },
    );
    const { out, err } = await collisions('list', '--json');
    const lines = out.trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line).plan)).toEqual(Array(20).fill(null));
    expect(err).toBe('Not shown: 210 pairs. --limit shows more.\n');
    const text = (await collisions('list')).out;
    expect([text.match(/claimed by/g)?.length, text]).toEqual([20, expect.not.stringContaining('Resolving it')]);
    expect(text).toMatch(
      /\n230 pairs of address and account held: .*\n.*\nNot shown: 210 pairs\. --limit shows more\.\n$/,
    );
    const all = await collisions('list', '--json', '--limit', '1000');
    expect(all.err).toBe('');
    expect(
      new Set(
        all.out
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line).address),
      ).size,
    ).toBe(230);
    expect((await collisions('list', '--limit', '230')).out).not.toContain('Not shown');
  });
});

describe('collisions resolve', () => {
  it('releases all held claims and announces the merges; the second run has nothing to do', async () => {
    await observe(...COLLISIONS);
    await apply(data.db, acct('z', 'e', 9));
    const dry = await withoutChange(() => collisions('resolve', '--dry-run'));
    const counts = '1 merged, 1 moved, 1 without effect.\n';
    expect(dry.out).toBe(`3 pairs of address and account would be released, nothing was changed: ${counts}`);
    expect(await collisions('resolve')).toEqual({
      code: 0,
      out: `3 pairs of address and account released: ${counts}`,
      err: '',
    });
    expect(await heldLeft()).toBe(0);
    expect(await data.sql("SELECT FROM outbox WHERE type = 'contact.merged'")).toHaveLength(1); // z joined
    expect(await brokenPromises(data)).toEqual([]);
    const again = await withoutChange(() => collisions('resolve'));
    expect(again).toEqual({ code: 0, out: 'No claims are held: nothing to do.\n', err: '' });

    const released = await canonicalExportOf(data.db);
    await empty();
    await apply(data.db, ...COLLISIONS, acct('z', 'e', 9));
    expect(await canonicalExportOf(data.db)).toEqual(released);
  });

  it('asks on a terminal before it releases more than one pair, and needs --yes elsewhere', async () => {
    await observe(...COLLISIONS);
    const env = { DATABASE_URL: data.url };
    const resolve = (stdin: Parameters<typeof onecontact>[2], ...args: string[]) =>
      onecontact(['collisions', 'resolve', ...args], env, stdin);
    for (const args of [[], [uidOf('u')], ['--limit', '2'], ['--no-announce']]) {
      expect(await withoutChange(() => resolve(undefined, ...args))).toEqual({
        ...{ code: 2, out: '' },
        err: expect.stringMatching(/^error: confirm with --yes, /),
      });
    }
    expect(await withoutChange(() => resolve(terminal('n')))).toEqual({
      ...{ code: 1, out: '' },
      err: expect.stringMatching(
        /^3 pairs of address and account\. Contacts will be merged, and the merges announced\.\nRelease the claims\? \[y\/N\] onecontact: Not confirmed: /,
      ),
    });
    expect((await withoutChange(() => resolve(terminal('n'), '--no-announce', '--limit', '2'))).err).toMatch(
      /^2 pairs of address and account\. Contacts will be merged\.\nRelease the claims\?/,
    );
    expect(await resolve(undefined, uidOf('u'), 'b@mail.test')).toMatchObject({ code: 0 });
    expect(await resolve(terminal('y'))).toMatchObject({ code: 0, out: expect.stringMatching(/^2 pairs/) });
  });

  it('does not ask about a single pair', async () => {
    await observe(...COLLISIONS);
    for (const args of [['--limit', '1'], [uidOf('w')], []]) {
      const { code, out } = await onecontact(
        ['collisions', 'resolve', ...args],
        { DATABASE_URL: data.url },
        terminal(),
      );
      expect([code, out]).toEqual([0, expect.stringMatching(/^1 pair of address and account released: /)]);
    }
  });

  it('releases the claims of one account, or one pair', async () => {
    await observe(...COLLISIONS, acct('u', 'c', 6));
    const [summary] = await json('resolve', uidOf('u').toUpperCase(), ' B@mail.test ');
    expect(summary).toEqual({ released: 1, merged: 1, moved: 0, nothing: 0, failed: {}, dry_run: false });
    expect(await heldLeft()).toBe(3);
    expect(await json('resolve', uidOf('w'))).toMatchObject([{ released: 1, moved: 1 }]);
    expect(await brokenPromises(data)).toEqual([]);
  });

  it('fails with a clear message when the named pair is not held', async () => {
    await observe(...COLLISIONS);
    for (const args of [[uidOf('nobody')], [uidOf('v'), 'b@mail.test']]) {
      expect(await withoutChange(() => collisions('resolve', ...args))).toEqual({
        code: 1,
        out: '',
        err: 'onecontact: This claim is not held: `onecontact collisions list` shows the held claims.\n',
      });
    }
  });

  it('takes nothing for an account that has been deleted', async () => {
    await observe(...COLLISIONS.slice(0, 4), del('u', 2));
    expect(await json('resolve')).toMatchObject([{ released: 1, nothing: 1 }]);
    expect(await brokenPromises(data)).toEqual([]);
  });

  const MANY = Array.from({ length: 250 }, (_, i) => i);
  const observeMany = () =>
    applyBatch(
      data.db,
      MANY.flatMap((i) => [acct(`m${i}`, `own${i}`, 1), signup(`lone${i}`, [], 1), acct(`m${i}`, `lone${i}`, 2)]),
      { ...DEFAULTS, observes: () => true },
    );
  /**
   * Makes every further merge fail while `work` runs. The lock makes transactions that merge wait for each other: without
   * it, two at once would not see each other's merges, and both could pass the limit.
   */
  const failingAfter = async (merges: number, work: () => Promise<void>): Promise<void> => {
    await data.sql(`
      CREATE FUNCTION take_turns() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        PERFORM pg_advisory_xact_lock(1); RETURN NULL; END $$;
      CREATE TRIGGER take_turns BEFORE INSERT ON merge FOR EACH STATEMENT EXECUTE FUNCTION take_turns();
      CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF (SELECT count(*) FROM merge) > ${merges} THEN RAISE 'cut off, and this is secret'; END IF; RETURN NULL; END $$;
      CREATE TRIGGER cut AFTER INSERT ON merge FOR EACH STATEMENT EXECUTE FUNCTION cut()`);
    try {
      await work();
    } finally {
      await data.sql(
        'DROP TRIGGER cut ON merge; DROP FUNCTION cut; DROP TRIGGER take_turns ON merge; DROP FUNCTION take_turns',
      );
    }
  };

  it('shows progress, rate and time left on a terminal', async () => {
    await observeMany();
    expect(await json('resolve', '--limit', '20')).toMatchObject([{ released: 20, merged: 20 }]);
    const page = (isTTY: boolean) =>
      Object.assign(new EventEmitter(), { isTTY, texts: [] as string[], write: (text: string) => Boolean(text) });
    const [stdout, stderr] = [page(true), page(true)];
    stderr.write = (text) => stderr.texts.push(text) > 0;
    const args = ['collisions', 'resolve', '--yes', '--batch-size', '100'];
    expect(await run(args, { env: { DATABASE_URL: data.url }, stdout, stderr })).toBe(0);
    expect(stderr.texts[0]).toMatch(/(?:100|130|200|230) of 230 pairs released, \d+ %, [\d,]+\/s, \d+ s left$/);
    expect(await heldLeft()).toBe(0);
    expect(await brokenPromises(data)).toEqual([]);
  });

  it('isolates the pairs that fail, ends when too many do, and the next run continues', async () => {
    await observeMany();
    await failingAfter(245, async () => {
      const { code, out, err } = await collisions('resolve', '--batch-size', '40');
      expect([code, err]).toEqual([1, '']);
      expect(out).toBe(
        '245 pairs of address and account released: 245 merged, 0 moved, 0 without effect.\n' +
          '5 pairs failed (5 with P0001): unchanged, and still held.\n',
      );
      const again = await collisions('resolve', '--max-errors', '3');
      expect(again).toMatchObject({ code: 1, out: '' });
      expect(again.err).toBe(
        'onecontact: Stopped after more than 3 errors (--max-errors). 4 pairs failed (4 with P0001): unchanged, and still held.\n',
      );
    });
    expect(await heldLeft()).toBe(5);
    expect(await json('resolve')).toMatchObject([{ released: 5, merged: 5, failed: {} }]);
    expect(await brokenPromises(data)).toEqual([]);
  });

  it('announces nothing with --no-announce, and the ledger says so', async () => {
    await observe(...COLLISIONS);
    await data.sql('DELETE FROM outbox');
    expect(await json('resolve', '--no-announce')).toMatchObject([{ released: 3 }]);
    expect(await data.sql('SELECT FROM outbox')).toEqual([]);
    const merges = await data.sql<{ id: string; announced: boolean }>('SELECT id, announced FROM merge');
    expect(merges.map(({ announced }) => announced)).toEqual([false, false]);
    const { out } = await onecontact(['merges', 'show', merges[0]?.id as string], { DATABASE_URL: data.url });
    expect(out).toContain(
      '\nNot announced: the retired contact had not been published yet, or the merge was\nresolved with --no-announce.\n',
    );
    expect(await brokenPromises(data)).toEqual([]);
  });

  it('keeps to the rate of --rate', async () => {
    await observeMany();
    const began = performance.now();
    expect(await json('resolve', '--rate', '50', '--limit', '100')).toMatchObject([{ released: 100 }]);
    expect(performance.now() - began).toBeGreaterThan(1_000);
  });

  it('ends the same when it is killed at any statement and run again', async () => {
    // Two persons, because the notifications about one person depend on how the claims are split into transactions.
    const people = ['p', 'q'];
    await observe(...people.flatMap((u) => [acct(u, u, 1), signup(`${u}2`, ['x'], 2), acct(u, `${u}2`, 3)]));
    const work = async (_: unknown, url: string): Promise<void> => {
      const args = ['collisions', 'resolve', '--yes', '--batch-size', '1', '--rate', '1000'];
      const { code } = await onecontact(args, { DATABASE_URL: url });
      if (code !== 0) throw new Error('killed');
    };
    let between = 0;
    for await (const { left } of crashesOf(data, work, { atomic: false })) {
      if (left === 'after') between += 1;
      expect(await heldLeft()).toBe(0);
      expect(await brokenPromises(data)).toEqual([]);
    }
    expect(between).toBeGreaterThan(2);
  }, 240_000);

  it('ends, beside live events for the same people, as if no claim had been held', async () => {
    await observeMany();
    const late = MANY.flatMap((i) => [acct(`m${i}`, `late${i}`, 9), signup(`lone${i}`, ['x'], 9)]);
    const batches = Array.from({ length: 50 }, (_, i) => late.slice(i * 10, i * 10 + 10));
    await Promise.all([
      collisions('resolve', '--batch-size', '20'),
      collisions('resolve', '--batch-size', '30'),
      applyConcurrently(data.db, batches, 6),
    ]);
    expect([await heldLeft(), await brokenPromises(data)]).toEqual([0, []]);
    const resolved = await canonicalExportOf(data.db);
    await empty();
    await observeMany();
    await applyBatch(data.db, late, DEFAULTS);
    await collisions('resolve');
    expect(await canonicalExportOf(data.db)).toEqual(resolved);
  });
});

describe('onecontact collisions', () => {
  it.each([
    ['resolve', 'secret@mail.test'],
    ['resolve', uidOf('u'), 'secret'],
    ['resolve', uidOf('u'), 'b@mail.test', 'more'],
    ['resolve', '--limit', '-1'],
    ['resolve', '--limit', '1.5'],
    ['resolve', '--rate', '0'],
    ['resolve', '--max-errors', 'few'],
    ['list', 'all'],
    ['nonsense'],
    [],
  ])('exits with 2 for bad usage and changes nothing: %s %s', async (...args) => {
    await observe(...COLLISIONS);
    const { code, out, err } = await withoutChange(() => collisions(...args.filter((arg) => arg !== undefined)));
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/^(error|Usage): /);
    expect(err).not.toContain('secret');
  });

  it.each(['list', 'resolve'])('shows examples in the help of %s', async (command) => {
    const { code, out } = await collisions(command, '--help');
    expect([code, out]).toEqual([0, expect.stringMatching(/\nExamples:\n {2}\$ /)]);
  });
});
