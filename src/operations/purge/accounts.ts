import type { Time } from '../../contacts/facts/event';
import type { Transaction } from '../../postgres/database';
import { Prisma } from '../../postgres/generated/prisma/client';
import { deleteSuperseded, supersededChoices } from './choices';
import type { Page } from './pages';
import type { Purged } from './step';

/**
 * Blanks the accounts of a page that were deleted before a time, and leaves of their choices the refusals: that is all that
 * a deleted account contributes. Compacts what the others chose. The rows stay: a uid never comes back to life.
 */
export async function purgeAccounts(tx: Transaction, page: Page, before: Time): Promise<Partial<Purged>> {
  const uids = await lock(tx, page, before);
  if (uids.length === 0) return {};
  return {
    accounts: await tx.$executeRaw`
      UPDATE account SET locale = NULL, locale_at = NULL, country = NULL, country_at = NULL, service = NULL, service_at = NULL
      WHERE uid = ANY (${uids}::text[]) AND ${deleted(before)} AND ${HAS_DATA}`,
    choices:
      (await tx.$executeRaw`
        DELETE FROM choice USING account
        WHERE account.uid = ANY (${uids}::text[]) AND ${deleted(before)} AND ${uselessChoice(before)}`) +
      (await deleteSuperseded(tx, 'account', uids, before)),
  };
}

/** Locks the accounts of a page that have something to go, in the order of `lockAccounts`. */
async function lock(tx: Transaction, { after, last }: Page, before: Time): Promise<string[]> {
  const within = Prisma.sql`origin > ${after} AND origin <= ${last}`;
  const rows = await tx.$queryRaw<{ uid: string }[]>`
    SELECT uid FROM account
    WHERE uid > ${after} AND uid <= ${last} AND (
      (${deleted(before)} AND (${HAS_DATA} OR EXISTS (SELECT FROM choice WHERE ${uselessChoice(before)})))
      OR uid IN (SELECT origin FROM ${supersededChoices('account', within, before)} AS choice))
    ORDER BY uid FOR NO KEY UPDATE`;
  return rows.map(({ uid }) => uid);
}

const deleted = (before: Time): Prisma.Sql => Prisma.sql`account.deleted_at < to_timestamp(${before}::float8 / 1000)`;

const HAS_DATA = Prisma.sql`num_nonnulls(account.locale_at, account.country_at, account.service_at) > 0`;

/** Made in a deleted account, and no refusal. */
const uselessChoice = (before: Time): Prisma.Sql => Prisma.sql`
  choice.origin = account.uid AND choice.origin_kind = 'account' AND choice.act NOT IN ('unsubscribe', 'opt_out')
  AND choice.at < to_timestamp(${before}::float8 / 1000)`;
