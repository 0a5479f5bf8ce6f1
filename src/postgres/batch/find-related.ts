import type { ConnectedComponent } from '../../contacts/identity/connected-component';
import { arrayLiteral } from '../array-literal';
import type { Queries } from '../database';
import { Prisma } from '../generated/prisma/client';
import { BEGINNINGS_OF, PERIOD_BEFORE } from '../tables/address-claim';

const CLAIMED_BY_RELATED = BEGINNINGS_OF(Prisma.sql`related.uid`);

/**
 * The accounts that the views of some contacts depend on, with the addresses that they claimed: the contacts' own, their
 * predecessors, and both sides of undone merges. Other accounts that claimed the same addresses are not included.
 *
 * @param members addresses and accounts of the contacts
 */
export async function findRelated(db: Queries, members: ConnectedComponent): Promise<ConnectedComponent> {
  const addresses = arrayLiteral(members.addresses);
  const rows = await db.$queryRaw<{ uid: string | null; address: string | null }[]>`
    WITH RECURSIVE related (uid) AS (
      (
        SELECT uid COLLATE "C" FROM unnest(${arrayLiteral(members.uids)}::text[]) AS uid
        UNION SELECT uid
        FROM (SELECT contact_id FROM email_address WHERE address = ANY (${addresses}::text[]) OFFSET 0) AS known,
          LATERAL (SELECT uid FROM account WHERE contact_id = known.contact_id OFFSET 0) AS own
        UNION SELECT unnest(ARRAY[uid, claimant]) COLLATE "C" FROM merge
        WHERE undone_at IS NOT NULL AND addresses COLLATE "C" && ${addresses}::text[]
      )
      UNION
      SELECT next.uid FROM related, LATERAL (
        SELECT before.uid
        FROM (${CLAIMED_BY_RELATED}) AS own, LATERAL (${PERIOD_BEFORE}) AS before,
          LATERAL (SELECT uid FROM account WHERE uid = before.uid AND deleted_at IS NOT NULL LIMIT 1) AS deleted
        UNION ALL
        SELECT unnest(ARRAY[uid, claimant]) FROM merge WHERE undone_at IS NOT NULL AND uid = related.uid
        UNION ALL
        SELECT unnest(ARRAY[uid, claimant]) FROM merge WHERE undone_at IS NOT NULL AND claimant = related.uid
        UNION ALL
        SELECT unnest(ARRAY[undone.uid, undone.claimant])
        FROM (${CLAIMED_BY_RELATED}) AS own,
          LATERAL (
            SELECT uid, claimant FROM merge
            WHERE undone_at IS NOT NULL AND addresses COLLATE "C" && ARRAY[own.address] OFFSET 0
          ) AS undone
      ) AS next
      WHERE next.uid IS NOT NULL
    )
    SELECT uid, NULL AS address FROM related WHERE uid IS NOT NULL
    UNION ALL
    SELECT DISTINCT NULL, address FROM related, LATERAL (${CLAIMED_BY_RELATED}) AS own`;
  return {
    addresses: [...new Set([...members.addresses, ...rows.flatMap(({ address }) => address ?? [])])],
    uids: rows.flatMap(({ uid }) => uid ?? []),
  };
}
