/**
 * The minimal consumer: the limit of the whole path from broker to database. It consumes, parses, writes each table with
 * one prepared statement over sets, commits, and acknowledges the batch with one ack. It writes the rows that OneContact
 * writes, and no others. No validation, no retries, no rules: the order of events decides, an address stays with its first
 * contact, every login continues, and nothing is merged or announced.
 *
 *     node tools/run.mjs script tools/bench/contenders/minimal.ts BATCH_SIZE CONCURRENCY PREFETCH
 */
import './probe';
import { randomUUID } from 'node:crypto';
import type { Channel, ConsumeMessage } from 'amqplib';
import { Pool, type PoolClient } from 'pg';
import { v7 } from 'uuid';
import { connect } from '../../../src/rabbitmq/amqplib';
import { WORK_QUEUES } from '../broker';

const [batchSize = 0, concurrency = 0, prefetch = 0] = process.argv.slice(2).map(Number);
const pool = new Pool({
  connectionString: process.env.DATABASE_URL,
  max: concurrency * WORK_QUEUES.length,
  options: '-c jit=off -c plan_cache_mode=force_generic_plan -c enable_seqscan=off',
});

interface Body {
  event: string;
  ts: number;
  email: string;
  newsletters?: string[];
  first_name?: string;
  last_name?: string;
  lang?: string;
  country?: string;
  format?: string;
  source_url?: string;
  uid?: string;
  locale?: string;
  countryCode?: string;
  service?: string;
}

const CLAIMING = new Set(['verified', 'login', 'primaryEmailChanged']);

/** Batches of one queue in the order of their deliveries, so that one ack can cover those that are done. */
class Source {
  readonly #waiting: ConsumeMessage[] = [];
  readonly #batches: { last: ConsumeMessage; isDone: boolean }[] = [];
  #running = 0;

  constructor(private readonly channel: Channel) {}

  push(message: ConsumeMessage): void {
    this.#waiting.push(message);
    setImmediate(() => this.#begin());
  }

  #begin(): void {
    // As in OneContact: a second batch only when it is worth a transaction.
    while (this.#waiting.length > (this.#running === 0 ? 0 : batchSize / 4) && this.#running < concurrency) {
      const messages = this.#waiting.splice(0, batchSize);
      const batch = { last: messages.at(-1) as ConsumeMessage, isDone: false };
      this.#batches.push(batch);
      this.#running += 1;
      void write(messages.map(({ content }) => JSON.parse(content.toString()) as Body)).then(() => {
        batch.isDone = true;
        this.#running -= 1;
        this.#acknowledge();
        this.#begin();
      });
    }
  }

  #acknowledge(): void {
    let last: ConsumeMessage | undefined;
    while (this.#batches[0]?.isDone) last = this.#batches.shift()?.last;
    if (last) this.channel.ack(last, true);
  }
}

async function start(): Promise<void> {
  const model = await connect(process.env.AMQP_URL ?? '', { noDelay: true });
  for (const queue of WORK_QUEUES) {
    const channel = await model.createChannel();
    await channel.prefetch(prefetch);
    const source = new Source(channel);
    await channel.consume(queue, (message) => message && source.push(message));
  }
  process.stdout.write('{"level":"info","msg":"service is up"}\n');
}

async function write(bodies: readonly Body[]): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await writeTables(client, bodies);
    await client.query('COMMIT');
  } finally {
    client.release();
  }
}

async function writeTables(client: PoolClient, bodies: readonly Body[]): Promise<void> {
  const byAccount = bodies.filter(({ event }) => CLAIMING.has(event));
  const byReader = bodies.filter(({ event }) => event.startsWith('newsletter.'));
  const accounts = await save(
    client,
    ACCOUNTS,
    latestBy(byAccount, ({ uid = '' }) => uid),
    ([uid, body]) => [
      ...[uid, v7(), body.locale ?? null, body.countryCode?.toLowerCase() ?? null, body.service ?? null],
      body.ts * 1_000,
    ],
  );
  const accountContact = new Map(accounts.map(({ key, contact_id }) => [key, contact_id]));
  const named = latestBy([...byAccount, ...byReader], ({ email }) => email.toLowerCase());
  const addresses = await save(client, ADDRESSES, named, ([address, body]) => [
    ...[address, body.email, body.ts * 1_000, accountContact.get(body.uid ?? '') ?? v7()],
    ...[body.first_name ?? null, body.last_name ?? null, body.country ?? null, body.lang ?? null, body.format ?? null],
  ]);
  const stored = new Set(accounts.flatMap(({ inserted, contact_id }) => (inserted ? [] : contact_id)));
  const touched = [...accounts, ...addresses].flatMap(({ inserted, contact_id }) => (inserted ? contact_id : []));
  // A contact is new, or gets a new address and with it the next version.
  const [opened, grown] = [new Set<string>(), new Set<string>()];
  for (const id of touched) (stored.has(id) ? grown : opened).add(id);
  await save(client, CONTACTS, [...opened], (id) => [id]);
  await save(client, TOKENS, [...opened], (id) => [randomUUID(), id]);
  await save(client, VERSIONS, [...grown].sort(), (id) => [id]);
  await save(client, CLAIMS, byAccount, ({ email, uid = '', ts, event }) => [
    ...[email.toLowerCase(), uid, ts * 1_000, event, `${event} ${uid} ${ts}`, event === 'login'],
  ]);
  const chosen = [...byAccount, ...byReader].flatMap((body) =>
    (body.newsletters ?? []).map((newsletter) => ({ newsletter, body, isAccount: CLAIMING.has(body.event) })),
  );
  await save(client, CHOICES, chosen, ({ newsletter, body, isAccount }) => [
    ...[isAccount ? 'account' : 'address', isAccount ? (body.uid ?? '') : body.email.toLowerCase(), newsletter],
    ...[body.ts * 1_000, body.event === 'newsletter.unsubscribe' ? 'unsubscribe' : 'subscribe', isAccount],
    ...[body.source_url ?? null, body.lang ?? null, body.format ?? null],
  ]);
}

