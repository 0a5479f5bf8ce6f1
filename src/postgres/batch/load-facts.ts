import { type Claim, Facts } from '../../contacts/facts/facts';
import type { ConnectedComponent } from '../../contacts/identity/connected-component';
import type { Queries } from '../database';
import { loadAccounts } from '../tables/account';
import { loadAllClaims } from '../tables/address-claim';
import { loadChoices } from '../tables/choice';
import { loadAddresses } from '../tables/email-address';
import { loadUndone } from '../tables/merge';
import type { OwnershipEvents, Reach } from './find-reach';
import { findRelated } from './find-related';
import { loadPeriods } from './load-periods';

/**
 * All facts that the views of some contacts depend on. Their number depends on the contacts' own history, not on that of
 * others with whom they shared an address. Runs a fixed number of statements: call it in a snapshot if these must agree.
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

/** All facts that the views of the reached contacts depend on. */
export async function loadReachedFacts(db: Queries, reach: Reach): Promise<Facts> {
  const facts = new Facts();
  for (const address of await loadAddresses(db, reach.addresses)) facts.addAddress(address);
  for (const account of await loadAccounts(db, reach.uids)) facts.addAccount(account);
  await loadOwnership(db, reach, facts);
  await loadConsent(db, reach, facts);
  return facts;
}

/** Adds the claims from which the periods of the reached accounts follow, and undone merges. */
export async function loadOwnership(
  db: Queries,
  { isWhole, ...reach }: ConnectedComponent & Pick<Reach, 'isWhole'>,
  facts: Facts,
  events?: OwnershipEvents,
): Promise<Claim[]> {
  const claims = await (isWhole ? loadAllClaims(db, reach) : loadPeriods(db, reach, events));
  for (const claim of claims) facts.addClaim(claim);
  if (isWhole) for (const merge of await loadUndone(db, reach.uids)) facts.addUndone(merge);
  return claims;
}

/** Adds the choices at some addresses and in some accounts. */
export async function loadConsent(db: Queries, component: ConnectedComponent, facts: Facts): Promise<void> {
  for (const choice of await loadChoices(db, component)) facts.addChoice(choice);
}
