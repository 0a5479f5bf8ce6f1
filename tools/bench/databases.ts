/** One template database for each number of contacts, and clones of it, so that every run begins with the same pages. */
import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { migrate } from '../../src/postgres/migrations/migrate';
import type { Rows } from './load/acts';
import { FILLED_AT, SQL } from './load/people';

/** The database of one run. */
export interface RunDatabase {
  url: string;
  client: Client;
  rows(): Promise<Rows>;
  outboxIsEmpty(): Promise<boolean>;
  drop(): Promise<void>;
}

/** Marks a template, on the server, as completely filled. */
const FILLED = 'filled by the benchmark';

export class Databases {
  readonly #made = new Set<string>();
  readonly #templates = new Set<string>();

  /** @param reuse use templates that are on the server already, and drop none */
  constructor(
    private readonly base: string,
    private readonly log: (line: string) => void,
    private readonly reuse: boolean,
  ) {}

  /**
   * @param earlierDays days on which each account that logs in during a run did so before
   * @returns the name of a template with this many contacts
   */
  async template(contacts: number, earlierDays = 1): Promise<string> {
    const name = `onecontact_bench_${contacts}_${earlierDays}`;
    if (this.#templates.has(name)) return name;
    this.#templates.add(name);
    if (this.reuse && (await this.#isFilled(name))) {
      await migrate(this.#urlOf(name));
      return name;
    }
    const begin = performance.now();
    await this.#sql(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`, `CREATE DATABASE ${name}`);
    if (!this.reuse) this.#made.add(name);
    await migrate(this.#urlOf(name));
    const shown = throttled(5_000, (done) => this.log(`  ${done} of ${contacts.toLocaleString('en')} contacts`));
    await this.#with(this.#urlOf(name), (client) => fill(client, contacts, earlierDays, shown));
    await this.#sql(`COMMENT ON DATABASE ${name} IS '${FILLED}'`);
    const seconds = ((performance.now() - begin) / 1_000).toFixed(1);
    this.log(`Filled a database with ${contacts.toLocaleString('en')} contacts in ${seconds} s`);
    return name;
  }

  /** A clone without dirty pages, and in the system's cache like the database of a running service. */
  async clone(contacts: number, earlierDays?: number): Promise<RunDatabase> {
    const template = await this.template(contacts, earlierDays);
    const name = `onecontact_bench_run_${randomBytes(4).toString('hex')}`;
    await this.#sql(`CREATE DATABASE ${name} TEMPLATE ${template} STRATEGY FILE_COPY`, 'CHECKPOINT');
    this.#made.add(name);
    const client = new Client({ connectionString: this.#urlOf(name), application_name: 'onecontact bench' });
    await client.connect();
    await client.query('CREATE EXTENSION IF NOT EXISTS pg_prewarm').then(
      () => client.query(READ_ALL),
      () => this.log('  without pg_prewarm: a large database is read from the disk at first'),
    );
    return {
      url: this.#urlOf(name),
      client,
      rows: async () => (await client.query<Rows>(COUNTS)).rows[0] as Rows,
      outboxIsEmpty: async () => (await client.query(PENDING)).rowCount === 0,
      drop: async () => {
        await client.end();
        await this.#drop(name);
      },
    };
  }

  /** The server's settings by name. */
  settings(names: readonly string[]): Promise<Record<string, string>> {
    return this.#with(this.base, async (client) => {
      const { rows } = await client.query<{ name: string; value: string }>(
        'SELECT name, current_setting(name) AS value FROM unnest($1::text[]) AS name',
        [names],
      );
      return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
    });
  }

  /** Drops every database that was created here. */
  async close(): Promise<void> {
    for (const name of this.#made) await this.#drop(name);
  }

  #isFilled(name: string): Promise<boolean> {
    return this.#with(this.base, async (client) => {
      const { rowCount } = await client.query(
        "SELECT FROM pg_database WHERE datname = $1 AND shobj_description(oid, 'pg_database') = $2",
        [name, FILLED],
      );
      return rowCount === 1;
    });
  }

  async #drop(name: string): Promise<void> {
    await this.#sql(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    this.#made.delete(name);
  }

  #urlOf(name: string): string {
    return Object.assign(new URL(this.base), { pathname: `/${name}` }).href;
  }

  #sql(...statements: string[]): Promise<void> {
    return this.#with(this.base, async (client) => {
      for (const statement of statements) await client.query(statement);
    });
  }

  async #with<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
    const client = new Client({ connectionString: url });
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  }
}

/** Reports a count at most once in so many milliseconds. */
export function throttled(ms: number, report: (count: string) => void): (count: number) => void {
  let last = performance.now();
  return (count) => {
    if (performance.now() - last < ms) return;
    last = performance.now();
    report(count.toLocaleString('en'));
  };
}

/** Contacts in one transaction. */
const CHUNK = 100_000;

