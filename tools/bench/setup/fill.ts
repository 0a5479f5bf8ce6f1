import type { Client } from 'pg';
import { FILLED_AT, SQL } from '../load/people';

/** Contacts in one transaction. */
const CHUNK = 100_000;

/**
 * Fills an empty database with contacts, by sets: each even number is an account with its address, each odd one a lone
 * reader. All rows are what OneContact itself would have written.
 */
export async function fill(client: Client, contacts: number, onProgress: (done: number) => void): Promise<void> {
  // These rows are right by construction: where it is allowed, foreign keys are not checked for each of them.
  const { rows } = await client.query<{ mine: string }>("SELECT current_setting('is_superuser') AS mine");
  if (rows[0]?.mine === 'on') await client.query('SET session_replication_role = replica');
  for (let from = 0; from < contacts; from += CHUNK) {
    const to = Math.min(from + CHUNK, contacts) - 1;
    await client.query('BEGIN');
    for (const statement of STATEMENTS)
      await client.query(statement.replace('SERIES', `generate_series(${from}, ${to})`));
    await client.query('COMMIT');
    onProgress(to + 1);
  }
  await client.query('VACUUM ANALYZE');
}

const AT = `to_timestamp((${FILLED_AT} + i) / 1000.0)`;

const STATEMENTS = [
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
