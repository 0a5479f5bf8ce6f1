/** A migrated database of its own for each test file, cloned from one template: real PostgreSQL, in a few dozen ms. */
import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { type Database, openDatabase } from '../../src/postgres/database';
import { migrate } from '../../src/postgres/migrations/migrate';
import { admin, baseUrl, templateName } from '../../tools/jest/template-database';

export interface TestDatabase {
  url: string;
  db: Database;
  /** Plain SQL, to check the database independently of the code under test. */
  sql<T extends object = Record<string, unknown>>(text: string, values?: unknown[]): Promise<T[]>;
  drop(): Promise<void>;
}

/** An arbitrary lock number, held while the template is made. */
const TEMPLATE_LOCK = 7_261_009;

export async function freshDatabase(options: { migrated?: boolean; max?: number } = {}): Promise<TestDatabase> {
  const base = baseUrl();
  const name = `onecontact_test_${randomBytes(6).toString('hex')}`;
  const template = options.migrated === false ? null : await ensureTemplate(base);
  await admin(base, (client) => client.query(`CREATE DATABASE ${name}${template ? ` TEMPLATE ${template}` : ''}`));
  const url = withName(base, name);
  const db = openDatabase({ url, name: 'onecontact test', max: options.max ?? 8 });
  const client = new Client({ connectionString: url });
  await client.connect();
  client.on('error', () => undefined); // dropped with the database
  return {
    url,
    db,
    async sql<T>(text: string, values: unknown[] = []) {
      return (await client.query(text, values)).rows as T[];
    },
    async drop() {
      await db.$disconnect();
      await client.end();
      await admin(base, (it) => it.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
    },
  };
}

/** Made once a test run, by whoever comes first. */
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
