import { arrayLiteral } from '../postgres/array-literal';
import type { Queries } from '../postgres/database';
import { Prisma } from '../postgres/generated/prisma/client';
import { isBefore, type Limits } from './page';

/** A claim on `address`, by the rest of its key. */
const claimOf = (address: Prisma.Sql, uid: string, at: string, condition: Prisma.Sql): Prisma.Sql => Prisma.sql`(
      SELECT ctid AS place FROM address_claim AS known
      WHERE known.address = ${address} AND known.uid = ${Prisma.raw(uid)} AND known.at = ${Prisma.raw(at)} AND ${condition}
      LIMIT 1
    )`;

const IS_ACTIVE = Prisma.sql`known.status = 'active'`;
const IS_CONTINUING = Prisma.sql`known.status = 'active' AND known.continues`;

/**
 * A row source of the claims on an address that are stored as beginnings although they continue their account's claims: an
 * older version stored them, or a claim between was removed. Most addresses have none; the index alone shows that.
 */
export const unmarkedClaims = (address: Prisma.Sql): Prisma.Sql => Prisma.sql`(
    SELECT claim.place
    FROM (
      SELECT uid, at, lag(uid) OVER run AS uid_before, lag(at) OVER run AS at_before
      FROM address_claim WHERE address = ${address} AND NOT continues
      WINDOW run AS (ORDER BY at, uid)
    ) AS beginning,
      LATERAL ${claimOf(address, 'beginning.uid', 'beginning.at', IS_ACTIVE)} AS claim,
      LATERAL ${claimOf(address, 'beginning.uid', 'beginning.at_before', IS_ACTIVE)} AS before
    WHERE beginning.uid = beginning.uid_before
  )`;

/**
 * A row source of the claims on an address that continue a run and are neither its first nor its last claim: between two
 * claims of the same account, without another account's claim from the first to the last, all of them old, active and
 * effective. The first claim of a run is where a period begins; the last decides which address is primary. It is read in
 * the order of the primary key, so that it costs nothing to stop early; a claim's row is read only if it has neighbours.
 */
export const claimsBetween = (address: Prisma.Sql, { before }: Limits): Prisma.Sql => Prisma.sql`(
    SELECT claim.place
    FROM (
      SELECT uid, at, lag(at) OVER run AS at_before, lead(at) OVER run AS next_at
      FROM address_claim WHERE address = ${address} AND ${isBefore('at', before)}
      WINDOW run AS (PARTITION BY uid ORDER BY at)
    ) AS old,
      LATERAL ${claimOf(address, 'old.uid', 'old.at', IS_CONTINUING)} AS claim,
      LATERAL ${claimOf(address, 'old.uid', 'old.next_at', IS_CONTINUING)} AS next,
      LATERAL ${claimOf(address, 'old.uid', 'old.at_before', IS_ACTIVE)} AS before
    WHERE old.at_before IS NOT NULL AND old.next_at IS NOT NULL
      AND NOT EXISTS (SELECT FROM account WHERE account.uid = old.uid AND account.deleted_at < old.next_at)
  )`;

/** Marks such claims on some locked addresses as continuing. @returns how many */
export function markContinuing(tx: Queries, addresses: readonly string[], { rows }: Limits): Promise<number> {
  return tx.$executeRaw`
    UPDATE address_claim SET continues = true WHERE ctid = ANY (ARRAY (
      SELECT unmarked.place
      FROM unnest(${arrayLiteral(addresses)}::text[]) AS key, LATERAL ${unmarkedClaims(Prisma.sql`key`)} AS unmarked
      LIMIT ${rows}::bigint))`;
}

/**
 * Deletes such claims on some locked addresses, except on addresses of a merge that a deletion completed: if that merge is
 * undone, any claim since the deletion can end the time for which opt-outs of one side count for the other.
 *
 * @returns how many were deleted
 */
export function deleteClaimsBetween(tx: Queries, addresses: readonly string[], limits: Limits): Promise<number> {
  const keys = arrayLiteral(addresses);
  return tx.$executeRaw`
    WITH kept AS MATERIALIZED (
      SELECT beginning.address
      FROM unnest(${keys}::text[]) AS key,
        LATERAL (SELECT address, uid FROM address_claim WHERE address = key AND NOT continues OFFSET 0) AS beginning,
        LATERAL (SELECT addresses FROM merge WHERE merge.uid = beginning.uid AND reason = 'deletion' OFFSET 0) AS merged
      WHERE beginning.address = ANY (merged.addresses)
    )
    DELETE FROM address_claim WHERE ctid = ANY (ARRAY (
      SELECT useless.place
      FROM unnest(${keys}::text[]) AS key, LATERAL ${claimsBetween(Prisma.sql`key`, limits)} AS useless
      WHERE key NOT IN (SELECT address FROM kept)
      LIMIT ${limits.rows}::bigint))`;
}
