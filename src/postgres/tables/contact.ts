import type { ChangeSet } from '../../contacts/change-recorder';
import type { Contact, ContactState } from '../../contacts/identity/contact-index';
import { arrayLiteral } from '../array-literal';
import type { Queries } from '../database';
import { Prisma } from '../generated/prisma/client';
import { type Columns, namesOf, rowSource, type Write } from '../statement';

export interface ContactRow {
  id: string;
  state: ContactState;
  merged_into: string | null;
  version: number;
  /** The contact's live token. */
  token: string | null;
}

export interface LiveContactRow {
  id: string;
  version: number;
  token: string;
  created_at: Date;
  updated_at: Date | null;
}

type StateChange = Pick<Contact, 'id' | 'state' | 'mergedInto'>;

const COLUMNS = {
  id: ['uuid', ({ id }) => id],
  state: ['contact_state', ({ state }) => state],
  merged_into: ['uuid', ({ mergedInto }) => mergedInto],
} satisfies Columns<StateChange>;

export function loadContacts(db: Queries, ids: readonly string[]): Promise<ContactRow[]> {
  return db.$queryRaw<ContactRow[]>`
    SELECT c.id, c.state::text, c.merged_into, c.version,
      (SELECT t.token FROM basket_token t WHERE t.contact_id = c.id AND t.state = 'live') AS token
    FROM contact c WHERE c.id = ANY (${arrayLiteral(ids)}::uuid[])`;
}

/** Those of these contacts that are live, each with its times. */
export function loadLiveContacts(db: Queries, ids: readonly string[]): Promise<LiveContactRow[]> {
  return db.$queryRaw<LiveContactRow[]>`
    SELECT c.id, c.version, c.created_at, c.updated_at,
      (SELECT t.token FROM basket_token t WHERE t.contact_id = c.id AND t.state = 'live') AS token
    FROM contact c WHERE c.id = ANY (${arrayLiteral(ids)}::uuid[]) AND c.state = 'live'`;
}

export function insertContacts(created: readonly Contact[]): Write {
  if (created.length === 0) return null;
  const columns: Columns<Contact> = { ...COLUMNS, created_at: ['time', ({ createdAt }) => createdAt] };
  return Prisma.sql`
    INSERT INTO contact (id, state, merged_into, created_at)
    SELECT id, state, merged_into, coalesce(created_at, now()) FROM ${rowSource(created, columns)}`;
}

/**
 * Writes the state of changed contacts, in the order of their ids, each with the next version.
 *
 * @param touched a query for the `contact_id` of other contacts that get only the next version
 * @param returning what to return of each
 */
export function updateContacts(changed: readonly Contact[], touched?: Prisma.Sql, returning = Prisma.empty): Write {
  if (changed.length === 0 && touched === undefined) return null;
  const sources = [
    ...(changed.length === 0 ? [] : [Prisma.sql`SELECT ${namesOf(COLUMNS)} FROM ${rowSource(changed, COLUMNS)}`]),
    ...(touched ? [Prisma.sql`SELECT contact_id, NULL::contact_state, NULL::uuid FROM (${touched}) AS touched`] : []),
  ];
  return Prisma.sql`
    WITH changed AS (
      SELECT c.id, coalesce(x.state, c.state) AS state,
        CASE WHEN x.state IS NULL THEN c.merged_into ELSE x.merged_into END AS merged_into
      FROM (${Prisma.join(sources, ' UNION ALL ')}) AS x (id, state, merged_into) JOIN contact c ON c.id = x.id
      ORDER BY c.id FOR NO KEY UPDATE OF c
    )
    UPDATE contact AS known SET state = changed.state, merged_into = changed.merged_into, version = known.version + 1,
      updated_at = now()
    FROM changed WHERE known.id = changed.id
    ${returning}`;
}

/**
 * If a contact is merged now, points all contacts that were merged into it to the new survivor, so that there are no
 * chains.
 */
export function repointMerged({ created, changed }: ChangeSet['contacts']): Write {
  const merged = [...created, ...changed].filter(({ mergedInto }) => mergedInto !== null);
  if (merged.length === 0) return null;
  return Prisma.sql`
    UPDATE contact AS known SET merged_into = x.merged_into FROM ${rowSource(merged, COLUMNS)}
    WHERE known.merged_into = x.id`;
}
