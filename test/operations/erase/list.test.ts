/** The list of erasures outside the database, and erasing by it. */
import { appendFileSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { keepRows } from '../../../tools/table-rows';
import { confirmed, onecontact, terminal } from '../../support/command-line';
import { freshDatabase, type TestDatabase } from '../../support/database';
import { acct, addressOf, signup, uidOf } from '../../support/events';
import { apply, canonicalExportOf } from '../../support/stored';
import { tracesOf } from '../../support/traces';

const KEY = 'a key for erasure in tests';
const key = (name: string): string => addressOf(name).key;

let data: TestDatabase;
let backup: () => Promise<void>;
let list: string;
beforeAll(async () => {
  data = await freshDatabase();
  backup = await keepRows(data);
});
beforeEach(async () => {
  await backup();
  list = join(mkdtempSync(join(tmpdir(), 'onecontact-erasures-')), 'erasures.ndjson');
});
afterAll(() => data?.drop());

const run = (...args: string[]) =>
  onecontact(confirmed(args), { DATABASE_URL: data.url, ERASURE_KEY: KEY, ERASURE_LIST: list, OPERATOR: 'grace' });
const restoreBefore = async (work: () => Promise<void>): Promise<void> => {
  const restore = await keepRows(data, 'older');
  await work();
  await restore();
  await data.sql('DROP SCHEMA older CASCADE');
};
const erasures = async (...args: string[]) => {
  const { out, code } = await run('erasures', 'apply', list, '--json', ...args);
  return { code, ...JSON.parse(out) };
};

describe('erase with ERASURE_LIST', () => {
  it('appends a line with hashes, and no name, for its owner only', async () => {
    await apply(data.db, acct('u', 'a', 1));
    expect((await run('erase', key('a'))).code).toBe(0);
    await run('erase', key('nobody'));
    const text = readFileSync(list, 'utf8');
    const hash = expect.stringMatching(/^[0-9a-f]{64}$/);
    const line = { at: expect.any(String), key: expect.stringMatching(/^[0-9a-f]{16}$/) };
    expect(
      text
        .split('\n')
        .slice(0, -1)
        .map((it) => JSON.parse(it)),
    ).toEqual([
      { ...line, addresses: [hash], accounts: [hash] },
      { ...line, addresses: [hash], accounts: [] },
    ]);
    expect(text).not.toMatch(/@|mail\.test/);
    expect(text).not.toContain(uidOf('u'));
    expect(statSync(list).mode & 0o777).toBe(0o600);
  });

  it('appends nothing in a dry run', async () => {
    await apply(data.db, signup('a', ['x'], 1));
    await run('erase', key('a'), '--dry-run');
    expect(() => statSync(list)).toThrow(/ENOENT/);
  });

  it('erases nothing when the list cannot be written', async () => {
    await apply(data.db, signup('a', ['x'], 1));
    const before = await canonicalExportOf(data.db);
    list = join(list, 'not-a-folder');
    const { code, err } = await run('erase', key('a'));
    expect([code, err]).toEqual([
      1,
      expect.stringMatching(/^onecontact: ERASURE_LIST cannot be written \(ENOENT\), so nothing was erased: [^\n]+\n$/),
    ]);
    expect(await canonicalExportOf(data.db)).toEqual(before);
  });

  it('starts a new line after one that a crash cut off', async () => {
    writeFileSync(list, '{"at":"2026-01');
    await run('erase', key('a'));
    expect(readFileSync(list, 'utf8')).toMatch(/^\{"at":"2026-01\n\{"at":"[^\n]+\}\n$/);
  });
});

describe('onecontact erasures apply', () => {
  it('erases everyone in the list who is in an older backup, and remembers the others', async () => {
    await apply(data.db, acct('u', 'a', 1), signup('b', ['x'], 1), signup('c', ['x'], 1));
    await restoreBefore(async () => {
      await apply(data.db, acct('u', 'a2', 2), signup('later', ['x'], 2));
      for (const name of ['a2', 'b', 'later']) await run('erase', key(name));
    });
    expect(await erasures('--dry-run')).toMatchObject({ code: 0, erasures: 3, known: 0, contacts: 2, dry_run: true });
    expect(await canonicalExportOf(data.db)).toHaveLength(3);
    expect(await erasures()).toMatchObject({ code: 0, erasures: 3, known: 0, contacts: 2, undecided: [] });
    expect(await canonicalExportOf(data.db)).toEqual([expect.stringContaining(key('c'))]);
    expect(await tracesOf(data, [key('a'), key('b'), uidOf('u')])).toEqual([]);
    // Also those who were not in the backup.
    const [row] = await data.sql<{ count: string }>('SELECT count(*) FROM erasure');
    expect(Number(row?.count)).toBe(1 + 2 + 1 + 1 + 1); // the key's own, a and a2, u, b, later
    expect(JSON.parse((await run('audit', '--json', '--command', 'erasures')).out)).toMatchObject({
      ...{ operator: 'grace', command: 'erasures apply' },
      result: { erasures: 3, known: 0, contacts: 2 },
    });
  });

  it('asks on a terminal, after it has shown how many would be erased, and needs --yes elsewhere', async () => {
    await apply(data.db, signup('a', ['x'], 1));
    await restoreBefore(async () => void (await run('erase', key('a'))));
    const ask = (stdin?: ReturnType<typeof terminal>) =>
      onecontact(['erasures', 'apply', list], { DATABASE_URL: data.url, ERASURE_KEY: KEY }, stdin);
    const before = await canonicalExportOf(data.db);
    expect(await ask()).toMatchObject({ code: 2, err: expect.stringContaining('--yes') });
    const counted = '1 erasure in the list, 0 known to the database: 1 contact';
    expect(await ask(terminal('n'))).toEqual({
      ...{ code: 1, out: '' },
      err: `${counted} would be erased, nothing was changed.\nErase for good? [y/N] onecontact: Not confirmed: nothing was changed.\n`,
    });
    expect(await canonicalExportOf(data.db)).toEqual(before);
    expect(await ask(terminal('y'))).toMatchObject({ code: 0, out: `${counted} erased.\n` });
    // Nothing is left to ask about.
    expect(await ask(terminal())).toMatchObject({ code: 0, err: '' });
  });

  it('does nothing when it is run again, and leaves a person who came back after their erasure', async () => {
    await apply(data.db, signup('a', ['x'], 1));
    await run('erase', key('a'));
    await apply(data.db, { ...signup('a', ['y'], 1), at: Date.now() + 1_000 });
    for (let n = 0; n < 2; n++) expect(await erasures()).toMatchObject({ erasures: 1, known: 1, contacts: 0 });
    expect(await canonicalExportOf(data.db)).toHaveLength(1);
  });

  it('keeps the time of each erasure: what the person did later is not dropped', async () => {
    await apply(data.db, signup('a', ['x'], 1));
    await restoreBefore(async () => void (await run('erase', key('a'))));
    const { at: until } = JSON.parse(readFileSync(list, 'utf8'));
    await erasures();
    const rows = await data.sql<{ at: Date }>('SELECT DISTINCT at FROM erasure');
    expect(rows).toEqual([{ at: new Date(until) }]);
  });

  it('does not erase another account that had an address of the person first, and says so', async () => {
    await apply(data.db, acct('first', 'shared', 1), acct('first', 'own', 2));
    await restoreBefore(async () => {
      await apply(data.db, acct('second', 'shared', 3));
      await run('erase', key('shared'));
    });
    const [contact] = await data.sql<{ id: string }>('SELECT contact_id AS id FROM account');
    expect(await erasures()).toMatchObject({ code: 1, contacts: 0, undecided: [contact?.id] });
    expect(await canonicalExportOf(data.db)).toHaveLength(1);
  });

  it('names the lines that it cannot read, and applies the others', async () => {
    await apply(data.db, signup('a', ['x'], 1), signup('b', ['x'], 1));
    await restoreBefore(async () => {
      await run('erase', key('a'));
      appendFileSync(list, '{"at":"2026-01');
      await run('erase', key('b'));
    });
    expect(await erasures('--dry-run')).toMatchObject({ code: 1, contacts: 2, unreadable_lines: [2] });
    const { code, out } = await run('erasures', 'apply', list);
    expect([code, out]).toEqual([
      1,
      '2 erasures in the list, 0 known to the database: 2 contacts erased.\nUnreadable: line 2.\n',
    ]);
  });

  it('refuses a list of another key, a missing key and a missing file, and changes nothing', async () => {
    await apply(data.db, signup('a', ['x'], 1));
    await restoreBefore(async () => void (await run('erase', key('a'))));
    const other = { DATABASE_URL: data.url, ERASURE_KEY: 'another key for erasure' };
    expect((await onecontact(confirmed(['erasures', 'apply', list]), other)).err).toMatch(
      /^onecontact: Line 1 of the list of erasures was written with another ERASURE_KEY: set ERASURE_KEY to that key\.\n$/,
    );
    expect((await onecontact(confirmed(['erasures', 'apply', list]), { DATABASE_URL: data.url })).err).toMatch(
      /ERASURE_KEY is not set/,
    );
    expect((await run('erasures', 'apply', `${list}.none`)).err).toMatch(/cannot be read \(ENOENT\): name the file/);
    expect(await canonicalExportOf(data.db)).toHaveLength(1);
  });
});
