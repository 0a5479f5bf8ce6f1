import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, jest } from '@jest/globals';
import { canonicalExport } from '../../../src/contacts/profile/canonical';
import { allRows } from '../../../tools/table-rows';
import { onecontact } from '../../support/command-line';
import { freshDatabase } from '../../support/database';
import { acct, addressOf, at, del, signup, uidOf } from '../../support/events';
import { NOTHING_SPECIAL, RECORDS, useImports } from '../../support/imports';
import { factsOfRecords, idOf, recordOf, type Said, tokenOf } from '../../support/records';
import { apply, applyConcurrently, brokenPromises, canonicalExportOf } from '../../support/stored';

jest.setTimeout(240_000);

const imports = useImports();
const { file, importing, inFolder, rejectsOf, summary } = imports;

describe('onecontact import', () => {
  it('keeps ids, tokens and times, holds colliding claims, and merges and announces nothing', async () => {
    const path = file(RECORDS);
    const { code, out, err } = await importing(path);
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^6 records in \d+\.\d s \(\d+\/s\):\n {2}6 {2}imported, of which 0 were known before\n/);
    expect(out).toMatch(/\n {2}2 {2}claims held: `onecontact collisions list`\n$/);
    const contacts = await imports.data.sql(`
      SELECT a.address, c.id, t.token, c.created_at FROM email_address a JOIN contact c ON c.id = a.contact_id
      JOIN basket_token t ON t.contact_id = c.id AND t.state = 'live' ORDER BY 1`);
    const name = (a: string) => ({ address: addressOf(a).key, id: idOf(a), token: tokenOf(a) });
    expect(contacts).toEqual([
      { ...name('a'), created_at: new Date(at(1)) },
      { ...name('b'), created_at: new Date(at(5)) },
      ...['c', 'd', 'e', 'f'].map((a) => ({ ...name(a), created_at: new Date(at(2)) })),
      { ...name('e'), address: 'new@mail.test', created_at: new Date(at(2)) },
    ]);
    expect(await imports.data.sql('SELECT FROM merge UNION ALL SELECT FROM outbox')).toEqual([]);
    expect(await imports.data.sql('SELECT * FROM import_progress')).toEqual([]);
    expect(await brokenPromises(imports.data)).toEqual([]);
  });

  it('ends in the same export as the same facts sent as events, once all claims are released', async () => {
    await importing(file(RECORDS));
    const { code } = await onecontact(['collisions', 'resolve', '--yes'], { DATABASE_URL: imports.data.url });
    expect([code, await brokenPromises(imports.data)]).toEqual([0, []]);
    expect(await canonicalExportOf(imports.data.db)).toEqual(canonicalExport(factsOfRecords(RECORDS.map(recordOf))));
  });

  it('applies later events to imported contacts by the usual rules', async () => {
    await importing(file(RECORDS));
    await apply(imports.data.db, acct('u', 'b', 20), signup({ token: tokenOf('b') }, ['late'], 21), del('v', 22));
    expect(await brokenPromises(imports.data)).toEqual([]);
    expect(await imports.data.sql('SELECT survivor_id, retired_id FROM merge')).toEqual([
      { survivor_id: idOf('a'), retired_id: idOf('b') },
    ]);
    const lines = (await canonicalExportOf(imports.data.db)).map((line) => JSON.parse(line));
    expect(lines[0]).toMatchObject({ account: uidOf('u'), newsletters: { x: 'subscribed', late: 'subscribed' } });
  });

  it('changes no row when run again, except for its entry in the audit', async () => {
    const path = file(RECORDS);
    await importing(path);
    const before = await imports.rows();
    expect(await summary(path)).toEqual({ ...NOTHING_SPECIAL, records: 6, imported: 6, known: 6 });
    expect(await imports.rows()).toEqual(before);
  });

  it('reads gzip under any file name, and from standard input', async () => {
    const packed = gzipSync(readFileSync(file(RECORDS)));
    writeFileSync(inFolder('packed'), packed);
    expect(await summary(inFolder('packed'))).toMatchObject({ imported: 6 });
    async function* bytes(): AsyncGenerator<Buffer> {
      for (const byte of packed) yield Buffer.from([byte]);
    }
    const args = ['import', '-', '--json', '--rejects', inFolder('rejects')];
    const { out, code } = await onecontact(args, { DATABASE_URL: imports.data.url }, bytes());
    expect([code, JSON.parse(out)]).toMatchObject([0, { imported: 6, known: 6 }]);
  });

  it('with --dry-run changes nothing and prints what it would do', async () => {
    const before = await allRows(imports.data);
    expect(await summary(file(RECORDS), '--dry-run')).toEqual({
      ...NOTHING_SPECIAL,
      dry_run: true,
      records: 6,
      imported: 6,
      known: 0,
      held: 2,
      readdressed: 1,
    });
    expect(await allRows(imports.data)).toEqual(before);
  });

  it('writes rejects with line and reason to a file that only its owner may read, and prints nothing personal', async () => {
    await apply(imports.data.db, signup('live', ['x'], 1));
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
    expect((await canonicalExportOf(imports.data.db)).map((line) => JSON.parse(line))).toMatchObject([
      { addresses: ['a@mail.test'] },
      { addresses: ['live@mail.test'], opted_out: true },
    ]);
    expect(await brokenPromises(imports.data)).toEqual([]);
    // A run of the corrected file removes the rejects file.
    file([{ a: 'a' }, { a: 'b' }]);
    expect(await importing(path)).toMatchObject({ code: 0 });
    expect(() => rejectsOf(path)).toThrow('ENOENT');
  });

  it('drops records of people who were erased after the records were written', async () => {
    const env = { DATABASE_URL: imports.data.url, ERASURE_KEY: 'a key for erasure in tests' };
    const path = file(RECORDS);
    await importing(path);
    await onecontact(['erase', 'b@mail.test', '--yes'], env);
    expect((await imports.data.sql("SELECT FROM email_address WHERE address = 'b@mail.test'")).length).toBe(0);
    expect((await importing(path)).err).toMatch(/ERASURE_KEY is not set/);
    const { out } = await onecontact(['import', path, '--json'], env);
    // Also the record that names the erased address only as its account's.
    expect(JSON.parse(out)).toMatchObject({ erased: 2, imported: 4 });
    expect(await imports.data.sql("SELECT FROM email_address WHERE address = 'b@mail.test'")).toEqual([]);
    expect(await brokenPromises(imports.data)).toEqual([]);
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
    const batches = Array.from({ length: 30 }, (_, i) => events.slice(i * 10, i * 10 + 10));
    await importing(file(many.slice(0, 150), 'first.ndjson'));
    await Promise.all([importing(path), importing(reversed), applyConcurrently(imports.data.db, batches, 6)]);
    expect(await brokenPromises(imports.data)).toEqual([]);
    await onecontact(['collisions', 'resolve', '--yes'], { DATABASE_URL: imports.data.url });
    const lists = (await canonicalExportOf(imports.data.db)).map((line) => JSON.parse(line).newsletters);
    expect(lists.filter((newsletters) => newsletters.live === 'subscribed').length).toBeGreaterThan(0);
    expect(await brokenPromises(imports.data)).toEqual([]);
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
      err: expect.stringMatching(/^error: --rejects names the file to import/),
    });
    writeFileSync(inFolder('precious'), 'something else\n');
    const { code, err } = await importing(path, '--rejects', inFolder('precious'));
    expect([code, err]).toEqual([
      1,
      expect.stringMatching(/^onecontact: The rejects file exists, and an import did not write it/),
    ]);
    expect(readFileSync(inFolder('precious'), 'utf8')).toBe('something else\n');
    expect((await imports.data.sql('SELECT FROM contact')).length).toBe(0);
  });

  it.each([
    ['no-such-file', /^onecontact: The file cannot be read \(ENOENT\): no file has this name\.\n$/],
    ['.', /^onecontact: The file cannot be read \(EISDIR\): it is a folder\. [^\n]*\n$/],
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
    expect(await summary(inFolder('empty'))).toEqual({ ...NOTHING_SPECIAL, records: 0, imported: 0, known: 0 });
  });

  it('shows examples in its help', async () => {
    const { code, out } = await onecontact(['import', '--help']);
    expect([code, out]).toEqual([0, expect.stringMatching(/\nExamples:\n {2}\$ /)]);
  });
});
