import type { Origin } from '../contacts/facts/facts';
import { arrayLiteral } from '../postgres/array-literal';
import type { Queries } from '../postgres/database';
import { Prisma } from '../postgres/generated/prisma/client';
import { nextAlongClaims } from '../postgres/tables/address-claim';
import { isSetRefusing } from '../postgres/tables/choice';
import { isBefore, type Limits } from './page';

/** The acts that count for the successors of a deleted account: refusals, and reasons for them. */
export const ACTS_THAT_FOLLOW = Prisma.sql`'unsubscribe', 'opt_out', 'set', 'reason'`;

/** Whether the choice at a time of `made` is a subscription. */
const isSubscription = (kind: Origin['kind'], origin: Prisma.Sql, at: string): Prisma.Sql => Prisma.sql`(
      SELECT act FROM choice AS other
      WHERE other.origin = ${origin} AND other.origin_kind = ${kind}::origin_kind
        AND other.newsletter = made.newsletter AND other.at = ${Prisma.raw(at)}
    ) = 'subscribe'`;

/**
 * A row source of the unproven subscriptions at an origin (place, newsletter, earlier_at, later_at) between two others of
 * the same newsletter, all of them old. The first of such a run is where the subscription began; the last decides its
 * state. Everything else in the consent ledger is needed: a refusal counts for the successors of a deleted account, a
 * proven act lifts opt-outs. Most newsletters have one or two choices at an origin; the index alone shows that.
 */
export const repeatedChoices = (
  kind: Origin['kind'],
  origin: Prisma.Sql,
  { before }: Limits,
): Prisma.Sql => Prisma.sql`(
    SELECT known.place, made.newsletter, made.earlier_at, made.later_at
    FROM (
      SELECT newsletter, at, lag(at) OVER run AS earlier_at, lead(at) OVER run AS later_at
      FROM choice
      WHERE origin = ${origin} AND origin_kind = ${kind}::origin_kind AND newsletter <> '' AND ${isBefore('at', before)}
      WINDOW run AS (PARTITION BY newsletter ORDER BY at)
    ) AS made,
      LATERAL (
        SELECT ctid AS place FROM choice AS own
        WHERE own.origin = ${origin} AND own.origin_kind = ${kind}::origin_kind
          AND own.newsletter = made.newsletter AND own.at = made.at AND own.act = 'subscribe' AND NOT own.proven
        LIMIT 1
      ) AS known
    WHERE made.earlier_at IS NOT NULL AND made.later_at IS NOT NULL
      AND ${isSubscription(kind, origin, 'made.earlier_at')} AND ${isSubscription(kind, origin, 'made.later_at')}
  )`;

/**
 * At most this many addresses and accounts are searched for a person's refusals. If there are more, repeated choices
 * stay.
 */
export const MOST_CONNECTED = 100;

/**
 * The addresses and accounts that claims connect to an origin, itself included, and the first opt-out of any of them. Stops
 * soon after {@link MOST_CONNECTED}, however many there are.
 */
const connectedTo = (kind: Origin['kind'], origin: Prisma.Sql): Prisma.Sql => Prisma.sql`(
    WITH RECURSIVE reach (kind, key) AS (
      SELECT ${kind}::text, ${origin} COLLATE "C"
      UNION
      ${nextAlongClaims('reach')}
    )
    SELECT count(*) AS keys, array_agg(kind::origin_kind) AS kinds, array_agg(key) AS origins,
      min((
        SELECT at FROM choice
        WHERE choice.origin = near.key AND choice.origin_kind = near.kind::origin_kind AND newsletter = '' AND act = 'opt_out'
        ORDER BY at LIMIT 1
      )) AS opted_out_at
    FROM (SELECT * FROM reach LIMIT ${MOST_CONNECTED + 1}::int) AS near
  )`;

/** A claim on the address between two choices, effective or not: they may turn out to be two people's. */
const IS_CLAIMED_BETWEEN = Prisma.sql`
  EXISTS (
    SELECT FROM address_claim AS beginning
    WHERE beginning.address = key AND NOT beginning.continues
      AND beginning.at >= repeated.earlier_at AND beginning.at < repeated.later_at)
  OR EXISTS (
    SELECT
    FROM (
      SELECT uid FROM address_claim AS beginning
      WHERE beginning.address = key AND NOT beginning.continues AND beginning.at < repeated.earlier_at
      ORDER BY beginning.at DESC, beginning.uid DESC LIMIT 1
    ) AS owner,
      LATERAL (
        SELECT FROM address_claim AS claim
        WHERE claim.address = key AND claim.uid = owner.uid
          AND claim.at >= repeated.earlier_at AND claim.at < repeated.later_at
        LIMIT 1
      ) AS claim)`;

/**
 * Deletes the repeated subscriptions of some locked origins. A subscription is kept in two cases: there is a claim on its
 * address between its neighbours; or a refusal at a connected address or account splits the run, or an opt-out comes before
 * it, after which only some of the subscriptions may be in effect.
 *
 * @returns how many were deleted
 */
export function deleteRepeatedChoices(
  tx: Queries,
  kind: Origin['kind'],
  origins: readonly string[],
  limits: Limits,
): Promise<number> {
  const repeated = repeatedChoices(kind, Prisma.sql`key`, limits);
  return tx.$executeRaw`
    DELETE FROM choice WHERE ctid = ANY (ARRAY (
      SELECT repeated.place
      FROM unnest(${arrayLiteral(origins)}::text[]) AS key,
        LATERAL (SELECT FROM ${repeated} AS any_repeated LIMIT 1) AS has_some,
        LATERAL ${connectedTo(kind, Prisma.sql`key`)} AS near,
        LATERAL ${repeated} AS repeated
      WHERE near.keys <= ${MOST_CONNECTED}::int
        AND (near.opted_out_at IS NULL OR near.opted_out_at >= repeated.later_at)
        AND NOT EXISTS (
          SELECT FROM unnest(near.kinds, near.origins) AS other (kind, key), LATERAL (
            SELECT FROM choice AS refusal
            WHERE refusal.origin = other.key AND refusal.origin_kind = other.kind
              AND refusal.newsletter = repeated.newsletter AND refusal.act = 'unsubscribe'
              AND refusal.at >= repeated.earlier_at AND refusal.at < repeated.later_at
            LIMIT 1
          ) AS refused)
        AND NOT EXISTS (
          SELECT FROM unnest(near.kinds, near.origins) AS other (kind, key), LATERAL (
            SELECT FROM choice AS refusal
            WHERE refusal.origin = other.key AND refusal.origin_kind = other.kind
              AND ${isSetRefusing('refusal', 'repeated.newsletter')}
              AND refusal.at >= repeated.earlier_at AND refusal.at < repeated.later_at
            LIMIT 1
          ) AS refused)
        AND NOT (${kind === 'address' ? IS_CLAIMED_BETWEEN : Prisma.sql`false`})
      LIMIT ${limits.rows}::bigint))`;
}
