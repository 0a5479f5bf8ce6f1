/** No SQL depends on the rules that a database has for the order and the case of text. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { erasePerson } from '../../src/operations/erase/run';
import { freshDatabase, serverHasIcu, type TestDatabase } from '../support/database';
import { acct, addressOf, signup } from '../support/events';
import { apply, canonicalExportOf } from '../support/stored';
import { tracesOf } from '../support/traces';

describe('the schema and the statements', () => {
  let database: TestDatabase;
  /** The text columns that are compared by the database's collation. */
  let columns: string[];
  beforeAll(async () => {
    database = await freshDatabase();
    const rows = await database.sql<{ column: string }>(
      `SELECT DISTINCT a.attname AS column
       FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_collation l ON l.oid = a.attcollation
       WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND l.collname <> 'C'
         AND c.relname NOT LIKE '\\_prisma%'`,
    );
    columns = rows.map(({ column }) => column);
  });
  afterAll(() => database?.drop());

  it('every indexed text column sorts by bytes', async () => {
    const indexed = await database.sql(
      `SELECT i.indexrelid::regclass::text AS index, l.collname
       FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid, unnest(i.indcollation::oid[]) AS used
       JOIN pg_collation l ON l.oid = used
       WHERE c.relnamespace = 'public'::regnamespace AND l.collname <> 'C' AND c.relname NOT LIKE '\\_prisma%'`,
    );
    expect(indexed).toEqual([]);
  });

  it('no statement sorts by a text column of the database’s collation, or folds its case', () => {
    expect(columns).toContain('typed');
    const files = readdirSync('src', { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !file.includes('generated'))
      .map((file) => join('src', file));
    expect(files.length).toBeGreaterThan(100);
    expect(
      problemsIn('SELECT lower(body::text) FROM outbox ORDER BY seq, coalesce(typed, ?), address LIMIT 1'),
    ).toEqual(['lower(body::text)', 'ORDER BY seq, coalesce(typed, ?), address ']);
    expect(files.flatMap((file) => problemsIn(readFileSync(file, 'utf8')).map((it) => `${file}: ${it}`))).toEqual([]);
  });

  function problemsIn(text: string): string[] {
    const isCollated = (part: string): boolean => part.includes('COLLATE "C"');
    const folded = text.match(/\b(?:lower|upper|initcap)\((?:\([^()]*\)|[^()`])+\)/g) ?? [];
    const sorted = text.match(/\b(?:ORDER|PARTITION) BY(?:\([^()]*\)|(?!LIMIT|FOR )[^()`;])*/g) ?? [];
    const sortsBy = (part: string): boolean => columns.some((name) => new RegExp(`\\b${name}\\b`).test(part));
    const outside = /,(?![^()]*\))/;
    return [
      ...folded.filter((part) => !isCollated(part)),
      ...sorted.filter((list) => list.split(outside).some((part) => !isCollated(part) && sortsBy(part))),
    ];
  }
});

describe('in a database with Turkish rules, where the small letter of I is another one', () => {
  let database: TestDatabase | undefined;
  beforeAll(async () => {
    if (await serverHasIcu()) database = await freshDatabase({ locale: 'tr' });
    else process.stderr.write('skipped: the PostgreSQL server was built without ICU\n');
  });
  afterAll(() => database?.drop());

  it('an erasure deletes the pending notifications that name the person, however the address is written', async () => {
    if (!database) return;
    expect(await database.sql(`SELECT lower('I') AS small`)).toEqual([{ small: 'ı' }]);
    const [typed, other] = [addressOf('ILKAY@mail.test'), addressOf('OTHER@mail.test')];
    for (const event of [
      acct('first', typed.typed, 1),
      signup('II@mail.test', ['INBOX'], 1, { profile: { firstName: 'Işıl' } }),
      acct('second', typed.typed, 2),
      acct('second', other.typed, 3),
    ])
      await apply(database.db, event);
    expect(await tracesOf(database, [typed.key])).toContain(`public.outbox.body: ${typed.key}`);
    const { deleted } = await erasePerson(database.db, typed, { erasureKey: 'a key for erasure in tests' });
    expect(deleted).toMatchObject({ contacts: 1, addresses: 2, messages: 2 });
    expect(await tracesOf(database, [typed.key, other.key])).toEqual([]);
    expect(await canonicalExportOf(database.db)).toEqual([
      expect.stringContaining('"addresses":[],'),
      expect.stringContaining('"addresses":["ii@mail.test"]'),
    ]);
  });
});
