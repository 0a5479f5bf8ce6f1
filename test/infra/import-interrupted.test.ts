/** Imports that fail or are stopped, and go on. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, jest } from '@jest/globals';
import { onecontact } from '../support/command-line';
import { crashesOf } from '../support/crashes';
import { addressOf } from '../support/events';
import { gate } from '../support/gate';
import { manyRecords, NOTHING_SPECIAL, RECORDS, useImports } from '../support/imports';
import type { Said } from '../support/records';
import { eventually } from '../support/service';
import { brokenPromises } from '../support/stored';

jest.setTimeout(240_000);

const imports = useImports();
const { file, importing, inFolder, rejectsOf, summary, whileFailingAt } = imports;

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
    expect(err).toMatch(/\nRun the same command again: it continues where this run stopped\.\n$/);
    const rejectsBefore = rejectsOf(path);
    expect(rejectsBefore).toHaveLength(1);
    expect(await summary(path)).toMatchObject({
      resumed: 2_000,
      records: 2_502,
      imported: 2_500,
      rejected: { not_json: 2 },
    });
    expect(rejectsOf(path).map(({ line }) => line)).toEqual([1_101, 2_502]);
    expect(await imports.data.sql("SELECT count(*)::int AS n FROM address_claim WHERE status = 'held'")).toEqual([
      { n: 250 },
    ]);
    expect(await imports.data.sql('SELECT count(*)::int AS n FROM contact')).toEqual([{ n: 2_500 }]);
    expect(await brokenPromises(imports.data)).toEqual([]);
  });

  it('covers the whole file with the summary and the exit code of a resumed run, although the rest is good', async () => {
    const path = file(['broken', { a: 'x', email: { first_name: 1 } }, ...manyRecords(2_300)]);
    await whileFailingAt('r2200', () => importing(path));
    const { code, out } = await importing(path);
    expect(code).toBe(1);
    expect(out).toMatch(
      /^Continued after line 2,000, where an earlier run stopped: 302 records in this run\.\n2,302 records in /,
    );
    expect(out).toMatch(/\n {6}1 {2}rejected\n/);
    expect(out).toMatch(/:\n {6}1 {2}invalid_fields\n {6}1 {2}not_json\n$/);
  });

  it('finishes what is in flight on SIGINT, says how to go on, and exits with 1', async () => {
    const path = file(manyRecords(20_000));
    const child = spawn(process.execPath, ['tools/run.mjs', 'onecontact', 'import', path], {
      env: { ...process.env, DATABASE_URL: imports.data.url },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let err = '';
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString();
    });
    const ended = once(child, 'close');
    const contacts = async () =>
      (await imports.data.sql<{ n: number }>('SELECT count(*)::int AS n FROM contact'))[0]?.n;
    await eventually(contacts, (n) => (n ?? 0) > 0, 60_000);
    child.kill('SIGINT');
    const [code] = await ended;
    expect(code).toBe(1);
    expect(err).toContain(
      'onecontact: Interrupted. Run the same command again: it continues where this run stopped.\n',
    );
    const [row] = await imports.data.sql<{ lines: number }>('SELECT lines::int FROM import_progress');
    expect(row).toEqual({ lines: await contacts() });
    expect(await summary(path)).toMatchObject({ resumed: row?.lines, records: 20_000, imported: 20_000, known: 0 });
  });

  it('resumes after SIGKILL from the first uncommitted batch, even if later ones were committed', async () => {
    const lines = Array.from({ length: 7_500 }, (_, i): Said => ({ a: `r${i}` }));
    await importing(file([{ a: 'r5500' }], 'one.ndjson'));
    const path = file(lines);
    const open = await gate(imports.data, 'SELECT FROM email_address WHERE address = $1 FOR UPDATE', [
      addressOf('r5500').key,
    ]);
    const child = spawn(process.execPath, ['tools/run.mjs', 'onecontact', 'import', path], {
      env: { ...process.env, DATABASE_URL: imports.data.url },
      stdio: 'ignore',
    });
    const ended = once(child, 'exit');
    const contacts = async () =>
      (await imports.data.sql<{ n: number }>('SELECT count(*)::int AS n FROM contact'))[0]?.n;
    await eventually(contacts, (n) => n === 6_501, 60_000);
    child.kill('SIGKILL');
    await ended;
    await open();
    expect(await imports.data.sql('SELECT lines::int FROM import_progress')).toEqual([{ lines: 5_000 }]);
    expect(await summary(path)).toEqual({
      ...NOTHING_SPECIAL,
      resumed: 5_000,
      records: 7_500,
      imported: 7_500,
      known: 1_501,
    });
    expect([await contacts(), await imports.data.sql('SELECT FROM import_progress')]).toEqual([7_500, []]);
    expect(await brokenPromises(imports.data)).toEqual([]);
  });

  it('leaves the database before or after each batch on a crash at any statement, and the same command completes it', async () => {
    const path = file(RECORDS);
    const work = async (_: unknown, url: string) => {
      const { code } = await onecontact(['import', path], { DATABASE_URL: url });
      if (code !== 0) throw new Error('cut off');
    };
    let crashes = 0;
    const left: string[] = [];
    for await (const crash of crashesOf(imports.data, work)) {
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
      /^onecontact: The gzip file is truncated \(Z_BUF_ERROR\): get the whole file, and run the same command again; [^\n]*\n$/,
    );
    const [{ n } = { n: 0 }] = await imports.data.sql<{ n: number }>('SELECT count(*)::int AS n FROM contact');
    expect(n).toBeGreaterThan(1_000);
    writeFileSync(inFolder('cut.gz'), packed);
    expect(await summary(inFolder('cut.gz'))).toMatchObject({ resumed: 0, records: 2_500, imported: 2_500, known: n });
    packed.fill(0x55, 200, 400);
    writeFileSync(inFolder('cut.gz'), packed);
    expect((await importing(inFolder('cut.gz'))).err).toMatch(/^onecontact: The gzip file is damaged \(Z_DATA_ERROR\)/);
  });
});
