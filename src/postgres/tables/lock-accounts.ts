import type { AccountFacts } from '../../contacts/facts/facts';
import { arrayLiteral } from '../array-literal';
import type { Queries } from '../database';
import { StaleReadError } from '../find-component';
import { ACCOUNT_COLUMNS, type AccountRow, accountFactsOf, accountRows } from './account-rows';

/** What is stored of an account. */
export interface LockedAccount {
  facts: AccountFacts;
  contactId: string | null;
}

/** The same for accounts as `lockAddresses` for addresses, and always after it: one order for everybody. */
export async function lockAccounts(
  tx: Queries,
  incoming: readonly { facts: AccountFacts; contactId: string }[],
  others: readonly string[],
): Promise<{ rows: LockedAccount[]; fresh: Set<string> }> {
  const wanted = [...new Set([...incoming.map(({ facts }) => facts.uid), ...others])];
  if (wanted.length === 0) return { rows: [], fresh: new Set() };
  const locked = await tx.$queryRaw<AccountRow[]>`
    SELECT ${ACCOUNT_COLUMNS} FROM account WHERE uid = ANY (${arrayLiteral(wanted)}::text[])
    ORDER BY uid FOR NO KEY UPDATE`;
  const rows = locked.map((row) => ({ facts: accountFactsOf(row), contactId: row.contact_id }));
  const known = new Set(locked.map(({ uid }) => uid));
  const missing = incoming.filter(({ facts }) => !known.has(facts.uid));
  if (missing.length === 0) return { rows, fresh: new Set() };
  const inserted = await tx.$executeRaw`
    INSERT INTO account (uid, contact_id, deleted_at, locale, locale_at, country, country_at, service, service_at)
    SELECT uid, contact_id, deleted_at, locale, locale_at, country, country_at, service, service_at
    FROM ${accountRows(missing)}
    ORDER BY uid COLLATE "C"
    ON CONFLICT (uid) DO NOTHING`;
  if (inserted < missing.length) throw new StaleReadError();
  return { rows: [...rows, ...missing], fresh: new Set(missing.map(({ facts }) => facts.uid)) };
}
