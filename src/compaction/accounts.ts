import { arrayLiteral } from '../postgres/array-literal';
import type { Queries } from '../postgres/database';
import { Prisma } from '../postgres/generated/prisma/client';
import { ACTS_THAT_FOLLOW, deleteRepeatedChoices, repeatedChoices } from './choices';
import { isBefore, isFull, type Limits, type Page, type Step, within } from './page';

/**
 * Blanks the deleted accounts of a page, and deletes their choices except refusals, which are all that a deleted
 * account contributes to a view. Compacts the choices of the other accounts. The rows stay, because a uid never returns.
 */
export const compactAccounts: Step = async (tx, page, limits) => {
  const uids = await lockAccounts(tx, page, limits);
  if (uids.length === 0) return {};
  const accounts = await tx.$executeRaw`
    UPDATE account SET created_at = NULL, locale = NULL, locale_at = NULL, country = NULL, country_at = NULL,
      service = NULL, service_at = NULL
    WHERE uid = ANY (${arrayLiteral(uids)}::text[]) AND ${isDeleted(limits)} AND ${HAS_DATA}`;
  const useless = await deleteUselessChoices(tx, uids, limits);
  const repeated = await deleteRepeatedChoices(tx, 'account', uids, limits);
  return { accounts, choices: useless + repeated, more: isFull(useless, limits) || isFull(repeated, limits) };
};

/**
 * Deletes the explanations of old merges of a page whose survivor's account is deleted: explanations contain names.
 * This includes merges that a deletion completed: their explanations show the deleted account as it was. Skips locked merges,
 * which the next run finds: the locks of their people come before those of the ledger, and are not held here.
 */
export const deleteExplanations: Step = async (tx, { after, last }, limits) => ({
  explanations: await tx.$executeRaw`
    UPDATE merge SET explanation = NULL
    WHERE id IN (
      SELECT id FROM merge
      WHERE id > ${after}::uuid AND id <= ${last}::uuid
        AND explanation IS NOT NULL AND ${isBefore('trigger_at', limits.before)}
        AND EXISTS (
          SELECT FROM account
          WHERE account.uid IN (merge.uid, CASE merge.reason WHEN 'deletion' THEN merge.claimant END)
            AND ${isDeleted(limits)})
      FOR NO KEY UPDATE SKIP LOCKED)`,
});

/** Locks the accounts of a page that have something to compact, in the same order as `lockAndLoad`. */
async function lockAccounts(tx: Queries, page: Page, limits: Limits): Promise<string[]> {
  const rows = await tx.$queryRaw<{ uid: string }[]>`
    SELECT uid FROM account
    WHERE ${within('uid', page)} AND (
      (${isDeleted(limits)} AND (${HAS_DATA} OR EXISTS (SELECT FROM ${uselessChoices(limits)} AS useless)))
      OR EXISTS (SELECT FROM ${repeatedChoices('account', Prisma.sql`account.uid`, limits)} AS repeated))
    ORDER BY uid FOR NO KEY UPDATE`;
  return rows.map(({ uid }) => uid);
}

const isDeleted = ({ before }: Limits): Prisma.Sql => isBefore('account.deleted_at', before);

const HAS_DATA = Prisma.sql`
  num_nonnulls(account.created_at, account.locale_at, account.country_at, account.service_at) > 0`;

/** A row source of the choices that were made in `account`, except refusals. */
const uselessChoices = ({ before }: Limits): Prisma.Sql => Prisma.sql`(
    SELECT ctid AS place FROM choice
    WHERE choice.origin = account.uid AND choice.origin_kind = 'account' AND choice.act NOT IN (${ACTS_THAT_FOLLOW})
      AND ${isBefore('choice.at', before)}
  )`;

/** Deletes them for those of some locked accounts that are deleted. @returns how many choices that were */
function deleteUselessChoices(tx: Queries, uids: readonly string[], limits: Limits): Promise<number> {
  return tx.$executeRaw`
    DELETE FROM choice WHERE ctid = ANY (ARRAY (
      SELECT useless.place
      FROM account, LATERAL ${uselessChoices(limits)} AS useless
      WHERE account.uid = ANY (${arrayLiteral(uids)}::text[]) AND ${isDeleted(limits)}
      LIMIT ${limits.rows}::bigint))`;
}
