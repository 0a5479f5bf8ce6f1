/**
 * Purgeable components: addresses and accounts connected by claims, about which nothing else is known, and whose
 * accounts are all deleted. No contact outside such a component has a predecessor in it, now or ever.
 */
import type { Time } from '../contacts/facts/event';
import { type Facts, followsPerson, hasProfile } from '../contacts/facts/facts';
import { type ConnectedComponent, connectedComponent } from '../contacts/identity/connected-component';

/**
 * The purgeable components, each with its uids sorted. A component stays if its facts are incomplete: claims lead to an
 * address or an account that is not among them.
 *
 * @param before milliseconds since 1970: all facts of a purgeable component are older.
 */
export function purgeableComponents(facts: Facts, before: Time): ConnectedComponent[] {
  const merged = new Set([...facts.undone].map(({ uid }) => uid));
  // Refusals follow the person: a successor would inherit those of the account.
  const isPurgeable = (uid: string): boolean =>
    (facts.deletedAt(uid) ?? Number.POSITIVE_INFINITY) < before &&
    !merged.has(uid) &&
    ![...facts.choicesAt({ kind: 'account', key: uid })].some(followsPerson);
  return componentsOf(facts).filter(
    ({ addresses, uids }) => uids.every(isPurgeable) && addresses.every((address) => isBare(facts, address, before)),
  );
}

/** The components of accounts with claims. */
function componentsOf(facts: Facts): ConnectedComponent[] {
  const seen = new Set<string>();
  return [...facts.accounts.keys()].flatMap((uid) => {
    if (seen.has(uid) || facts.claimsBy(uid).length === 0) return [];
    const { addresses, uids } = connectedComponent(facts, { addresses: [], uids: [uid] });
    for (const other of uids) seen.add(other);
    return [{ addresses, uids: uids.sort() }];
  });
}

/** Whether an address has nothing but old claims, none of them held or blocked. */
function isBare(facts: Facts, address: string, before: Time): boolean {
  const known = facts.addresses.get(address);
  // Every event that names an address, even a claim, updates the time of its spelling.
  if (!known || known.typed.at >= before || hasProfile(known)) return false;
  const [choice] = facts.choicesAt({ kind: 'address', key: address });
  return !choice && facts.claimsOn(address).every(({ status }) => status === 'active');
}
