import type { Time } from '../../contacts/facts/event';
import type { Transaction } from '../../postgres/database';
import type { Page } from './pages';
import type { Purged } from './step';

/**
 * Takes the explanations out of old merges of a page whose survivor's account was deleted before a time: they hold names.
 * So do those of a merge that a deletion completed: they show the deleted account as it was. A merge that somebody works on
 * is left for the next run: its people's locks, which come before the ledger's, are not held here.
 */
export async function purgeMerges(tx: Transaction, { after, last }: Page, before: Time): Promise<Partial<Purged>> {
  return {
    explanations: await tx.$executeRaw`
      UPDATE merge SET explanation = NULL
      WHERE id IN (
        SELECT id FROM merge
        WHERE id > ${after}::uuid AND id <= ${last}::uuid
          AND explanation IS NOT NULL AND trigger_at < to_timestamp(${before}::float8 / 1000)
          AND EXISTS (
            SELECT FROM account
            WHERE account.uid IN (merge.uid, CASE merge.reason WHEN 'deletion' THEN merge.claimant END)
              AND account.deleted_at < to_timestamp(${before}::float8 / 1000))
        FOR NO KEY UPDATE SKIP LOCKED)`,
  };
}
