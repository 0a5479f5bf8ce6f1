/** Removes what no view needs: see the rule "Compaction changes no view". */
import type { Time } from '../../contacts/facts/event';
import type { Origin } from '../../contacts/facts/facts';
import type { Queries } from '../../postgres/database';
import { Prisma } from '../../postgres/generated/prisma/client';
import type { Page, PurgeStep } from './page';

/** Compacts the facts at the addresses of a page. Claims first: they separate choices. */
export const compactAddresses: PurgeStep = async (tx, page, before) => {
  const addresses = await lockAddresses(tx, page, before);
  if (addresses.length === 0) return {};
  return {
    claims: await deleteClaimsBetween(tx, addresses, before),
    choices: await deleteRepeatedChoices(tx, 'address', addresses, before),
  };
};

/**
 * Blanks the deleted accounts of a page, and deletes their choices except refusals, which are all that a deleted
 * account contributes to a view. Compacts the choices of the other accounts. The rows stay: a uid never returns.
 */
export const compactAccounts: PurgeStep = async (tx, page, before) => {
  const uids = await lockAccounts(tx, page, before);
  if (uids.length === 0) return {};
  return {
    accounts: await tx.$executeRaw`
      UPDATE account SET created_at = NULL, locale = NULL, locale_at = NULL, country = NULL, country_at = NULL,
        service = NULL, service_at = NULL
      WHERE uid = ANY (${uids}::text[]) AND ${isDeleted(before)} AND ${HAS_DATA}`,
    choices:
      (await tx.$executeRaw`
        DELETE FROM choice USING account
        WHERE account.uid = ANY (${uids}::text[]) AND ${isDeleted(before)} AND ${isUselessChoice(before)}`) +
      (await deleteRepeatedChoices(tx, 'account', uids, before)),
  };
};

/**
 * Deletes the explanations of old merges of a page whose survivor's account is deleted: explanations contain names.
 * Also those of a merge that was completed by a deletion: they show the deleted account as it was. Skips locked merges,
 * which the next run finds: the locks of their people come before those of the ledger, and are not held here.
 */
export const deleteExplanations: PurgeStep = async (tx, { after, last }, before) => ({
  explanations: await tx.$executeRaw`
    UPDATE merge SET explanation = NULL
    WHERE id IN (
      SELECT id FROM merge
      WHERE id > ${after}::uuid AND id <= ${last}::uuid
        AND explanation IS NOT NULL AND trigger_at < to_timestamp(${before}::float8 / 1000)
        AND EXISTS (
          SELECT FROM account
          WHERE account.uid IN (merge.uid, CASE merge.reason WHEN 'deletion' THEN merge.claimant END)
            AND ${isDeleted(before)})
      FOR NO KEY UPDATE SKIP LOCKED)`,
});

/**
 * Locks the addresses of a page that have something to compact, in the same order as `lockAndLoad`. Every transaction
 * that works on an address's claims or choices holds its lock; what to delete is looked up again under it.
 */
async function lockAddresses(tx: Queries, page: Page, before: Time): Promise<string[]> {
  const isInPage = within('address', page);
  const rows = await tx.$queryRaw<{ address: string }[]>`
    SELECT address FROM email_address
    WHERE ${isInPage} AND address IN (
      SELECT address FROM ${claimsBetween(isInPage, before)} AS claim
      UNION SELECT origin FROM ${repeatedChoices('address', within('origin', page), before)} AS choice)
    ORDER BY address FOR NO KEY UPDATE`;
  return rows.map(({ address }) => address);
}

/** Locks the accounts of a page that have something to compact, in the same order as `lockAndLoad`. */
async function lockAccounts(tx: Queries, page: Page, before: Time): Promise<string[]> {
  const rows = await tx.$queryRaw<{ uid: string }[]>`
    SELECT uid FROM account
    WHERE ${within('uid', page)} AND (
      (${isDeleted(before)} AND (${HAS_DATA} OR EXISTS (SELECT FROM choice WHERE ${isUselessChoice(before)})))
      OR uid IN (SELECT origin FROM ${repeatedChoices('account', within('origin', page), before)} AS choice))
    ORDER BY uid FOR NO KEY UPDATE`;
  return rows.map(({ uid }) => uid);
}

function within(column: string, { after, last }: Page): Prisma.Sql {
  const key = Prisma.raw(column);
  return Prisma.sql`${key} > ${after} AND ${key} <= ${last}`;
}

const isDeleted = (before: Time): Prisma.Sql => Prisma.sql`account.deleted_at < to_timestamp(${before}::float8 / 1000)`;

const HAS_DATA = Prisma.sql`
  num_nonnulls(account.created_at, account.locale_at, account.country_at, account.service_at) > 0`;

/** Made in an account, and not a refusal. */
const isUselessChoice = (before: Time): Prisma.Sql => Prisma.sql`
  choice.origin = account.uid AND choice.origin_kind = 'account' AND choice.act NOT IN ('unsubscribe', 'opt_out')
  AND choice.at < to_timestamp(${before}::float8 / 1000)`;

/**
 * A row source of unproven subscriptions (origin, newsletter, at, earlier_at, later_at) between two others of the same
 * newsletter at the same origin, all older than a time. The first of such a run is where the subscription began; the last
 * decides its state. Everything else in the consent ledger is needed: a refusal counts for the successors of a deleted
 * account, a proven act lifts opt-outs.
 *
 * @param isWanted a condition on `origin`.
 */
