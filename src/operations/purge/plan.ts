/**
 * What can be forgotten as if it had never been known: addresses and accounts that claims connect, where all accounts are
 * deleted and nothing else was ever learned. Nobody outside of such an island has a predecessor in it, or ever will.
 */
import type { Time } from '../../contacts/facts/event';
import { type Facts, isRefusal } from '../../contacts/facts/facts';
import { connectedComponent } from '../../contacts/identity/connected-component';

export interface ForgettableComponent {
  addresses: string[];
  /** Sorted. */
  uids: string[];
}

/**
 * The islands that can be forgotten. Where the facts are not all that is known (claims lead to an address or an account
 * that is not in them), an island stays.
 *
 * @param before milliseconds since 1970: what is not older stays.
 */
export function forgettableComponents(facts: Facts, before: Time): ForgettableComponent[] {
  const merged = new Set([...facts.undone].map(({ uid }) => uid));
  // A successor inherits every "no".
  const isGone = (uid: string): boolean =>
    (facts.deletedAt(uid) ?? Number.POSITIVE_INFINITY) < before &&
    !merged.has(uid) &&
    ![...facts.choicesAt({ kind: 'account', key: uid })].some(isRefusal);
  return componentsOf(facts).filter(
    ({ addresses, uids }) => uids.every(isGone) && addresses.every((address) => isBare(facts, address, before)),
  );
}

/** Accounts with all that claims connect them to; one that never claimed anything is no island. */
function componentsOf(facts: Facts): ForgettableComponent[] {
  const seen = new Set<string>();
  return [...facts.accounts.keys()].flatMap((uid) => {
    if (seen.has(uid) || facts.claimsBy(uid).length === 0) return [];
    const { addresses, uids } = connectedComponent(facts, { addresses: [], uids: [uid] });
    for (const other of uids) seen.add(other);
    return [{ addresses, uids: uids.sort() }];
  });
}

/** Nothing is known of an address but old claims, none of which waits for a decision or was undone. */
function isBare(facts: Facts, address: string, before: Time): boolean {
  const known = facts.addresses.get(address);
  // Every event that names an address, a claim as well, says how it is typed.
  if (!known || known.typed.at >= before || Object.keys(known.profile).length > 0) return false;
  const [choice] = facts.choicesAt({ kind: 'address', key: address });
  return !choice && facts.claimsOn(address).every(({ status }) => status === 'active');
}
