/**
 * The database's limit: the rows of a load written by bare, prepared statements over sets, one a table, in OneContact's
 * batches and over as many connections. No broker, no look-ups, no rules: the rows are known beforehand.
 */
import { randomUUID } from 'node:crypto';
import { Client, type QueryConfig } from 'pg';
import { v7 } from 'uuid';
import { now } from '../broker';
import { type Act, isByReader } from '../load/acts';
import { addressOf, filledContactOf, uidOf } from '../load/people';
import { BATCH_SIZE, CONCURRENCY } from './contender';

export class DatabaseLimit {
  private constructor(private readonly clients: readonly Client[]) {}

  static async open(url: string): Promise<DatabaseLimit> {
    const clients = Array.from(
      { length: CONCURRENCY },
      () => new Client({ connectionString: url, options: '-c jit=off' }),
    );
    await Promise.all(clients.map((client) => client.connect()));
    return new DatabaseLimit(clients);
  }

  /** @returns the milliseconds it took; preparing the statements does not count */
  async write(acts: readonly Act[]): Promise<number> {
    const batches: QueryConfig[][] = [];
    for (let from = 0; from < acts.length; from += BATCH_SIZE) {
      batches.push(statementsOf(acts.slice(from, from + BATCH_SIZE)));
    }
    const begin = now();
    await Promise.all(
      this.clients.map(async (client) => {
        for (let batch = batches.shift(); batch; batch = batches.shift()) {
          await client.query('BEGIN');
          for (const statement of batch) await client.query(statement);
          await client.query('COMMIT');
        }
      }),
    );
    return now() - begin;
  }

  async close(): Promise<void> {
    await Promise.all(this.clients.map((client) => client.end()));
  }
}

type Row = readonly (string | number | boolean)[];

/** Each kind of row: its statement, and the number of columns passed as arrays. */
const STATEMENTS = {
  address: [
    `INSERT INTO email_address (address, typed, typed_at, contact_id)
     SELECT address, address, to_timestamp(at / 1000), contact_id FROM unnest($1::text[], $2::float8[], $3::uuid[]) AS x (address, at, contact_id)
     ORDER BY address`,
    3,
  ],
  reader: [
    `INSERT INTO email_address (address, typed, typed_at, contact_id, first_name, first_name_at, last_name, last_name_at,
       country, country_at, lang, lang_at, format, format_at)
     SELECT address, address, t, contact_id, first_name, t, 'L', t, 'fr', t, 'fr', t, 'H', t
     FROM (
       SELECT address, to_timestamp(at / 1000) AS t, contact_id, first_name
       FROM unnest($1::text[], $2::float8[], $3::uuid[], $4::text[]) AS x (address, at, contact_id, first_name)
     ) AS y ORDER BY address`,
    4,
  ],
  knownReader: [
    `UPDATE email_address AS known SET typed_at = t, first_name = y.first_name, first_name_at = t, last_name = 'L', last_name_at = t,
       country = 'fr', country_at = t, lang = 'fr', lang_at = t, format = 'H', format_at = t
     FROM (
       SELECT address, to_timestamp(at / 1000) AS t, first_name
       FROM unnest($1::text[], $2::float8[], $3::text[]) AS x (address, at, first_name)
     ) AS y WHERE known.address = y.address`,
    3,
  ],
  spelling: [
    `UPDATE email_address AS known SET typed_at = to_timestamp(at / 1000)
     FROM unnest($1::text[], $2::float8[]) AS x (address, at) WHERE known.address = x.address`,
    2,
  ],
  account: [
    `INSERT INTO account (uid, contact_id, locale, locale_at, country, country_at, service, service_at)
     SELECT uid, contact_id, 'fr-FR,fr;q=0.9', t, 'fr', t, 'sync', t
     FROM (
       SELECT uid, to_timestamp(at / 1000) AS t, contact_id FROM unnest($1::text[], $2::float8[], $3::uuid[]) AS x (uid, at, contact_id)
     ) AS y ORDER BY uid`,
    3,
  ],
  claim: [
    `INSERT INTO address_claim (address, uid, at, event, event_id, continues)
     SELECT address, uid, to_timestamp(at / 1000), event, event_id, event = 'login'
     FROM unnest($1::text[], $2::text[], $3::float8[], $4::text[], $5::text[]) AS x (address, uid, at, event, event_id)`,
    5,
  ],
  choice: [
    `INSERT INTO choice (origin_kind, origin, newsletter, at, act, proven, source, lang, format)
     SELECT kind::origin_kind, origin, newsletter, to_timestamp(at / 1000), 'subscribe', kind = 'account',
       'https://site.test/fr/newsletter/', 'fr', 'H'
     FROM unnest($1::text[], $2::text[], $3::text[], $4::float8[]) AS x (kind, origin, newsletter, at)`,
    4,
  ],
  contact: ['INSERT INTO contact (id) SELECT * FROM unnest($1::uuid[])', 1],
  knownContact: [
    'UPDATE contact AS known SET version = version + 1 FROM unnest($1::uuid[]) AS x (id) WHERE known.id = x.id',
    1,
  ],
  token: ['INSERT INTO basket_token (token, contact_id) SELECT * FROM unnest($1::uuid[], $2::uuid[])', 2],
} as const satisfies Record<string, readonly [string, number]>;

type Table = keyof typeof STATEMENTS;

/** The statements that write a batch of acts. Of several versions of a row, only the last is written. */
function statementsOf(acts: readonly Act[]): QueryConfig[] {
  const rows = Object.fromEntries(Object.keys(STATEMENTS).map((table) => [table, new Map()])) as Record<
    Table,
    Map<string, Row>
  >;
  for (const act of acts) addRows(act, (table, key, ...row) => rows[table].set(key, [key, ...row]));
  return Object.entries(rows).flatMap(([table, found]) => {
    if (found.size === 0) return [];
    const [text, columns] = STATEMENTS[table as Table];
    const list = [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
    const skipped = (list[0] as Row).length - columns; // a key that is not a column
    const values = Array.from({ length: columns }, (_, column) => list.map((row) => row[column + skipped]));
    return [{ name: table, text, values }];
  });
}

type Add = (table: Table, key: string, ...row: Row) => void;

function addRows({ kind, reader, account, at, newsletters }: Act, add: Add): void {
  const [address, uid] = [addressOf(reader), uidOf(account)];
  if (kind === 'known') {
    add('knownReader', address, at, `Ada ${reader}`);
    add('knownContact', filledContactOf(reader));
  } else if (kind === 'new' || kind === 'verified') {
    const id = v7();
    if (kind === 'new') add('reader', address, at, id, `Ada ${reader}`);
    else add('address', address, at, id);
    add('contact', id);
    add('token', randomUUID(), id);
    if (kind === 'verified') add('account', uid, at, id);
  } else if (kind === 'login') add('spelling', address, at);
  else {
    const id = filledContactOf(account);
    if (kind === 'changed') add('address', address, at, id);
    add('knownContact', id);
  }
  const byAccount = !isByReader(kind);
  if (byAccount) add('claim', `${address} ${uid} ${at}`, address, uid, at, kind, `${kind} ${uid} ${at}`);
  for (const newsletter of newsletters) {
    const origin = byAccount ? uid : address;
    add('choice', `${origin} ${newsletter} ${at}`, byAccount ? 'account' : 'address', origin, newsletter, at);
  }
}
