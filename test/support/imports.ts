/** For tests that import files into a database: a folder for each test, the command, and what it leaves. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals';
import { allRows, keepRows, withoutAudit } from '../../tools/table-rows';
import { confirmed, onecontact } from './command-line';
import { freshDatabase, type TestDatabase } from './database';
import { addressOf } from './events';
import { ctms, idOf, newsletter, type Said } from './records';

/** The summary of an import in which nothing special happened. */
export const NOTHING_SPECIAL = {
  ...{ resumed: 0, erased: 0, rejected: {}, partly: {}, incomplete: 0, held: 0, readdressed: 0, not_taken: {} },
  dry_run: false,
};

/** Two people with two records each, one without a collision, a deleted account, and an unknown account address. */
export const RECORDS: Said[] = [
  { a: 'a', u: 'u', p: 'B', made: 1, written: 9, email: { first_name: 'Ada', email_lang: 'de' } },
  { a: 'b', made: 5, newsletters: [newsletter('x', true, 5), newsletter('y', false, 6)] },
  { a: 'c', u: 'v', made: 2, written: 3, email: { has_opted_out_of_email: true, double_opt_in: true } },
  { a: 'd', u: 'w', made: 2, written: 3, deleted: true },
  { a: 'e', u: 'z', p: 'new', made: 2, written: 8 },
  { a: 'f', u: 'y', p: 'c', made: 2, written: 9 },
];

export const manyRecords = (n: number): Said[] => Array.from({ length: n }, (_, i) => ({ a: `r${i}` }));

/** Registers the hooks of a test file: an empty database and an empty folder for each test. */
export function useImports() {
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

  const run = (...args: string[]) => onecontact(confirmed(args), { DATABASE_URL: data.url });
  const inFolder = (name: string): string => join(folder, name);
  const importing = (path: string, ...args: string[]) => run('import', path, ...args);
  return {
    get data(): TestDatabase {
      return data;
    },
    empty: () => empty(),
    run,
    inFolder,
    importing,
    file(lines: readonly (Said | string | Buffer)[], name = 'contacts.ndjson'): string {
      const bytes = lines.map((line) =>
        Buffer.concat([
          Buffer.isBuffer(line) ? line : Buffer.from(typeof line === 'string' ? line : JSON.stringify(ctms(line))),
          Buffer.from('\n'),
        ]),
      );
      writeFileSync(inFolder(name), Buffer.concat(bytes));
      return inFolder(name);
    },
    rows: async () => withoutAudit(await allRows(data)),
    summary: async (path: string, ...args: string[]) => JSON.parse((await importing(path, ...args, '--json')).out),
    rejectsOf: (path: string) =>
      readFileSync(`${path}.rejects.ndjson`, 'utf8')
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line)),
    viewOf: async (a: string) => JSON.parse((await run('show', addressOf(a).key, '--json')).out),
    /** Works with a database that fails each batch which has this record. */
    async whileFailingAt<T>(name: string, work: () => Promise<T>): Promise<T> {
      await data.sql(`
        CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          IF EXISTS (SELECT FROM contact WHERE id = '${idOf(name)}') THEN RAISE 'cut off'; END IF; RETURN NULL; END $$;
        CREATE TRIGGER cut AFTER INSERT ON contact FOR EACH STATEMENT EXECUTE FUNCTION cut()`);
      try {
        return await work();
      } finally {
        await data.sql('DROP TRIGGER cut ON contact; DROP FUNCTION cut');
      }
    },
  };
}