/** The last body of each key, sorted by key: the order in which rows are locked. */
const latestBy = (bodies: readonly Body[], keyOf: (body: Body) => string): [string, Body][] =>
  [...new Map(bodies.map((body) => [keyOf(body), body]))].sort(([a], [b]) => (a < b ? -1 : 1));

interface Statement {
  name: string;
  text: string;
}
type Value = string | number | boolean | null;
interface Saved {
  key: string;
  contact_id: string;
  inserted: boolean;
}

async function save<T>(
  client: PoolClient,
  statement: Statement,
  rows: readonly T[],
  valuesOf: (row: T) => Value[],
): Promise<Saved[]> {
  if (rows.length === 0) return [];
  const values = rows.map(valuesOf);
  const columns = (values[0] as Value[]).map((_, column) => values.map((row) => row[column]));
  return (await client.query<Saved>({ ...statement, values: columns })).rows;
}

/** An account that is stored already is not written: a login says nothing new about it. */
const ACCOUNTS: Statement = {
  name: 'accounts',
  text: `
    WITH x AS (
      SELECT *, to_timestamp(at / 1000) AS t FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::float8[])
        AS x (uid, contact_id, locale, country, service, at)
    ),
    stored AS MATERIALIZED (SELECT uid, contact_id FROM account WHERE uid = ANY ($1::text[])),
    inserted AS (
      INSERT INTO account (uid, contact_id, locale, locale_at, country, country_at, service, service_at)
      SELECT uid, contact_id, locale, CASE WHEN locale IS NOT NULL THEN t END, country, CASE WHEN country IS NOT NULL THEN t END,
        service, CASE WHEN service IS NOT NULL THEN t END
      FROM x WHERE uid NOT IN (SELECT uid FROM stored) ORDER BY uid
      ON CONFLICT DO NOTHING
      RETURNING uid, contact_id
    )
    SELECT uid AS key, contact_id, false AS inserted FROM stored
    UNION ALL SELECT uid, contact_id, true FROM inserted`,
};
const PROFILE = ['first_name', 'last_name', 'country', 'lang', 'format'];
const ADDRESSES: Statement = {
  name: 'addresses',
  text: `
    INSERT INTO email_address AS known (address, typed, typed_at, contact_id, ${PROFILE.flatMap((name) => [name, `${name}_at`]).join(', ')})
    SELECT address, typed, t, contact_id, ${PROFILE.flatMap((name) => [name, `CASE WHEN ${name} IS NOT NULL THEN t END`]).join(', ')}
    FROM (SELECT *, to_timestamp(at / 1000) AS t
      FROM unnest($1::text[], $2::text[], $3::float8[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
      AS x (address, typed, at, contact_id, ${PROFILE.join(', ')})) AS y
    ORDER BY address
    ON CONFLICT (address) DO UPDATE SET typed = excluded.typed, typed_at = excluded.typed_at,
      ${PROFILE.flatMap((name) => [name, `${name}_at`].map((column) => `${column} = coalesce(excluded.${column}, known.${column})`)).join(', ')}
    RETURNING address AS key, contact_id, known.xmax = 0 AS inserted`,
};
const CONTACTS: Statement = { name: 'contacts', text: 'INSERT INTO contact (id) SELECT unnest($1::uuid[])' };
const TOKENS: Statement = {
  name: 'tokens',
  text: 'INSERT INTO basket_token (token, contact_id) SELECT * FROM unnest($1::uuid[], $2::uuid[])',
};
const VERSIONS: Statement = {
  name: 'versions',
  text: 'UPDATE contact AS known SET version = version + 1 FROM unnest($1::uuid[]) AS x (id) WHERE known.id = x.id',
};
const CLAIMS: Statement = {
  name: 'claims',
  text: `
    INSERT INTO address_claim (address, uid, at, event, event_id, continues)
    SELECT address, uid, to_timestamp(at / 1000), event, event_id, continues
    FROM unnest($1::text[], $2::text[], $3::float8[], $4::text[], $5::text[], $6::boolean[])
      AS x (address, uid, at, event, event_id, continues)
    ON CONFLICT DO NOTHING`,
};
const CHOICES: Statement = {
  name: 'choices',
  text: `
    INSERT INTO choice (origin_kind, origin, newsletter, at, act, proven, source, lang, format)
    SELECT kind::origin_kind, origin, newsletter, to_timestamp(at / 1000), act::act, proven, source, lang, format
    FROM unnest($1::text[], $2::text[], $3::text[], $4::float8[], $5::text[], $6::boolean[], $7::text[], $8::text[], $9::text[])
      AS x (kind, origin, newsletter, at, act, proven, source, lang, format)
    ON CONFLICT DO NOTHING`,
};

void start();
