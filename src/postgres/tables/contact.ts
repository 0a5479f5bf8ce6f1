import type { ChangeSet } from '../../contacts/change-recorder';
import type { Contact, ContactState } from '../../contacts/identity/contact-index';
import { arrayLiteral } from '../array-literal';
import type { Queries } from '../database';
import { Prisma } from '../generated/prisma/client';
import { type Columns, rowSource, type Write } from '../statement';

export interface ContactRow {
  id: string;
  state: ContactState;
  merged_into: string | null;
  version: number;
  /** The contact's live token. */
  token: string | null;
}

/** A new state; with a null state, the contact keeps the stored one. */
interface StateChange {
  id: string;
  state: ContactState | null;
  mergedInto: string | null;
}

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
 * @param touched ids of contacts that get only the next version, because a choice was added.
 */
export function updateContacts(changed: readonly Contact[], touched: readonly string[]): Write {
  if (changed.length + touched.length === 0) return null;
  const rows = [...changed, ...touched.map((id) => ({ id, state: null, mergedInto: null }))];
  return Prisma.sql`
    WITH changed AS (
      SELECT c.id, coalesce(x.state, c.state) AS state,
        CASE WHEN x.state IS NULL THEN c.merged_into ELSE x.merged_into END AS merged_into
      FROM ${rowSource(rows, COLUMNS)} JOIN contact c ON c.id = x.id
      ORDER BY c.id FOR NO KEY UPDATE OF c
    )
    UPDATE contact AS known SET state = changed.state, merged_into = changed.merged_into, version = known.version + 1
    FROM changed WHERE known.id = changed.id`;
}

/** Points contacts that were merged into one of these, now merged itself, to the same survivor: never a chain. */
export function repointMerged({ created, changed }: ChangeSet['contacts']): Write {
  const merged = [...created, ...changed].filter(({ mergedInto }) => mergedInto !== null);
  if (merged.length === 0) return null;
  return Prisma.sql`
    UPDATE contact AS known SET merged_into = x.merged_into FROM ${rowSource(merged, COLUMNS)}
    WHERE known.merged_into = x.id`;
}
