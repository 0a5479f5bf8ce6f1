/** A migrated database of its own for each test file, cloned from one template: real PostgreSQL, in a few dozen ms. */
import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { type Database, openDatabase } from '../../src/postgres/database';
import { migrate } from '../../src/postgres/migrations/migrate';
import { admin, baseUrl, templateName } from '../../tools/jest/template-database';

export interface TestDatabase {
  url: string;
  name: string;
  db: Database;
  /** Plain SQL, to check the database independently of the code under test. */
  sql<T extends object = Record<string, unknown>>(text: string, values?: unknown[]): Promise<T[]>;
  /** Sets what new sessions of this database start with. Open sessions keep their settings. */
  alter(settings: Record<string, string>): Promise<void>;
  drop(): Promise<void>;
}

/** Settings of a database that change how values are written and read, which tables are found, and how long work may take. */
export const HOSTILE_SETTINGS = {
  TimeZone: 'Asia/Kathmandu',
  DateStyle: 'SQL, DMY',
  IntervalStyle: 'sql_standard',
  search_path: 'pg_catalog',
  array_nulls: 'off',
  bytea_output: 'escape',
  extra_float_digits: '-15',
  client_encoding: 'LATIN1',
  standard_conforming_strings: 'off',
  default_transaction_isolation: 'serializable',
  // Not less: on a loaded machine the statement that sets another limit may itself take some milliseconds.
  statement_timeout: '100',
  lock_timeout: '1',
  idle_in_transaction_session_timeout: '1',
  plan_cache_mode: 'force_custom_plan',
  enable_seqscan: 'on',
  enable_indexscan: 'off',
  enable_bitmapscan: 'off',
  jit: 'on',
  synchronous_commit: 'off',
};

/** An arbitrary lock number, held while the template is made. */
const TEMPLATE_LOCK = 7_261_009;

interface Options {
  migrated?: boolean;
  max?: number;
  /** The ICU locale of the database: its own rules for the order and the case of text. */
  locale?: string;
  encoding?: string;
}

export async function freshDatabase({
  migrated = true,
  max = 8,
  locale,
  encoding,
}: Options = {}): Promise<TestDatabase> {
  const base = baseUrl();
  const name = `onecontact_test_${randomBytes(6).toString('hex')}`;
  const template = migrated && !locale ? `TEMPLATE ${await ensureTemplate(base)}` : '';
  const rules = locale ? `TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE '${locale}'` : '';
  const bytes = encoding ? `TEMPLATE template0 ENCODING '${encoding}' LOCALE 'C'` : '';
  await admin(base, (client) => client.query(`CREATE DATABASE ${name} ${template}${rules}${bytes}`));
  const url = withName(base, name);
  if (migrated && locale) await migrate(url);
  const db = openDatabase({ url, name: 'onecontact test', max });
  const client = new Client({ connectionString: url });
  await client.connect();
  client.on('error', () => undefined); // dropped with the database
  return {
    url,
    name,
    db,
    async sql<T>(text: string, values: unknown[] = []) {
      return (await client.query(text, values)).rows as T[];
    },
    async alter(settings) {
      const list = settings.search_path?.split(',').map((schema) => `"${schema.trim()}"`);
      for (const [setting, value] of Object.entries(settings)) {
        const literal = setting === 'search_path' ? list?.join() : `'${value}'`;
        await admin(base, (it) => it.query(`ALTER DATABASE ${name} SET ${setting} = ${literal}`));
      }
    },
    async drop() {
      await db.$disconnect();
      await client.end();
      await admin(base, (it) => it.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
    },
  };
}

/** Whether the test server was built with ICU, and so can have databases with another `locale`. */
export async function serverHasIcu(): Promise<boolean> {
  let found = 0;
  await admin(baseUrl(), async (client) => {
    const { rowCount } = await client.query("SELECT FROM pg_collation WHERE collprovider = 'i' LIMIT 1");
    found = rowCount ?? 0;
  });
  return found > 0;
}

/** Made once a test run, by the first test file that needs it. */
async function ensureTemplate(base: string): Promise<string> {
  const template = templateName();
  await admin(base, async (client) => {
    await client.query(`SELECT pg_advisory_lock(${TEMPLATE_LOCK})`);
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1 AND datistemplate', [
      template,
    ]);
    if (rowCount) return;
    await client.query(`DROP DATABASE IF EXISTS ${template}`);
    await client.query(`CREATE DATABASE ${template}`);
    await migrate(withName(base, template));
    await client.query(`ALTER DATABASE ${template} IS_TEMPLATE true`);
  });
  return template;
}

function withName(base: string, name: string): string {
  const url = new URL(base);
  url.pathname = `/${name}`;
  return url.href;
}
