import type { Time } from '../../contacts/facts/event';
import type { Queries } from '../../postgres/database';
import { Prisma } from '../../postgres/generated/prisma/client';

/**
 * A row source of claims (address, uid, at) between two of the same account, with no other's from the one to the other:
 * all three older than a time, and all three count. The first of such a run says when an period began, the last which address
 * is the primary one.
 *
 * @param within a condition on `address`.
 */
export const claimsBetween = (within: Prisma.Sql, before: Time): Prisma.Sql => Prisma.sql`(
    SELECT moment.address, moment.uid, moment.at
    FROM (
      SELECT address, uid, at, lag(uid) OVER run AS earlier, lead(uid) OVER run AS later, lead(at) OVER run AS later_at
      FROM (
        -- A moment is an account's when nobody else claimed the address then, whether or not that counts now.
        SELECT address, at, CASE WHEN min(uid) = max(uid) AND bool_and(status = 'active') THEN min(uid) END AS uid
        FROM address_claim WHERE ${within} GROUP BY address, at
      ) AS claimed
      WINDOW run AS (PARTITION BY address ORDER BY at)
    ) AS moment
    JOIN account ON account.uid = moment.uid
    WHERE moment.earlier = moment.uid AND moment.later = moment.uid AND moment.later_at < to_timestamp(${before}::float8 / 1000)
      AND (account.deleted_at IS NULL OR moment.later_at <= account.deleted_at)
  )`;

/**
 * Deletes them on some addresses, which are locked. Those of a merge that a deletion completed are left alone: should it be
 * undone, any claim since the deletion says until when opt-outs of one side count for the other.
 *
 * @returns how many
 */
export async function deleteClaimsBetween(tx: Queries, addresses: readonly string[], before: Time): Promise<number> {
  return tx.$executeRaw`
    DELETE FROM address_claim AS known
    USING ${claimsBetween(Prisma.sql`address = ANY (${addresses}::text[])`, before)} AS x
    WHERE known.address = x.address AND known.uid = x.uid AND known.at = x.at
      AND x.address NOT IN (
        SELECT claim.address FROM address_claim AS claim
        JOIN merge ON merge.uid = claim.uid AND merge.reason = 'deletion' AND claim.address = ANY (merge.addresses)
        WHERE claim.address = ANY (${addresses}::text[]))`;
}
