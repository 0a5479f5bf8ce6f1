import { Facts } from '../contacts/facts';
import { ACCOUNT_COLUMNS, type AccountRow, accountFactsOf } from './account-rows';
import { ADDRESS_COLUMNS, type AddressRow, addressFactsOf } from './address-rows';
import type { Queries } from './database';
import { findReach, type Reach } from './find-reach';
import { loadChoices } from './load-choices';
import { loadClaims } from './load-claims';
import { loadUndone } from './load-undone';

/**
 * All facts that the views of some addresses and accounts are made of: theirs, and of everybody whom the claims lead to.
 * A fixed number of statements: call it in a snapshot where they must agree with each other.
 */
export async function loadFacts(db: Queries, seeds: Reach): Promise<Facts> {
  const reach = await findReach(db, { ...seeds, tokens: [] });
  const facts = new Facts();
  const addresses = await db.$queryRaw<AddressRow[]>`
    SELECT ${ADDRESS_COLUMNS} FROM email_address WHERE address = ANY (${reach.addresses}::text[])`;
  for (const row of addresses) facts.learnAddress(addressFactsOf(row));
  const accounts = await db.$queryRaw<AccountRow[]>`
    SELECT ${ACCOUNT_COLUMNS} FROM account WHERE uid = ANY (${reach.uids}::text[])`;
  for (const row of accounts) facts.learnAccount(accountFactsOf(row));
  for (const claim of await loadClaims(db, reach)) facts.learnClaim(claim);
  for (const merge of await loadUndone(db, reach.uids)) facts.learnUndone(merge);
  for (const choice of await loadChoices(db, reach)) facts.learnChoice(choice);
  return facts;
}
