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
import { acct, addressOf, at, del, optout, signup, uidOf, unsub } from '../../support/events';
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

describe('onecontact import, refusals', () => {
  const NEVER = { create_timestamp: null, update_timestamp: null };
  const undated = (name: string, subscribed: boolean) => ({ ...newsletter(name, subscribed, 1), ...NEVER });
  const viewOf = async (a: string) => JSON.parse((await show(a)).out);
  const show = (a: string) => onecontact(['show', addressOf(a).key, '--json'], { DATABASE_URL: data.url });
  const released = () => onecontact(['collisions', 'resolve'], { DATABASE_URL: data.url });

  it('does not lift an opt-out with the confirmation of a record that does not say when it was created', async () => {
    await apply(data.db, optout('a', 6));
    const email = { double_opt_in: true, create_timestamp: null };
    await importing(file([{ a: 'a', written: 11, email, newsletters: [newsletter('x', true, 9)] }]));
    expect(await viewOf('a')).toMatchObject({
      opted_out: true,
      double_opt_in: true,
      newsletters: { x: { state: 'unsubscribed' } },
    });
  });

  it('does not undo an unsubscribe with a subscription that has no time, and shows such a one without a time', async () => {
    await apply(data.db, unsub('a', ['x'], 6));
    await importing(file([{ a: 'a', written: 11, newsletters: [undated('x', true), undated('y', true)] }]));
    expect((await viewOf('a')).newsletters).toEqual({
      x: { state: 'unsubscribed', since: new Date(at(6)).toISOString() },
      y: { state: 'subscribed', since: null },
    });
    const { out } = await onecontact(['consent', addressOf('a').key], { DATABASE_URL: data.url });
    expect(out).toMatch(/\nunknown +y +subscribe +counts +the latest about its newsletter/);
  });

  it('lets a refusal without a time count once: a subscription after the first import stays when it is imported again', async () => {
    const now = Date.now() / 1_000 - at(0) / 1_000;
    const records: Said[] = [
      { a: 'a', email: NEVER, newsletters: [undated('x', false)] },
      { a: 'b', email: { ...NEVER, has_opted_out_of_email: true } },
    ];
    await apply(data.db, signup('a', ['x'], now - 60), signup('b', ['x'], now - 60, { optin: true }));
    const path = file(records);
    expect(await importing(path)).toMatchObject({ code: 1 }); // both addresses were known: `address_taken`
    expect(await viewOf('a')).toMatchObject({ newsletters: { x: { state: 'unsubscribed' } } });
    expect(await viewOf('b')).toMatchObject({ opted_out: true });
    await apply(data.db, signup('a', ['x'], now + 60), signup('b', ['x'], now + 60, { optin: true }));
    await importing(path);
    await importing(file([...records, { a: 'c' }]));
    expect(await data.sql('SELECT FROM first_import')).toHaveLength(2);
    expect(await viewOf('a')).toMatchObject({ newsletters: { x: { state: 'subscribed' } } });
    expect(await viewOf('b')).toMatchObject({ opted_out: false });
  });

  it('takes a record without any time', async () => {
    const email = { ...NEVER, first_name: 'Ada' };
    await importing(file([{ a: 'a', u: 'u', email, fxa: { created_date: null } }]));
    await apply(data.db, acct('v', 'a', 1), signup('a', [], 2, { profile: { firstName: 'Bob' } }));
    expect(await brokenPromises(data)).toEqual([]);
    expect(await viewOf('a')).toMatchObject({ account: uidOf('v'), first_name: 'Bob' });
  });

  it('takes the refusals of a record with unusable fields, counts it apart, and reports the fields', async () => {
    const path = file([
      {
        ...{ a: 'a', u: 'u', deleted: true, email: { has_opted_out_of_email: true } },
        fxa: { fxa_id: `DUPE:${'a'.repeat(32)}` },
        newsletters: [{ name: 'x' }, newsletter('y', false, 1)],
      },
      { a: 'b' },
    ]);
    const { code, out } = await importing(path);
    expect([code, out]).toEqual([
      1,
      expect.stringContaining('\n  1  imported without fields that could not be used\n'),
    ]);
    expect(await viewOf('a')).toMatchObject({ opted_out: true, newsletters: { y: { state: 'unsubscribed' } } });
    expect(rejectsOf(path)).toMatchObject([
      {
        ...{ line: 1, reason: 'invalid_fields' },
        problems: [expect.stringMatching(/^fxa\.fxa_id: /), expect.stringMatching(/^newsletters\.0\.subscribed: /)],
        record: { email: { email_id: idOf('a') } },
      },
    ]);
    expect(await summary(path)).toMatchObject({ records: 2, imported: 2, incomplete: 1, rejected: {}, partly: {} });
  });

  it('takes waitlists with their fields, which consent shows and an unsubscribe from the list ends', async () => {
    const on = (t: number) => ({ create_timestamp: null, update_timestamp: new Date(at(t)).toISOString() });
    const list = {
      name: 'vpn-bundle',
      subscribed: true,
      source: null,
      fields: { geo: 'fr', n: 2, yes: true },
      ...on(2),
    };
    const path = file([
      { a: 'a', waitlists: [list, { ...list, name: 'relay', subscribed: false, fields: { geo: 'de' } }] },
    ]);
    expect(await importing(path)).toMatchObject({ code: 0 });
    const before = await allRows(data);
    await importing(path);
    expect(await allRows(data)).toEqual(before);
    const { out } = await onecontact(['consent', '--json', addressOf('a').key], { DATABASE_URL: data.url });
    expect(JSON.parse(out).choices).toMatchObject([
      { newsletter: 'relay-waitlist', act: 'unsubscribe', fields: { geo: 'de' } },
      { newsletter: 'vpn-bundle-waitlist', act: 'subscribe', fields: { geo: 'fr', n: 2, yes: true } },
    ]);
    await apply(data.db, unsub('a', ['vpn-bundle-waitlist'], 3));
    expect((await viewOf('a')).newsletters).toMatchObject({
      'vpn-bundle-waitlist': { state: 'unsubscribed' },
      'relay-waitlist': { state: 'unsubscribed' },
    });
  });

  it.each([
    ['fr', 'gb'],
    ['gb', 'fr'],
  ])('keeps the greater fields of two waitlists of one time, in any order: %s, %s', async (...places) => {
    const list = (geo: string) => ({ ...newsletter('w', true, 2), fields: { geo } });
    for (const geo of places) await importing(file([{ a: 'a', waitlists: [list(geo)] }], `${geo}.ndjson`));
    expect(await data.sql('SELECT fields FROM choice')).toEqual([{ fields: '{"geo":"gb"}' }]);
  });

  it('takes only the refusals of a record whose address is refused today, and only if a contact has it', async () => {
    const odd = (name: string) => ({ key: `${name},x@mail.test`, typed: `${name},x@mail.test` });
    await apply(data.db, { ...signup('a', ['x'], 1), to: { address: odd('a') } });
    const said = (name: string): Said => ({
      ...{ a: name, u: `u-${name}`, written: 5, newsletters: [newsletter('x', false, 3), newsletter('y', true, 3)] },
      email: { primary_email: odd(name).typed, has_opted_out_of_email: true },
    });
    const path = file([said('a'), said('b')]);
    expect(await summary(path)).toMatchObject({
      ...{ imported: 0, rejected: { invalid_address: 1 }, partly: { refusals_only: 1 }, incomplete: 0 },
    });
    expect(rejectsOf(path).map(({ line, reason }) => [line, reason])).toEqual([
      [1, 'refusals_only'],
      [2, 'invalid_address'],
    ]);
    expect((await canonicalExportOf(data.db)).map((line) => JSON.parse(line))).toMatchObject([
      { addresses: [odd('a').key], account: null, opted_out: true, newsletters: { x: 'unsubscribed' } },
    ]);
    expect(await brokenPromises(data)).toEqual([]);
  });

  it('names and counts what it does not take', async () => {
    const record = { ...ctms({ a: 'a' }), amo: { user_id: '1' }, mofo: { mofo_relevant: true }, products: [] };
    const path = file([JSON.stringify(record), JSON.stringify({ ...ctms({ a: 'b' }), amo: { user_id: '2' } })]);
    const { code, out } = await importing(path);
    expect(code).toBe(0);
    expect(out).toMatch(/\n {2}2 {2}with amo, which is not taken\n {2}1 {2}with mofo, which is not taken\n/);
  });

  it('counts contacts that are mailed at another address from now on, and not those whose claim is held', async () => {
    const { out } = await importing(file([{ a: 'a', u: 'u', p: 'own', written: 5 }]));
    expect(out).toContain('\n  1  mailed at their account’s address from now on, not at their own\n');
    await empty();
    const path = file([{ a: 'a', u: 'u', p: 'b', written: 5 }], 'first.ndjson');
    expect(await summary(path)).toMatchObject({ readdressed: 1, held: 0 });
    expect(await summary(file([{ a: 'b' }], 'second.ndjson'))).toMatchObject({ readdressed: 0, held: 1 });
    expect(await data.sql('SELECT FROM outbox')).toEqual([]);
  });

  it('announces the new primary address when the claim on it is released', async () => {
    await importing(file(RECORDS.slice(0, 2)));
    expect((await released()).code).toBe(0);
    expect(
      await data.sql(
        `SELECT type, coalesce(body->'survivor', body->'contact', body)->>'primary_email' AS mailed FROM outbox`,
      ),
    ).toEqual([
      { type: 'contact.merged', mailed: addressOf('B').typed },
      { type: 'contact.email_changed', mailed: addressOf('B').typed },
    ]);
  });
});

