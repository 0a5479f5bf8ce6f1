import { randomUUID } from 'node:crypto';
import type { QueryConfig } from 'pg';
import { v7 } from 'uuid';
import type { Act } from '../load/acts';
import { addressOf, filledContactOf, uidOf } from '../load/people';

type Row = readonly (string | number | boolean)[];

/** One statement a table: its name, its text, and the types of the columns that come as arrays. */
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
  account: [
    `INSERT INTO account (uid, contact_id, locale, locale_at, country, country_at, service, service_at)
     SELECT uid, contact_id, 'fr-FR,fr;q=0.9', t, 'fr', t, 'sync', t
     FROM (
       SELECT uid, to_timestamp(at / 1000) AS t, contact_id FROM unnest($1::text[], $2::float8[], $3::uuid[]) AS x (uid, at, contact_id)
     ) AS y ORDER BY uid`,
    3,
  ],
  claim: [
    `INSERT INTO address_claim (address, uid, at, event, event_id)
     SELECT address, uid, to_timestamp(at / 1000), event, event_id
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

/** The statements that write a batch of acts. A row that is written twice is written once, with what came last. */
export function statementsOf(acts: readonly Act[]): QueryConfig[] {
  const rows = Object.fromEntries(Object.keys(STATEMENTS).map((table) => [table, new Map()])) as Record<
    Table,
    Map<string, Row>
  >;
  for (const act of acts) addRows(act, (table, key, ...row) => rows[table].set(key, [key, ...row]));
  return Object.entries(rows).flatMap(([table, found]) => {
    if (found.size === 0) return [];
    const [text, columns] = STATEMENTS[table as Table];
    const list = [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
    const skipped = (list[0] as Row).length - columns; // a key that is no column
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
  } else {
    const id = filledContactOf(account);
    if (kind === 'changed') add('address', address, at, id);
    add('knownContact', id);
  }
  const byAccount = kind !== 'new' && kind !== 'known';
  if (byAccount) add('claim', `${address} ${uid} ${at}`, address, uid, at, kind, `${kind} ${uid} ${at}`);
  for (const newsletter of newsletters) {
    const origin = byAccount ? uid : address;
    add('choice', `${origin} ${newsletter} ${at}`, byAccount ? 'account' : 'address', origin, newsletter, at);
  }
}
