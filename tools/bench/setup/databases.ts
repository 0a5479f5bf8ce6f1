import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { migrate } from '../../../src/postgres/migrations/migrate';
import type { Rows } from '../load/acts';
import { fill } from './fill';

/** A database of one run's own. */
export interface RunDatabase {
  url: string;
  client: Client;
  rows(): Promise<Rows>;
  outboxIsEmpty(): Promise<boolean>;
  drop(): Promise<void>;
}

/** A template for each number of contacts, and clones of it: so every run begins with the same pages. */
export class Databases {
  readonly #base: string;
  readonly #log: (line: string) => void;
  readonly #reuse: boolean;
  readonly #made = new Set<string>();
  readonly #templates = new Set<string>();

  /** @param options.reuse templates that are on the server already are used again, and none is dropped */
  constructor(base: string, log: (line: string) => void, { reuse = false }: { reuse?: boolean } = {}) {
    this.#base = base;
    this.#log = log;
    this.#reuse = reuse;
  }

  /** @returns the name of a template that is filled with so many contacts */
  async template(contacts: number): Promise<string> {
    const name = `onecontact_bench_${contacts}`;
    if (this.#templates.has(name)) return name;
    this.#templates.add(name);
    if (this.#reuse && (await this.#isFilled(name))) {
      await migrate(this.#urlOf(name));
      return name;
    }
    const begin = performance.now();
    await this.#admin(async (client) => {
      await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      await client.query(`CREATE DATABASE ${name}`);
    });
    if (!this.#reuse) this.#made.add(name);
    await migrate(this.#urlOf(name));
    let told = 0;
    await this.#with(this.#urlOf(name), (client) =>
      fill(client, contacts, (done) => {
        if (performance.now() - told < 5_000) return;
        told = performance.now();
        this.#log(`  ${done.toLocaleString('en')} of ${contacts.toLocaleString('en')} contacts`);
      }),
    );
    await this.#admin((client) => client.query(`COMMENT ON DATABASE ${name} IS '${FILLED}'`));
    const seconds = ((performance.now() - begin) / 1_000).toFixed(1);
    this.#log(`Filled a database with ${contacts.toLocaleString('en')} contacts in ${seconds} s`);
    return name;
  }

  /** A clone, with nothing left for a checkpoint to write, and in the system's cache as that of a server in service is. */
  async clone(contacts: number): Promise<RunDatabase> {
    const template = await this.template(contacts);
    const name = `onecontact_bench_run_${randomBytes(4).toString('hex')}`;
    await this.#admin(async (client) => {
      await client.query(`CREATE DATABASE ${name} TEMPLATE ${template} STRATEGY FILE_COPY`);
      await client.query('CHECKPOINT');
    });
    this.#made.add(name);
    const client = new Client({ connectionString: this.#urlOf(name), application_name: 'onecontact bench' });
    await client.connect();
    await client.query('CREATE EXTENSION IF NOT EXISTS pg_prewarm').then(
      () => client.query(READ_ALL),
      () => this.#log('  without pg_prewarm: a large database is read from the disk at first'),
    );
    return {
      url: this.#urlOf(name),
      client,
      rows: async () => (await client.query<Rows>(COUNTS)).rows[0] as Rows,
      outboxIsEmpty: async () => (await client.query('SELECT FROM outbox LIMIT 1')).rowCount === 0,
      drop: async () => {
        await client.end();
        await this.#drop(name);
      },
    };
  }

  /** What the server says about itself. */
  settings(names: readonly string[]): Promise<Record<string, string>> {
    return this.#with(this.#base, async (client) => {
      const { rows } = await client.query<{ name: string; value: string }>(
        'SELECT name, current_setting(name) AS value FROM unnest($1::text[]) AS name',
        [names],
      );
      return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
    });
  }

  /** Drops all that was made here. */
  async close(): Promise<void> {
    for (const name of this.#made) await this.#drop(name);
  }

  #isFilled(name: string): Promise<boolean> {
    return this.#with(this.#base, async (client) => {
      const { rowCount } = await client.query(
        "SELECT FROM pg_database WHERE datname = $1 AND shobj_description(oid, 'pg_database') = $2",
        [name, FILLED],
      );
      return rowCount === 1;
    });
  }

  async #drop(name: string): Promise<void> {
    await this.#admin((client) => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
    this.#made.delete(name);
  }

  #urlOf(name: string): string {
    const url = new URL(this.#base);
    url.pathname = `/${name}`;
    return url.href;
  }

  #admin(work: (client: Client) => Promise<unknown>): Promise<void> {
    return this.#with(this.#base, async (client) => void (await work(client)));
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

/** What the server knows a template by that was filled to its end. */
const FILLED = 'filled by the benchmark';

const READ_ALL = `
  SELECT pg_prewarm(oid, 'read') FROM pg_class
  WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i') AND pg_relation_size(oid) > 0`;

const COUNTS = `
  SELECT (SELECT count(*)::int FROM email_address) AS addresses, (SELECT count(*)::int FROM account) AS accounts,
    (SELECT count(*)::int FROM address_claim) AS claims, (SELECT count(*)::int FROM choice) AS choices,
    (SELECT count(*)::int FROM contact WHERE state = 'live') AS contacts,
    (SELECT count(*)::int FROM basket_token WHERE state = 'live') AS tokens, (SELECT count(*)::int FROM merge) AS merges`;