/**
 * Fills an empty database with sets: each even number is an account with its address, each odd one a lone reader. The
 * rows are the ones that OneContact would have written.
 */
async function fill(
  client: Client,
  contacts: number,
  earlierDays: number,
  onProgress: (done: number) => void,
): Promise<void> {
  // The rows are correct by construction: a superuser can skip the checks of foreign keys.
  const { rows } = await client.query<{ value: string }>("SELECT current_setting('is_superuser') AS value");
  if (rows[0]?.value === 'on') await client.query('SET session_replication_role = replica');
  for (let from = 0; from < contacts; from += CHUNK) {
    const to = Math.min(from + CHUNK, contacts) - 1;
    await client.query('BEGIN');
    for (const statement of FILL) await client.query(statement.replace('SERIES', `generate_series(${from}, ${to})`));
    await client.query('COMMIT');
    onProgress(to + 1);
  }
  // The first day is that of the `verified` event. Only accounts of the lower half log in during a run.
  if (earlierDays > 1) await client.query(EARLIER_LOGINS, [contacts / 2 - 1, earlierDays - 1]);
  await client.query('VACUUM ANALYZE');
}

const EARLIER_LOGINS = `
  INSERT INTO address_claim (address, uid, at, event, event_id, continues)
  SELECT ${SQL.address}, ${SQL.uid}, to_timestamp((${FILLED_AT} + i) / 1000.0) + day * interval '1 day' / 4, 'login', md5(i || ' ' || day), true
  FROM generate_series(0, $1::int, 2) AS i, generate_series(1, $2::int) AS day`;

const AT = `to_timestamp((${FILLED_AT} + i) / 1000.0)`;

const FILL = [
  `INSERT INTO contact (id) SELECT ${SQL.contact} FROM SERIES AS i`,
  `INSERT INTO basket_token (token, contact_id) SELECT ${SQL.token}, ${SQL.contact} FROM SERIES AS i`,
  `INSERT INTO email_address (address, typed, typed_at, contact_id, first_name, first_name_at, last_name, last_name_at,
     country, country_at, lang, lang_at, format, format_at)
   SELECT address, address, at, contact_id, first_name, named_at, last_name, named_at, lang, named_at, lang, named_at, format, named_at
   FROM (
     SELECT ${SQL.address} AS address, ${AT} AS at, ${SQL.contact} AS contact_id,
       CASE WHEN i % 2 = 1 THEN 'Ada ' || i END AS first_name, CASE WHEN i % 2 = 1 THEN 'L' END AS last_name,
       CASE WHEN i % 2 = 1 THEN 'de' END AS lang, CASE WHEN i % 2 = 1 THEN 'H' END AS format,
       CASE WHEN i % 2 = 1 THEN ${AT} END AS named_at
     FROM SERIES AS i
   ) AS x`,
  `INSERT INTO account (uid, contact_id, locale, locale_at, country, country_at, service, service_at)
   SELECT ${SQL.uid}, ${SQL.contact}, 'de-DE,de;q=0.9', ${AT}, 'de', ${AT}, 'sync', ${AT} FROM SERIES AS i WHERE i % 2 = 0`,
  `INSERT INTO address_claim (address, uid, at, event, event_id)
   SELECT ${SQL.address}, ${SQL.uid}, ${AT}, 'verified', md5('event ' || i) FROM SERIES AS i WHERE i % 2 = 0`,
  `INSERT INTO choice (origin_kind, origin, newsletter, at, act, proven, source, lang, format)
   SELECT CASE WHEN i % 2 = 0 THEN 'account'::origin_kind ELSE 'address' END,
     CASE WHEN i % 2 = 0 THEN ${SQL.uid} ELSE ${SQL.address} END,
     newsletter, ${AT}, 'subscribe', i % 2 = 0, 'https://site.test/de/newsletter/', 'de', 'H'
   FROM SERIES AS i, unnest(ARRAY['privacy-weekly', 'about-tests']) AS newsletter
   WHERE newsletter = 'privacy-weekly' OR i % 4 < 2`,
];

const PENDING = '(SELECT FROM outbox LIMIT 1) UNION ALL (SELECT FROM outbox_changes LIMIT 1)';

const READ_ALL = `
  SELECT pg_prewarm(oid, 'read') FROM pg_class
  WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i') AND pg_relation_size(oid) > 0`;

const COUNTS = `
  SELECT (SELECT count(*)::int FROM email_address) AS addresses, (SELECT count(*)::int FROM account) AS accounts,
    (SELECT count(*)::int FROM address_claim) AS claims, (SELECT count(*)::int FROM choice) AS choices,
    (SELECT count(*)::int FROM contact WHERE state = 'live') AS contacts,
    (SELECT count(*)::int FROM basket_token WHERE state = 'live') AS tokens, (SELECT count(*)::int FROM merge) AS merges`;
