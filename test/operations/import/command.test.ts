import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { canonicalExport } from '../../../src/contacts/profile/canonical';
import { allRows, keepRows } from '../../../tools/table-rows';
import { onecontact } from '../../support/command-line';
import { crashesOf } from '../../support/crashes';
import { freshDatabase, type TestDatabase } from '../../support/database';
import { acct, addressOf, at, del, signup, uidOf } from '../../support/events';
import { gate } from '../../support/gate';
import { ctms, factsOfRecords, idOf, newsletter, recordOf, type Said, tokenOf } from '../../support/records';
import { eventually } from '../../support/service';
import { apply, brokenPromises, canonicalExportOf } from '../../support/stored';

jest.setTimeout(240_000);

let data: TestDatabase;
let empty: () => Promise<void>;
let folder: string;
beforeAll(async () => {
  data = await freshDatabase();
  empty = await keepRows(data);
});
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'onecontact-import-'));
  await empty();
});
afterEach(() => rmSync(folder, { recursive: true }));
afterAll(() => data?.drop());

const inFolder = (name: string): string => join(folder, name);
function file(lines: readonly (Said | string | Buffer)[], name = 'contacts.ndjson'): string {
  const bytes = lines.map((line) =>
    Buffer.concat([
      Buffer.isBuffer(line) ? line : Buffer.from(typeof line === 'string' ? line : JSON.stringify(ctms(line))),
      Buffer.from('\n'),
    ]),
  );
  writeFileSync(inFolder(name), Buffer.concat(bytes));
  return inFolder(name);
}
const importing = (path: string, ...args: string[]) =>
  onecontact(['import', path, ...args], { DATABASE_URL: data.url });
