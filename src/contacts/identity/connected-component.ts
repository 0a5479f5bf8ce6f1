import type { Facts } from '../facts/facts';

/** Addresses and accounts that claims connect with each other. */
export interface ConnectedComponent {
  addresses: string[];
  uids: string[];
}

/** Follows all claims, effective or not, from some addresses and accounts until they lead to nothing new. */
export function connectedComponent(facts: Facts, from: ConnectedComponent): ConnectedComponent {
  const [addresses, uids] = [new Set(from.addresses), new Set<string>()];
  const follow = (uid: string): void => {
    uids.add(uid);
    for (const claim of facts.claimsBy(uid)) addresses.add(claim.address);
  };
  for (const uid of from.uids) follow(uid);
  // The set grows during the iteration.
  for (const address of addresses) for (const { uid } of facts.claimsOn(address)) if (!uids.has(uid)) follow(uid);
  return { addresses: [...addresses], uids: [...uids] };
}
