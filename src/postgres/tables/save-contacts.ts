import type { ChangeSet } from '../../contacts/change-recorder';
import type { Contact } from '../../contacts/identity/contact-index';
import { arrayLiteral } from '../array-literal';
import { Prisma } from '../generated/prisma/client';
import type { Write } from '../one-statement';

export function insertContacts(created: readonly Contact[]): Write {
  if (created.length === 0) return null;
  return Prisma.sql`
    INSERT INTO contact (id, state, merged_into, created_at)
    SELECT id, state::contact_state, merged_into, coalesce(to_timestamp(created_at / 1000), now())
    FROM unnest(
      ${arrayLiteral(created.map(({ id }) => id))}::uuid[], ${arrayLiteral(created.map(({ state }) => state))}::text[],
      ${arrayLiteral(created.map(({ mergedInto }) => mergedInto))}::uuid[], ${arrayLiteral(created.map(({ createdAt }) => createdAt))}::float8[]
    ) AS x (id, state, merged_into, created_at)`;
}

/**
 * Writes the state of contacts that changed, in the order of their ids, each with the next version.
 *
 * @param touched ids of further contacts of which only a choice is incoming.
 */
export function updateContacts(changed: readonly Contact[], touched: readonly string[]): Write {
  if (changed.length + touched.length === 0) return null;
  const keep = <T>(items: readonly T[]): (T | null)[] => [...items, ...touched.map(() => null)];
  return Prisma.sql`
    WITH x AS (
      SELECT c.id, coalesce(x.state::contact_state, c.state) AS state,
        CASE WHEN x.state IS NULL THEN c.merged_into ELSE x.merged_into END AS merged_into
      FROM unnest(
        ${arrayLiteral([...changed.map(({ id }) => id), ...touched])}::uuid[], ${arrayLiteral(keep(changed.map(({ state }) => state)))}::text[],
        ${arrayLiteral(keep(changed.map(({ mergedInto }) => mergedInto)))}::uuid[]
      ) AS x (id, state, merged_into) JOIN contact c ON c.id = x.id
      ORDER BY c.id FOR NO KEY UPDATE OF c
    )
    UPDATE contact AS known SET state = x.state, merged_into = x.merged_into, version = known.version + 1
    FROM x WHERE known.id = x.id`;
}

/** Contacts that were merged into one that is merged now follow it: never a chain. */
export function followMerged({ created, changed }: ChangeSet['contacts']): Write {
  const ended = [...created, ...changed].filter(({ mergedInto }) => mergedInto !== null);
  if (ended.length === 0) return null;
  return Prisma.sql`
    UPDATE contact AS known SET merged_into = x.root
    FROM unnest(${arrayLiteral(ended.map(({ id }) => id))}::uuid[], ${arrayLiteral(ended.map(({ mergedInto }) => mergedInto))}::uuid[]) AS x (id, root)
    WHERE known.merged_into = x.id`;
}