const summary = async (path: string, ...args: string[]) => JSON.parse((await importing(path, ...args, '--json')).out);
const rejectsOf = (path: string) =>
  readFileSync(`${path}.rejects.ndjson`, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
const NONE = {
  ...{ resumed: 0, erased: 0, rejected: {}, partly: {}, incomplete: 0, held: 0, readdressed: 0, not_taken: {} },
  dry_run: false,
};

/** Two people with two records each, one without a collision, a deleted account, and an unknown account address. */
const RECORDS: Said[] = [
  { a: 'a', u: 'u', p: 'B', made: 1, written: 9, email: { first_name: 'Ada', email_lang: 'de' } },
  { a: 'b', made: 5, newsletters: [newsletter('x', true, 5), newsletter('y', false, 6)] },
  { a: 'c', u: 'v', made: 2, written: 3, email: { has_opted_out_of_email: true, double_opt_in: true } },
  { a: 'd', u: 'w', made: 2, written: 3, deleted: true },
  { a: 'e', u: 'z', p: 'new', made: 2, written: 8 },
  { a: 'f', u: 'y', p: 'c', made: 2, written: 9 },
];

describe('onecontact import', () => {
  it('keeps ids, tokens and times, holds colliding claims, and merges and announces nothing', async () => {
    const path = file(RECORDS);
    const { code, out, err } = await importing(path);
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^6 records in \d+\.\d s \(\d+\/s\):\n {2}6 {2}imported, of which 0 were here before\n/);
    expect(out).toMatch(/\n {2}2 {2}claims held: `onecontact collisions list`\n$/);
    const contacts = await data.sql(`
      SELECT a.address, c.id, t.token, c.created_at FROM email_address a JOIN contact c ON c.id = a.contact_id
      JOIN basket_token t ON t.contact_id = c.id AND t.state = 'live' ORDER BY 1`);
    const name = (a: string) => ({ address: addressOf(a).key, id: idOf(a), token: tokenOf(a) });
    expect(contacts).toEqual([
      { ...name('a'), created_at: new Date(at(1)) },
      { ...name('b'), created_at: new Date(at(5)) },
      ...['c', 'd', 'e', 'f'].map((a) => ({ ...name(a), created_at: new Date(at(2)) })),
      { ...name('e'), address: 'new@mail.test', created_at: new Date(at(2)) },
    ]);
    expect(await data.sql('SELECT FROM merge UNION ALL SELECT FROM outbox')).toEqual([]);
    expect(await data.sql('SELECT * FROM import_progress')).toEqual([]);
    expect(await brokenPromises(data)).toEqual([]);
  });

  it('ends in the same export as the same facts sent as events, once all claims are released', async () => {
    await importing(file(RECORDS));
    const { code } = await onecontact(['collisions', 'resolve'], { DATABASE_URL: data.url });
    expect([code, await brokenPromises(data)]).toEqual([0, []]);
    expect(await canonicalExportOf(data.db)).toEqual(canonicalExport(factsOfRecords(RECORDS.map(recordOf))));
  });

  it('applies later events to imported contacts by the usual rules', async () => {
    await importing(file(RECORDS));
    await apply(data.db, acct('u', 'b', 20), signup({ token: tokenOf('b') }, ['late'], 21), del('v', 22));
    expect(await brokenPromises(data)).toEqual([]);
    expect(await data.sql('SELECT survivor_id, retired_id FROM merge')).toEqual([
      { survivor_id: idOf('a'), retired_id: idOf('b') },
    ]);
    const lines = (await canonicalExportOf(data.db)).map((line) => JSON.parse(line));
    expect(lines[0]).toMatchObject({ account: uidOf('u'), newsletters: { x: 'subscribed', late: 'subscribed' } });
  });

  it('changes no row when run again', async () => {
    const path = file(RECORDS);
    await importing(path);
    const before = await allRows(data);
    expect(await summary(path)).toEqual({ ...NONE, records: 6, imported: 6, known: 6 });
    expect(await allRows(data)).toEqual(before);
  });

  it('reads gzip under any file name, and from standard input', async () => {
    const packed = gzipSync(readFileSync(file(RECORDS)));
    writeFileSync(inFolder('packed'), packed);
    expect(await summary(inFolder('packed'))).toMatchObject({ imported: 6 });
    async function* bytes(): AsyncGenerator<Buffer> {
      for (const byte of packed) yield Buffer.from([byte]);
    }
    const args = ['import', '-', '--json', '--rejects', inFolder('rejects')];
    const { out, code } = await onecontact(args, { DATABASE_URL: data.url }, bytes());
    expect([code, JSON.parse(out)]).toMatchObject([0, { imported: 6, known: 6 }]);
  });

  it('with --dry-run changes nothing and prints what it would do', async () => {
    const before = await allRows(data);
    expect(await summary(file(RECORDS), '--dry-run')).toEqual({
      ...NONE,
      dry_run: true,
      records: 6,
      imported: 6,
      known: 0,
      held: 2,
      readdressed: 1,
    });
    expect(await allRows(data)).toEqual(before);
  });

  it('writes rejects with line and reason to a file that only its owner may read, and prints nothing personal', async () => {
    await apply(data.db, signup('live', ['x'], 1));
    const path = file([
      { a: 'a' },
      'no json: secret@mail.test',
      '',
      { a: 'secret', id: 'a' },
      { a: 'secret', token: 'a' },
      Buffer.from([0xff, 0xfe]),
      `{"x":"${'x'.repeat(1024 * 1024)}"}`,
      { a: 'A', id: 'other', token: 'other' },
      { a: 'live', email: { has_opted_out_of_email: true } },
      { a: 'b', email: { primary_email: 'secret' } },
    ]);
    const { code, out, err } = await importing(path);
    expect([code, err]).toEqual([1, '']);
    expect(out).not.toContain('secret');
    expect(out).toContain(`See ${path}.rejects.ndjson:\n`);
    const rejects = rejectsOf(path);
    expect(rejects.map(({ line, reason }) => [line, reason])).toEqual([
      [2, 'not_json'],
      [4, 'email_id_taken'],
      [5, 'basket_token_taken'],
      [6, 'not_utf8'],
      [7, 'too_large'],
      [8, 'address_taken'],
      [9, 'address_taken'],
      [10, 'invalid_address'],
    ]);
    for (const { problems } of rejects) expect(JSON.stringify(problems)).not.toContain('secret');
    expect(rejects[1].record.email.primary_email).toBe('secret@mail.test');
    expect(statSync(`${path}.rejects.ndjson`).mode & 0o777).toBe(0o600);
    // The opt-out of a person whom events had made known before the import is not lost.
    expect((await canonicalExportOf(data.db)).map((line) => JSON.parse(line))).toMatchObject([
      { addresses: ['a@mail.test'] },
      { addresses: ['live@mail.test'], opted_out: true },
    ]);
    expect(await brokenPromises(data)).toEqual([]);
    // A run of the corrected file removes the rejects file.
    file([{ a: 'a' }, { a: 'b' }]);
    expect(await importing(path)).toMatchObject({ code: 0 });
    expect(() => rejectsOf(path)).toThrow('ENOENT');
  });

  it('drops records of people who were erased after the records were written', async () => {
    const env = { DATABASE_URL: data.url, ERASURE_KEY: 'a key for erasure in tests' };
    const path = file(RECORDS);
    await importing(path);
    await onecontact(['erase', 'b@mail.test', '--yes'], env);
    expect((await data.sql("SELECT FROM email_address WHERE address = 'b@mail.test'")).length).toBe(0);
    expect((await importing(path)).err).toMatch(/ERASURE_KEY is not set/);
    const { out } = await onecontact(['import', path, '--json'], env);
    // Also the record that names the erased address only as its account's.
    expect(JSON.parse(out)).toMatchObject({ erased: 2, imported: 4 });
    expect(await data.sql("SELECT FROM email_address WHERE address = 'b@mail.test'")).toEqual([]);
    expect(await brokenPromises(data)).toEqual([]);
  });
});

