import type { AccountFacts } from '../contacts/facts';
import { ACCOUNT_COLUMNS, type AccountRow, accountRows } from './account-rows';
import type { Queries } from './database';

/** The same for accounts as `lockAddresses` for addresses, and always after it: one order for everybody. */
export async function lockAccounts(
  tx: Queries,
  news: readonly { facts: AccountFacts; contactId: string }[],
  others: readonly string[],
): Promise<{ rows: AccountRow[]; fresh: Set<string> }> {
  const inserted =
    news.length === 0
      ? []
      : await tx.$queryRaw<AccountRow[]>`
          INSERT INTO account (uid, contact_id, deleted_at, locale, locale_at, country, country_at, service, service_at)
          SELECT uid, contact_id, deleted_at, locale, locale_at, country, country_at, service, service_at
          FROM ${accountRows(news)}
          ORDER BY uid COLLATE "C"
          ON CONFLICT (uid) DO NOTHING
          RETURNING ${ACCOUNT_COLUMNS}`;
  const fresh = new Set(inserted.map((row) => row.uid));
  const known = [...new Set([...news.map(({ facts }) => facts.uid), ...others])].filter((uid) => !fresh.has(uid));
  const locked =
    known.length === 0
      ? []
      : await tx.$queryRaw<AccountRow[]>`
          SELECT ${ACCOUNT_COLUMNS} FROM account WHERE uid = ANY (${known}::text[])
          ORDER BY uid FOR NO KEY UPDATE`;
  return { rows: [...inserted, ...locked], fresh };
}
