import type { AccountFacts } from '../contacts/facts';
import { accountRows } from './account-rows';
import type { Queries } from './database';

/**
 * Rewrites the rows of accounts that are locked. First all deleted ones leave their contacts (a live account never leaves
 * its own), then those that have one get it: an account made anew may take its predecessor's, while that gets another.
 */
export async function saveAccounts(
  tx: Queries,
  rows: readonly { facts: AccountFacts; contactId: string | null }[],
): Promise<void> {
  const leaving = rows
    .filter(({ facts }) => facts.deletedAt !== undefined)
    .map(({ facts }) => ({ facts, contactId: null }));
  for (const step of [leaving, rows.filter((row) => row.contactId !== null)]) {
    if (step.length === 0) continue;
    await tx.$executeRaw`
      UPDATE account AS known SET
        contact_id = x.contact_id, deleted_at = x.deleted_at, locale = x.locale, locale_at = x.locale_at,
        country = x.country, country_at = x.country_at, service = x.service, service_at = x.service_at
      FROM ${accountRows(step)}
      WHERE known.uid = x.uid`;
  }
}