const repeatedChoices = (kind: Origin['kind'], isWanted: Prisma.Sql, before: Time): Prisma.Sql => Prisma.sql`(
    SELECT origin, newsletter, at, earlier_at, later_at
    FROM (
      SELECT origin, newsletter, at, act, proven, lag(act) OVER run AS earlier, lag(at) OVER run AS earlier_at,
        lead(act) OVER run AS later, lead(at) OVER run AS later_at
      FROM choice
      WHERE origin_kind = ${kind}::origin_kind AND ${isWanted} AND newsletter <> '' AND at < to_timestamp(${before}::float8 / 1000)
      WINDOW run AS (PARTITION BY origin, newsletter ORDER BY at)
    ) AS made
    WHERE act = 'subscribe' AND NOT proven AND earlier = 'subscribe' AND later = 'subscribe'
  )`;

/**
 * Deletes the repeated subscriptions of some locked origins. Two things keep one: a claim on its address between its
 * neighbours, effective or not, because they may turn out to be different people's; and a refusal of any connected address
 * or account that splits the run, or an opt-out before it, after which only some of them may be in effect.
 *
 * @returns how many were deleted
 */
async function deleteRepeatedChoices(
  tx: Queries,
  kind: Origin['kind'],
  origins: readonly string[],
  before: Time,
): Promise<number> {
  return tx.$executeRaw`
    WITH RECURSIVE
    repeated AS MATERIALIZED (
      SELECT * FROM ${repeatedChoices(kind, Prisma.sql`origin = ANY (${origins}::text[])`, before)} AS choice
    ),
    reach (origin, kind, key) AS (
      SELECT DISTINCT origin, ${kind}, origin FROM repeated
      UNION
      SELECT reach.origin, next.kind, next.key
      FROM reach, LATERAL (
        SELECT 'account' AS kind, uid AS key FROM address_claim WHERE reach.kind = 'address' AND address = reach.key
        UNION ALL
        SELECT 'address', address FROM address_claim WHERE reach.kind = 'account' AND uid = reach.key
      ) AS next
    )
    DELETE FROM choice AS known
    USING repeated AS x
    WHERE known.origin_kind = ${kind}::origin_kind AND known.origin = x.origin AND known.newsletter = x.newsletter AND known.at = x.at
      AND NOT EXISTS (
        SELECT FROM address_claim AS claim
        WHERE claim.address = x.origin AND claim.at >= x.earlier_at AND claim.at < x.later_at)
      AND NOT EXISTS (
        SELECT FROM reach JOIN choice AS refusal ON refusal.origin = reach.key AND refusal.origin_kind = reach.kind::origin_kind
        WHERE reach.origin = x.origin AND refusal.at < x.later_at AND (
          refusal.act = 'opt_out'
          OR (refusal.act = 'unsubscribe' AND refusal.newsletter = x.newsletter AND refusal.at >= x.earlier_at)))`;
}

/**
 * A row source of claims (address, uid, at) between two of the same account, without another account's claim from the
 * first to the last, all older than a time and all effective. The first claim of such a run is where a period begins;
 * the last decides which address is primary.
 *
 * @param isWanted a condition on `address`.
 */
const claimsBetween = (isWanted: Prisma.Sql, before: Time): Prisma.Sql => Prisma.sql`(
    SELECT moment.address, moment.uid, moment.at
    FROM (
      SELECT address, uid, at, lag(uid) OVER run AS earlier, lead(uid) OVER run AS later, lead(at) OVER run AS later_at
      FROM (
        -- A moment is an account's if no other account claimed the address then, effectively or not.
        SELECT address, at, CASE WHEN min(uid) = max(uid) AND bool_and(status = 'active') THEN min(uid) END AS uid
        FROM address_claim WHERE ${isWanted} GROUP BY address, at
      ) AS claimed
      WINDOW run AS (PARTITION BY address ORDER BY at)
    ) AS moment
    JOIN account ON account.uid = moment.uid
    WHERE moment.earlier = moment.uid AND moment.later = moment.uid AND moment.later_at < to_timestamp(${before}::float8 / 1000)
      AND (account.deleted_at IS NULL OR moment.later_at <= account.deleted_at)
  )`;

/**
 * Deletes such claims on some locked addresses, except on those of a merge that was completed by a deletion: if that
 * merge is undone, any claim since the deletion can end the time for which opt-outs of one side count for the other.
 *
 * @returns how many were deleted
 */
async function deleteClaimsBetween(tx: Queries, addresses: readonly string[], before: Time): Promise<number> {
  return tx.$executeRaw`
    DELETE FROM address_claim AS known
    USING ${claimsBetween(Prisma.sql`address = ANY (${addresses}::text[])`, before)} AS x
    WHERE known.address = x.address AND known.uid = x.uid AND known.at = x.at
      AND x.address NOT IN (
        SELECT claim.address FROM address_claim AS claim
        JOIN merge ON merge.uid = claim.uid AND merge.reason = 'deletion' AND claim.address = ANY (merge.addresses)
        WHERE claim.address = ANY (${addresses}::text[]))`;
}