describe('onecontact import, interrupted', () => {
  const many: Said[] = Array.from({ length: 2_500 }, (_, i) => ({
    a: `r${i}`,
    u: `u${i}`,
    ...(i % 10 === 0 && { p: `r${i + 1}`, written: 3 }),
  }));

  it('resumes after an error, and ends as an uninterrupted run', async () => {
    const path = file([...many.slice(0, 1_100), 'broken', ...many.slice(1_100), 'broken too']);
    await data.sql(`
      CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF EXISTS (SELECT FROM contact WHERE id = '${idOf('r2200')}') THEN RAISE 'cut off'; END IF; RETURN NULL; END $$;
      CREATE TRIGGER cut AFTER INSERT ON contact FOR EACH STATEMENT EXECUTE FUNCTION cut()`);
    try {
      expect(await importing(path)).toMatchObject({ code: 1, err: expect.stringMatching(/^onecontact: Failed/) });
    } finally {
      await data.sql('DROP TRIGGER cut ON contact; DROP FUNCTION cut');
    }
    const rejectsBefore = rejectsOf(path);
    expect(rejectsBefore).toHaveLength(1);
    expect(await summary(path)).toMatchObject({
      resumed: 2_000,
      records: 2_502,
      imported: 2_500,
      rejected: { not_json: 2 },
    });
    expect(rejectsOf(path).map(({ line }) => line)).toEqual([1_101, 2_502]);
    expect(await data.sql("SELECT count(*)::int AS n FROM address_claim WHERE status = 'held'")).toEqual([{ n: 250 }]);
    expect(await data.sql('SELECT count(*)::int AS n FROM contact')).toEqual([{ n: 2_500 }]);
    expect(await brokenPromises(data)).toEqual([]);
  });

  it('resumes after SIGKILL from the first uncommitted batch, even if later ones were committed', async () => {
    const lines = Array.from({ length: 7_500 }, (_, i): Said => ({ a: `r${i}` }));
    await importing(file([{ a: 'r5500' }], 'one.ndjson'));
    const path = file(lines);
    const open = await gate(data, 'SELECT FROM email_address WHERE address = $1 FOR UPDATE', [addressOf('r5500').key]);
    const child = spawn(process.execPath, ['tools/run.mjs', 'onecontact', 'import', path], {
      env: { ...process.env, DATABASE_URL: data.url },
      stdio: 'ignore',
    });
    const ended = once(child, 'exit');
    const contacts = async () => (await data.sql<{ n: number }>('SELECT count(*)::int AS n FROM contact'))[0]?.n;
    await eventually(contacts, (n) => n === 6_501, 60_000);
    child.kill('SIGKILL');
    await ended;
    await open();
    expect(await data.sql('SELECT lines::int FROM import_progress')).toEqual([{ lines: 5_000 }]);
    expect(await summary(path)).toEqual({ ...NONE, resumed: 5_000, records: 7_500, imported: 7_500, known: 1_501 });
    expect([await contacts(), await data.sql('SELECT FROM import_progress')]).toEqual([7_500, []]);
    expect(await brokenPromises(data)).toEqual([]);
  });

  it('leaves the database before or after each batch on a crash at any statement, and the same command completes it', async () => {
    const path = file(RECORDS);
    const work = async (_: unknown, url: string) => {
      const { code } = await onecontact(['import', path], { DATABASE_URL: url });
      if (code !== 0) throw new Error('cut off');
    };
    let crashes = 0;
    const left: string[] = [];
    for await (const crash of crashesOf(data, work)) {
      crashes += 1;
      left.push(crash.left);
    }
    expect(crashes).toBeGreaterThan(20);
    expect(new Set(left)).toEqual(new Set(['before', 'after']));
  });

  it('says that a gzip file is truncated, and imports the records before the end', async () => {
    const packed = gzipSync(readFileSync(file(many)));
    writeFileSync(inFolder('cut.gz'), packed.subarray(0, packed.length - 2_000));
    const { code, out, err } = await importing(inFolder('cut.gz'));
    expect([code, out]).toEqual([1, '']);
    expect(err).toMatch(
      /^onecontact: The gzip file is cut off \(Z_BUF_ERROR\): get the whole file, and run the same command again; [^\n]*\n$/,
    );
    const [{ n } = { n: 0 }] = await data.sql<{ n: number }>('SELECT count(*)::int AS n FROM contact');
    expect(n).toBeGreaterThan(1_000);
    writeFileSync(inFolder('cut.gz'), packed);
    expect(await summary(inFolder('cut.gz'))).toMatchObject({ resumed: 0, records: 2_500, imported: 2_500, known: n });
    packed.fill(0x55, 200, 400);
    writeFileSync(inFolder('cut.gz'), packed);
    expect((await importing(inFolder('cut.gz'))).err).toMatch(/^onecontact: The gzip file is damaged \(Z_DATA_ERROR\)/);
  });
});

