import type { Time } from '../../contacts/facts/event';
import type { Origin } from '../../contacts/facts/facts';
import type { Queries } from '../../postgres/database';
import { Prisma } from '../../postgres/generated/prisma/client';

/**
 * A row source of unproven subscriptions (origin, newsletter, at, next_at) that have a later choice about the same
 * newsletter at the same origin, both older than a time. Nothing else in the ledger can be done without: a refusal counts
 * on for the successors of a deleted account, a proof lifts opt-outs.
 *
 * @param within a condition on `origin`.
 */
export const supersededChoices = (kind: Origin['kind'], within: Prisma.Sql, before: Time): Prisma.Sql => Prisma.sql`(
    SELECT origin, newsletter, at, next_at
    FROM (
      SELECT origin, newsletter, at, act, proven, lead(at) OVER (PARTITION BY origin, newsletter ORDER BY at) AS next_at
      FROM choice
      WHERE origin_kind = ${kind}::origin_kind AND ${within} AND newsletter <> '' AND at < to_timestamp(${before}::float8 / 1000)
    ) AS made
    WHERE act = 'subscribe' AND NOT proven AND next_at IS NOT NULL
  )`;

/**
 * Deletes the superseded subscriptions of some origins, which are locked. Where anybody claimed the address between the
 * two choices, whether or not that counts now, they may belong to different people one day: then both stay.
 *
 * @returns how many
 */
export async function deleteSuperseded(
  tx: Queries,
  kind: Origin['kind'],
  origins: readonly string[],
  before: Time,
): Promise<number> {
  return tx.$executeRaw`
    DELETE FROM choice AS known
    USING ${supersededChoices(kind, Prisma.sql`origin = ANY (${origins}::text[])`, before)} AS x
    WHERE known.origin_kind = ${kind}::origin_kind AND known.origin = x.origin AND known.newsletter = x.newsletter AND known.at = x.at
      AND NOT EXISTS (
        SELECT FROM address_claim AS claim WHERE claim.address = x.origin AND claim.at >= x.at AND claim.at < x.next_at)`;
}
