import { Facts } from '../contacts/facts/facts';
import type { ConnectedComponent } from '../contacts/identity/connected-component';
import type { Queries } from './database';
import { lookUnderLocks } from './find-component';
import { findRelated, loadPeriods } from './find-related';
import { loadClaims } from './load-claims';
import { loadAccounts } from './tables/account';
import { loadChoices } from './tables/choice';
import { loadAddresses } from './tables/email-address';
import { loadUndone } from './tables/merge';

/**
 * All facts that the views of some contacts depend on. How many depends on their own history, not on that of others with
 * whom they shared an address. A fixed number of statements: call it in a snapshot where they must agree with each other.
 *
 * @param members addresses and accounts of the contacts
 */
export async function loadFacts(db: Queries, members: ConnectedComponent): Promise<Facts> {
  const related = await findRelated(db, members);
  const facts = new Facts();
  for (const address of await loadAddresses(db, related.addresses)) facts.addAddress(address);
  const claims = await loadPeriods(db, related);
  // The deletion of an account ends its claims, and so the periods next to those of the related accounts.
  const uids = [...new Set([...related.uids, ...claims.map(({ uid }) => uid)])];
  for (const account of await loadAccounts(db, uids)) facts.addAccount(account);
  for (const claim of claims) facts.addClaim(claim);
  for (const merge of await loadUndone(db, related.uids)) facts.addUndone(merge);
  await loadConsent(db, related, facts);
  return facts;
}

/** All facts of the addresses and accounts that claims connect to these, in which other contacts' views may also differ. */
export async function loadComponentFacts(tx: Queries, seeds: ConnectedComponent): Promise<Facts> {
  const { component } = await lookUnderLocks(tx, seeds);
  const facts = new Facts();
  for (const address of await loadAddresses(tx, component.addresses)) facts.addAddress(address);
  for (const account of await loadAccounts(tx, component.uids)) facts.addAccount(account);
  for (const claim of await loadClaims(tx, component)) facts.addClaim(claim);
  for (const merge of await loadUndone(tx, component.uids)) facts.addUndone(merge);
  await loadConsent(tx, component, facts);
  return facts;
}

/** Adds the choices at some addresses and in some accounts. */
export async function loadConsent(db: Queries, component: ConnectedComponent, facts: Facts): Promise<void> {
  for (const choice of await loadChoices(db, component)) facts.addChoice(choice);
}
