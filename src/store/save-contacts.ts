import type { Changes } from '../contacts/changes';
import { arrayLiteral } from './array-literal';
import type { Queries } from './database';

/**
 * Adds the contacts that are new, and writes the state of those that changed, in the order of their ids, each with the
 * next version. Contacts that were merged into one that is merged now follow it: never a chain.
 *
 * @param touched ids of contacts of which only a choice is news.
 */
export async function saveContacts(
  tx: Queries,
  { created, changed }: Changes['contacts'],
  touched: readonly string[],
): Promise<void> {
  if (created.length > 0) {
    await tx.$executeRaw`
      INSERT INTO contact (id, state, merged_into, created_at)
      SELECT id, state::contact_state, merged_into, coalesce(to_timestamp(created_at / 1000), now())
      FROM unnest(
        ${arrayLiteral(created.map(({ id }) => id))}::uuid[], ${arrayLiteral(created.map(({ state }) => state))}::text[],
        ${arrayLiteral(created.map(({ mergedInto }) => mergedInto))}::uuid[], ${arrayLiteral(created.map(({ createdAt }) => createdAt))}::float8[]
      ) AS x (id, state, merged_into, created_at)`;
  }
  const counted = new Set([...created, ...changed].map(({ id }) => id));
  const others = [...new Set(touched)].filter((id) => !counted.has(id));
  if (changed.length + others.length > 0) {
    const keep = <T>(items: readonly T[]): (T | null)[] => [...items, ...others.map(() => null)];
    await tx.$executeRaw`
      WITH x AS (
        SELECT c.id, coalesce(x.state::contact_state, c.state) AS state,
          CASE WHEN x.state IS NULL THEN c.merged_into ELSE x.merged_into END AS merged_into
        FROM unnest(
          ${arrayLiteral([...changed.map(({ id }) => id), ...others])}::uuid[], ${arrayLiteral(keep(changed.map(({ state }) => state)))}::text[],
          ${arrayLiteral(keep(changed.map(({ mergedInto }) => mergedInto)))}::uuid[]
        ) AS x (id, state, merged_into) JOIN contact c ON c.id = x.id
        ORDER BY c.id FOR NO KEY UPDATE OF c
      )
      UPDATE contact AS known SET state = x.state, merged_into = x.merged_into, version = known.version + 1
      FROM x WHERE known.id = x.id`;
  }
  const ended = [...created, ...changed].filter(({ mergedInto }) => mergedInto !== null);
  if (ended.length > 0) {
    await tx.$executeRaw`
      UPDATE contact AS known SET merged_into = x.root
      FROM unnest(${arrayLiteral(ended.map(({ id }) => id))}::uuid[], ${arrayLiteral(ended.map(({ mergedInto }) => mergedInto))}::uuid[]) AS x (id, root)
      WHERE known.merged_into = x.id`;
  }
}
