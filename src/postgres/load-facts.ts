import { Facts } from '../contacts/facts/facts';
import type { ConnectedComponent } from '../contacts/identity/connected-component';
import type { Queries } from './database';
import { findConnectedComponent } from './find-component';
import { loadAccounts } from './tables/account';
import { loadClaims } from './tables/address-claim';
import { loadChoices } from './tables/choice';
import { loadAddresses } from './tables/email-address';
import { loadUndone } from './tables/merge';

/**
 * All facts that the views of some addresses and accounts depend on: the facts of their connected component. A fixed
 * number of statements: call it in a snapshot where they must agree with each other.
 */
export async function loadFacts(db: Queries, seeds: ConnectedComponent): Promise<Facts> {
  const component = await findConnectedComponent(db, { ...seeds, tokens: [] });
  const facts = new Facts();
  for (const address of await loadAddresses(db, component.addresses)) facts.addAddress(address);
  for (const account of await loadAccounts(db, component.uids)) facts.addAccount(account);
  for (const claim of await loadClaims(db, component)) facts.addClaim(claim);
  await loadConsent(db, component, facts);
  return facts;
}

/** Adds the choices of a connected component, and the undone merges that pass opt-outs on. */
export async function loadConsent(db: Queries, component: ConnectedComponent, facts: Facts): Promise<void> {
  for (const choice of await loadChoices(db, component)) facts.addChoice(choice);
  for (const merge of await loadUndone(db, component.uids)) facts.addUndone(merge);
}
