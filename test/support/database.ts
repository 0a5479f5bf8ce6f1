/** A migrated database of its own for each test file, cloned from one template: real PostgreSQL, in a few dozen ms. */
import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { type Database, openDatabase } from '../../src/postgres/database';
import { migrate } from '../../src/postgres/migrations/migrate';

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

function baseUrl(): string {
  const url = process.env.TEST_DATABASE_URL;
  if (!url) throw new Error('TEST_DATABASE_URL is not set: run the tests with `npm test`, which brings a database');
  return url;
}

const templateName = (): string => `onecontact_template_${process.env.ONECONTACT_TEST_RUN ?? 'adhoc'}`;

/** Made once per test run, by the first test file that needs it. */
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

/** At the end of a test run. */
export async function dropTemplate(): Promise<void> {
  await admin(baseUrl(), async (client) => {
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [templateName()]);
    if (!rowCount) return;
    await client.query(`ALTER DATABASE ${templateName()} IS_TEMPLATE false`);
    await client.query(`DROP DATABASE ${templateName()}`);
  });
}

async function admin(base: string, work: (client: Client) => Promise<unknown>): Promise<void> {
  const client = new Client({ connectionString: base });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

function withName(base: string, name: string): string {
  const url = new URL(base);
  url.pathname = `/${name}`;
  return url.href;
}
