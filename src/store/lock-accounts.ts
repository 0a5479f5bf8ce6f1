import type { AccountFacts } from '../contacts/facts';
import { ACCOUNT_COLUMNS, type AccountRow, accountFactsOf, accountRows } from './account-rows';
import { arrayLiteral } from './array-literal';
import type { Queries } from './database';

/** What is stored of an account. */
export interface LockedAccount {
  facts: AccountFacts;
  contactId: string | null;
}

/** The same for accounts as `lockAddresses` for addresses, and always after it: one order for everybody. */
export async function lockAccounts(
  tx: Queries,
  news: readonly { facts: AccountFacts; contactId: string }[],
  others: readonly string[],
): Promise<{ rows: LockedAccount[]; fresh: Set<string> }> {
  const inserted =
    news.length === 0
      ? []
      : await tx.$queryRaw<{ uid: string }[]>`
          INSERT INTO account (uid, contact_id, deleted_at, locale, locale_at, country, country_at, service, service_at)
          SELECT uid, contact_id, deleted_at, locale, locale_at, country, country_at, service, service_at
          FROM ${accountRows(news)}
          ORDER BY uid COLLATE "C"
          ON CONFLICT (uid) DO NOTHING
          RETURNING uid`;
  const fresh = new Set(inserted.map(({ uid }) => uid));
  const known = [...new Set([...news.map(({ facts }) => facts.uid), ...others])].filter((uid) => !fresh.has(uid));
  const locked =
    known.length === 0
      ? []
      : await tx.$queryRaw<AccountRow[]>`
          SELECT ${ACCOUNT_COLUMNS} FROM account WHERE uid = ANY (${arrayLiteral(known)}::text[])
          ORDER BY uid FOR NO KEY UPDATE`;
  return {
    rows: [
      ...news.filter(({ facts }) => fresh.has(facts.uid)),
      ...locked.map((row) => ({ facts: accountFactsOf(row), contactId: row.contact_id })),
    ],
    fresh,
  };
}
