/** The database from which each test file's own is cloned. Made by the first test that needs it, dropped after the run. */
import { Client } from 'pg';

/** The URL of the test server's default database. */
export function baseUrl(): string {
  const url = process.env.TEST_DATABASE_URL;
  if (!url) throw new Error('TEST_DATABASE_URL is not set: run the tests with `npm test`, which brings a database');
  return url;
}

export const templateName = (): string => `onecontact_template_${process.env.ONECONTACT_TEST_RUN ?? 'adhoc'}`;

export async function dropTemplate(): Promise<void> {
  await admin(baseUrl(), async (client) => {
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [templateName()]);
    if (!rowCount) return;
    await client.query(`ALTER DATABASE ${templateName()} IS_TEMPLATE false`);
    await client.query(`DROP DATABASE ${templateName()}`);
  });
}

export async function admin(base: string, work: (client: Client) => Promise<unknown>): Promise<void> {
  const client = new Client({ connectionString: base });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
