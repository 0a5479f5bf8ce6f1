import type { Time } from '../../contacts/facts/event';
import { Facts } from '../../contacts/facts/facts';
import type { Queries, Transaction } from '../../postgres/database';
import { findConnectedComponent } from '../../postgres/find-component';
import { loadChoices } from '../../postgres/tables/load-choices';
import { loadClaims } from '../../postgres/tables/load-claims';
import { lockAccounts } from '../../postgres/tables/lock-accounts';
import { lockAddresses } from '../../postgres/tables/lock-addresses';
import { loadUndone } from '../../postgres/tables/merge';
import type { Page } from './pages';
import { forgettableComponents } from './plan';
import type { Purged } from './step';

/**
 * Forgets addresses of which nothing is known but the claims of accounts deleted before a time: the islands whose first
 * account is in the page. They are locked like any batch locks what it touches, and judged under the locks: whatever comes
 * in the meantime waits, or is seen.
 */
export async function purgeForgettable(tx: Transaction, page: Page, before: Time): Promise<Partial<Purged>> {
  const candidates = await findCandidates(tx, page, before);
  if (candidates.length === 0) return {};
  const reach = await findConnectedComponent(tx, { addresses: [], uids: candidates, tokens: [] });
  const addresses = await lockAddresses(tx, [], reach.addresses);
  const accounts = await lockAccounts(tx, [], reach.uids);
  const facts = new Facts();
  for (const row of addresses.rows) facts.addAddress(row.facts);
  for (const row of accounts.rows) facts.addAccount(row.facts);
  for (const claim of await loadClaims(tx, reach)) facts.addClaim(claim);
  for (const choice of await loadChoices(tx, reach)) facts.addChoice(choice);
  for (const merge of await loadUndone(tx, reach.uids)) facts.addUndone(merge);

  const islands = forgettableComponents(facts, before).filter(({ uids: [first = ''] }) => candidates.includes(first));
  const dropped = new Set(islands.flatMap((island) => island.addresses));
  const uids = islands.flatMap((island) => island.uids);
  const contacts = addresses.rows.flatMap((row) => (dropped.has(row.facts.address) ? row.contactId : []));
  return forget(tx, { addresses: [...dropped], uids, contacts: [...new Set(contacts)] });
}

/**
 * Accounts of a page deleted before a time, that claimed something, and only addresses of which no sign-up told anything
 * and that no account claimed which lives: a first sieve, so that hardly anybody else is locked.
 */
async function findCandidates(db: Queries, { after, last }: Page, before: Time): Promise<string[]> {
  const rows = await db.$queryRaw<{ uid: string }[]>`
    SELECT uid FROM account
    WHERE uid > ${after} AND uid <= ${last} AND deleted_at < to_timestamp(${before}::float8 / 1000)
      AND EXISTS (SELECT FROM address_claim AS claim WHERE claim.uid = account.uid)
      AND NOT EXISTS (
        SELECT FROM address_claim AS claim JOIN email_address AS known USING (address)
        WHERE claim.uid = account.uid AND (
          num_nonnulls(first_name_at, last_name_at, country_at, lang_at, format_at) > 0
          OR EXISTS (SELECT FROM choice WHERE origin = known.address AND origin_kind = 'address')
          OR EXISTS (
            SELECT FROM address_claim AS other JOIN account AS claimant ON claimant.uid = other.uid
            WHERE other.address = known.address
              AND (claimant.deleted_at IS NULL OR claimant.deleted_at >= to_timestamp(${before}::float8 / 1000)))))`;
  return rows.map(({ uid }) => uid);
}

/**
 * Deletes addresses with their claims, and closes the contacts that are left with nothing: their ids and tokens answer like
 * unknown ones. The merges among them stay in the ledger, without the addresses.
 */
async function forget(
  tx: Queries,
  { addresses, uids, contacts }: { addresses: string[]; uids: string[]; contacts: string[] },
): Promise<Partial<Purged>> {
  if (addresses.length === 0) return {};
  await tx.$executeRaw`DELETE FROM address_claim WHERE address = ANY (${addresses}::text[])`;
  await tx.$executeRaw`DELETE FROM email_address WHERE address = ANY (${addresses}::text[])`;
  await tx.$executeRaw`UPDATE account SET contact_id = NULL WHERE uid = ANY (${uids}::text[]) AND contact_id IS NOT NULL`;
  await tx.$executeRaw`
    UPDATE basket_token SET state = 'retired' WHERE contact_id = ANY (${contacts}::uuid[]) AND state = 'live'`;
  await tx.$executeRaw`UPDATE contact SET state = 'closed', version = version + 1 WHERE id = ANY (${contacts}::uuid[])`;
  await tx.$executeRaw`
    UPDATE merge SET addresses = '{}' WHERE uid = ANY (${uids}::text[]) AND addresses && ${addresses}::text[]`;
  return { addresses: addresses.length, contacts: contacts.length };
}
