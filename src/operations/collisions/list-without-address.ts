import type { Queries } from '../../postgres/database';

/** A live account that owns no address, and waits for no decision: for review. */
export interface WithoutAddress {
  uid: string;
  contactId: string;
  /** What it claimed last, when (milliseconds since 1970), and the contact that has it now. Null when it is gone. */
  address: string | null;
  claimedAt: number | null;
  holderId: string | null;
}

/** In the order of their uids. */
export function listWithoutAddress(
  db: Queries,
  { after, limit }: { after?: string | undefined; limit: number },
): Promise<WithoutAddress[]> {
  return db.$queryRaw<WithoutAddress[]>`
    SELECT a.uid, a.contact_id AS "contactId", last.address, last.at AS "claimedAt", e.contact_id AS "holderId"
    FROM account a
    LEFT JOIN LATERAL (
      SELECT address, (extract(epoch FROM at) * 1000)::float8 AS at FROM address_claim c
      WHERE c.uid = a.uid ORDER BY c.at DESC, address DESC LIMIT 1
    ) AS last ON true
    LEFT JOIN email_address e ON e.address = last.address
    WHERE a.deleted_at IS NULL AND (${after ?? null}::text IS NULL OR a.uid > ${after ?? null})
      AND NOT EXISTS (SELECT FROM email_address own WHERE own.contact_id = a.contact_id)
      AND NOT EXISTS (SELECT FROM address_claim held WHERE held.uid = a.uid AND held.status = 'held')
    ORDER BY a.uid LIMIT ${limit}`;
}