describe('onecontact import, concurrently', () => {
  it('keeps all invariants beside events and two imports of the same records', async () => {
    const many: Said[] = Array.from({ length: 300 }, (_, i) => ({
      a: `r${i}`,
      u: `u${i}`,
      p: `r${(i * 7) % 330}`,
      written: 3,
    }));
    const path = file(many);
    const reversed = file([...many].reverse(), 'reversed.ndjson');
    const events = Array.from({ length: 300 }, (_, i) => signup(`r${i}`, ['live'], 9));
    await importing(file(many.slice(0, 150), 'first.ndjson'));
    await Promise.all([
      importing(path),
      importing(reversed),
      ...Array.from({ length: 30 }, (_, i) => apply(data.db, ...events.slice(i * 10, i * 10 + 10))),
    ]);
    expect(await brokenPromises(data)).toEqual([]);
    await onecontact(['collisions', 'resolve'], { DATABASE_URL: data.url });
    const lists = (await canonicalExportOf(data.db)).map((line) => JSON.parse(line).newsletters);
    expect(lists.filter((newsletters) => newsletters.live === 'subscribed').length).toBeGreaterThan(0);
    expect(await brokenPromises(data)).toEqual([]);
  });
});

describe('onecontact import, bad input', () => {
  it.each([[], ['a', 'b'], ['a', '--nonsense']])('exits with 2 on bad usage: %j', async (...args) => {
    expect(await onecontact(['import', ...args], {})).toMatchObject({ code: 2, out: '' });
  });

  it('refuses the input, or a file with other content, as rejects file', async () => {
    const path = file(RECORDS);
    expect(await importing(path, '--rejects', path)).toMatchObject({
      code: 2,
      err: expect.stringMatching(/^error: the rejects file is/),
    });
    writeFileSync(inFolder('precious'), 'something else\n');
    const { code, err } = await importing(path, '--rejects', inFolder('precious'));
    expect([code, err]).toEqual([
      1,
      expect.stringMatching(/^onecontact: The rejects file exists and holds something else/),
    ]);
    expect(readFileSync(inFolder('precious'), 'utf8')).toBe('something else\n');
    expect((await data.sql('SELECT FROM contact')).length).toBe(0);
  });

  it.each([
    ['no-such-file', /^onecontact: The file cannot be read \(ENOENT\): there is none of this name\.\n$/],
    ['.', /^onecontact: The file cannot be read \(EISDIR\): this is a folder; [^\n]*\n$/],
  ])('says in one sentence why the file cannot be read: %s', async (name, sentence) => {
    expect(await importing(inFolder(name))).toMatchObject({ code: 1, out: '', err: expect.stringMatching(sentence) });
  });

  it('says in one sentence that the database is unreachable or has no tables', async () => {
    const path = file(RECORDS);
    const away = await onecontact(['import', path], { DATABASE_URL: 'postgresql://u:p@127.0.0.1:1/none' });
    expect(away).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^onecontact: The database cannot be used[^\n]*\n$/),
    });
    const bare = await freshDatabase({ migrated: false });
    try {
      const { code, err } = await onecontact(['import', path], { DATABASE_URL: bare.url });
      expect([code, err]).toEqual([
        1,
        expect.stringMatching(/^onecontact: The database is \d+ migrations behind[^\n]*`onecontact migrate`[^\n]*\n$/),
      ]);
    } finally {
      await bare.drop();
    }
  });

  it('accepts an empty file', async () => {
    writeFileSync(inFolder('empty'), '');
    expect(await summary(inFolder('empty'))).toEqual({ ...NONE, records: 0, imported: 0, known: 0 });
  });

  it('shows examples in its help', async () => {
    const { code, out } = await onecontact(['import', '--help']);
    expect([code, out]).toEqual([0, expect.stringMatching(/\nExamples:\n {2}\$ /)]);
  });
});
