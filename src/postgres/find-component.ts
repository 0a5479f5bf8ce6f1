import type { ConnectedComponent } from '../contacts/identity/connected-component';
import { arrayLiteral } from './array-literal';
import type { Queries } from './database';

/** Between the look and the locks, somebody else widened what the events reach. Nothing was written: try again. */
export class StaleReadError extends Error {
  /** SQLSTATE of a serialisation failure: the same kind of chance. */
  readonly code = '40001';
}

/**
 * Everybody whom some events may touch: from their addresses, accounts and tokens over all claims, as far as these
 * lead. Takes no locks: what it finds is locked next, and looked at again then.
 */
export async function findConnectedComponent(
  db: Queries,
  seeds: ConnectedComponent & { tokens: string[] },
): Promise<ConnectedComponent> {
  const rows = await db.$queryRaw<{ kind: 'address' | 'account'; key: string }[]>`
    WITH RECURSIVE
    target AS (
      SELECT coalesce(c.merged_into, c.id) AS id
      FROM basket_token t JOIN contact c ON c.id = t.contact_id
      WHERE t.token = ANY (${arrayLiteral(seeds.tokens)}::uuid[])
    ),
    reach (kind, key) AS (
      (
        SELECT 'address', key COLLATE "C" FROM unnest(${arrayLiteral(seeds.addresses)}::text[]) AS key
        UNION SELECT 'account', key COLLATE "C" FROM unnest(${arrayLiteral(seeds.uids)}::text[]) AS key
        UNION SELECT 'address', address FROM email_address JOIN target ON contact_id = target.id
        UNION SELECT 'account', uid FROM account JOIN target ON contact_id = target.id
      )
      UNION
      SELECT next.kind, next.key
      FROM reach, LATERAL (
        SELECT 'account' AS kind, uid AS key FROM address_claim WHERE reach.kind = 'address' AND address = reach.key
        UNION ALL
        SELECT 'address', address FROM address_claim WHERE reach.kind = 'account' AND uid = reach.key
      ) AS next
    )
    SELECT kind, key FROM reach`;
  const keys = (kind: string): string[] => rows.filter((row) => row.kind === kind).map((row) => row.key);
  return { addresses: keys('address'), uids: keys('account') };
}
