import type { ConnectedComponent } from '../contacts/identity/connected-component';
import { arrayLiteral } from './array-literal';
import type { Queries } from './database';

/** Where the search for a connected component begins: addresses, accounts, and contacts by token or id. */
export interface Seeds extends ConnectedComponent {
  tokens: string[];
  /** Of contacts, live or not. */
  ids?: string[];
}

/** Another transaction changed what was looked up before it was locked. Nothing was written: try again. */
export class StaleReadError extends Error {
  /** SQLSTATE of a serialisation failure: the same kind of chance. */
  readonly code = '40001';
}

/**
 * All addresses and accounts that claims connect to the seeds. Takes no locks: lock the result, then check that it is
 * still complete.
 */
export async function findConnectedComponent(db: Queries, seeds: Seeds): Promise<ConnectedComponent> {
  const rows = await db.$queryRaw<{ kind: 'address' | 'account'; key: string }[]>`
    WITH RECURSIVE
    target AS (
      SELECT coalesce(c.merged_into, c.id) AS id
      FROM contact c
      WHERE c.id = ANY (${arrayLiteral(seeds.ids ?? [])}::uuid[])
        OR c.id IN (SELECT contact_id FROM basket_token WHERE token = ANY (${arrayLiteral(seeds.tokens)}::uuid[]))
    ),
    component (kind, key) AS (
      (
        SELECT 'address', key COLLATE "C" FROM unnest(${arrayLiteral(seeds.addresses)}::text[]) AS key
        UNION SELECT 'account', key COLLATE "C" FROM unnest(${arrayLiteral(seeds.uids)}::text[]) AS key
        UNION SELECT 'address', address FROM email_address JOIN target ON contact_id = target.id
        UNION SELECT 'account', uid FROM account JOIN target ON contact_id = target.id
      )
      UNION
      SELECT next.kind, next.key
      FROM component, LATERAL (
        SELECT 'account' AS kind, uid AS key FROM address_claim WHERE component.kind = 'address' AND address = component.key
        UNION ALL
        SELECT 'address', address FROM address_claim WHERE component.kind = 'account' AND uid = component.key
      ) AS next
    )
    SELECT kind, key FROM component`;
  const keys = (kind: string): string[] => rows.filter((row) => row.kind === kind).map((row) => row.key);
  return { addresses: keys('address'), uids: keys('account') };
}
