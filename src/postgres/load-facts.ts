import { Facts } from '../contacts/facts/facts';
import type { ConnectedComponent } from '../contacts/identity/connected-component';
import type { Queries } from './database';
import { findConnectedComponent } from './find-component';
import { ACCOUNT_COLUMNS, type AccountRow, accountFactsOf } from './tables/account-rows';
import { ADDRESS_COLUMNS, type AddressRow, addressFactsOf } from './tables/address-rows';
import { loadChoices } from './tables/load-choices';
import { loadClaims } from './tables/load-claims';
import { loadUndone } from './tables/merge';

/**
 * All facts that the views of some addresses and accounts are made of: theirs, and of everybody whom the claims lead to.
 * A fixed number of statements: call it in a snapshot where they must agree with each other.
 */
export async function loadFacts(db: Queries, seeds: ConnectedComponent): Promise<Facts> {
  const reach = await findConnectedComponent(db, { ...seeds, tokens: [] });
  const facts = new Facts();
  const addresses = await db.$queryRaw<AddressRow[]>`
    SELECT ${ADDRESS_COLUMNS} FROM email_address WHERE address = ANY (${reach.addresses}::text[])`;
  for (const row of addresses) facts.addAddress(addressFactsOf(row));
  const accounts = await db.$queryRaw<AccountRow[]>`
    SELECT ${ACCOUNT_COLUMNS} FROM account WHERE uid = ANY (${reach.uids}::text[])`;
  for (const row of accounts) facts.addAccount(accountFactsOf(row));
  for (const claim of await loadClaims(db, reach)) facts.addClaim(claim);
  for (const merge of await loadUndone(db, reach.uids)) facts.addUndone(merge);
  for (const choice of await loadChoices(db, reach)) facts.addChoice(choice);
  return facts;
}