describe('onecontact import, rejects', () => {
  const nested = (depth: number) => `{"x":${'['.repeat(depth)}${']'.repeat(depth)},"email":{}}`;

  it('keeps the bytes of a rejected record, however deeply it is nested, and imports the rest', async () => {
    const record = ctms({ a: 'a', id: 'b' });
    const lines = [
      JSON.stringify(ctms({ a: 'b' })),
      nested(200_000),
      `${JSON.stringify(record).slice(0, -1)}, "x": ${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
      JSON.stringify(ctms({ a: 'c' })),
    ];
    const path = file(lines);
    for (let run = 0; run < 2; run++) {
      expect(await summary(path)).toMatchObject({
        ...{ records: 4, imported: 2 },
        rejected: { invalid_shape: 1, email_id_taken: 1 },
      });
      const rejects = readFileSync(`${path}.rejects.ndjson`, 'utf8').split('\n');
      expect(rejects.map((line) => line.slice(line.indexOf('"record":') + 9, -1))).toEqual([lines[1], lines[2], '']);
    }
  });

  it('is not confused by line separators of Unicode in a rejected record, also when it goes on', async () => {
    const odd = (a: string) => JSON.stringify(ctms({ a, email: { primary_email: `no\u2028at\u2029sign ${a}` } }));
    const broken = [odd('b'), odd('c'), 'broken'];
    const path = file([...broken, ...many(2_500)]);
    await whileFailingAt('r2200', () => importing(path));
    expect(await summary(path)).toMatchObject({ resumed: 2_000, rejected: { invalid_address: 2, not_json: 1 } });
    expect(rejectsOf(path).map(({ line }) => line)).toEqual([1, 2, 3]);
    expect(rejectsOf(path)[0].record.email.primary_email).toContain('\u2028');
    expect(await importing(path)).toMatchObject({ code: 1 });
  });
});

const many = (n: number): Said[] => Array.from({ length: n }, (_, i) => ({ a: `r${i}` }));

/** Runs with a database that fails each batch which has this record. */
async function whileFailingAt<T>(name: string, work: () => Promise<T>): Promise<T> {
  await data.sql(`
    CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF EXISTS (SELECT FROM contact WHERE id = '${idOf(name)}') THEN RAISE 'cut off'; END IF; RETURN NULL; END $$;
    CREATE TRIGGER cut AFTER INSERT ON contact FOR EACH STATEMENT EXECUTE FUNCTION cut()`);
  try {
    return await work();
  } finally {
    await data.sql('DROP TRIGGER cut ON contact; DROP FUNCTION cut');
  }
}

describe('onecontact import, interrupted', () => {
  const claimed: Said[] = Array.from({ length: 2_500 }, (_, i) => ({
    a: `r${i}`,
    u: `u${i}`,
    ...(i % 10 === 0 && { p: `r${i + 1}`, written: 3 }),
  }));

  it('resumes after an error, and ends as an uninterrupted run', async () => {
    const path = file([...claimed.slice(0, 1_100), 'broken', ...claimed.slice(1_100), 'broken too']);
    const { code, err } = await whileFailingAt('r2200', () => importing(path));
    expect([code, err]).toEqual([1, expect.stringMatching(/^onecontact: Failed/)]);
    expect(err).toMatch(/\nRun the same command again: it goes on where this run has come to\.\n$/);
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

  it('covers the whole file with the summary and the exit code of a resumed run, although the rest is good', async () => {
    const path = file(['broken', { a: 'x', email: { first_name: 1 } }, ...many(2_300)]);
    await whileFailingAt('r2200', () => importing(path));
    const { code, out } = await importing(path);
    expect(code).toBe(1);
    expect(out).toMatch(
      /^Went on after line 2,000, where an earlier run had come to: 302 records now\.\n2,302 records in /,
    );
    expect(out).toMatch(/\n {6}1 {2}rejected\n/);
    expect(out).toMatch(/:\n {6}1 {2}invalid_fields\n {6}1 {2}not_json\n$/);
  });

  it('finishes what is in flight on SIGINT, says how to go on, and exits with 1', async () => {
    const path = file(many(20_000));
    const child = spawn(process.execPath, ['tools/run.mjs', 'onecontact', 'import', path], {
      env: { ...process.env, DATABASE_URL: data.url },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let err = '';
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString();
    });
    const ended = once(child, 'close');
    const contacts = async () => (await data.sql<{ n: number }>('SELECT count(*)::int AS n FROM contact'))[0]?.n;
    await eventually(contacts, (n) => (n ?? 0) > 0, 60_000);
    child.kill('SIGINT');
    const [code] = await ended;
    expect(code).toBe(1);
    expect(err).toContain(
      'onecontact: Interrupted. Run the same command again: it goes on where this run has come to.\n',
    );
    const [row] = await data.sql<{ lines: number }>('SELECT lines::int FROM import_progress');
    expect(row).toEqual({ lines: await contacts() });
    expect(await summary(path)).toMatchObject({ resumed: row?.lines, records: 20_000, imported: 20_000, known: 0 });
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
    const packed = gzipSync(readFileSync(file(claimed)));
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
