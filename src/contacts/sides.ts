/** Both sides of a merge as they would be without it, and the contact that they are now: for the ledger and for readers. */
import type { Contact, Directory } from './directory';
import type { Claim, Facts } from './facts';
import { fold, type View } from './fold';
import type { MergePlan } from './merge';
import { addressesOwnedBy, type Person, passedSince } from './ownership';

export const SIDES = ['survivor', 'retired'] as const;
export type Side = (typeof SIDES)[number];

export interface MergeSides {
  plan: MergePlan;
  /** The contact that the survivor is part of once the batch is committed: itself, unless it was merged on. */
  root: Contact;
  /** Its account. */
  uid: string;
  survivor: View;
  retired: View;
  after: View;
}

/** @param facts all that is known of the people concerned, consent ledger included. */
export function sidesOf(plan: MergePlan, directory: Directory, facts: Facts): MergeSides {
  const survivor = directory.contacts.get(plan.survivorId) as Contact;
  const root = survivor.mergedInto ? (directory.contacts.get(survivor.mergedInto) as Contact) : survivor;
  const uid = directory.accountOf(root) ?? plan.uid;
  return { plan, root, uid, after: viewOf(root, directory, facts), ...sidesBefore(plan, uid, facts) };
}

/** What readers see of a contact. */
export const viewOf = (contact: Contact, directory: Directory, facts: Facts): View =>
  fold(facts, { uid: directory.accountOf(contact), addresses: directory.addressesOf(contact) });

/** Both sides as they would be had the claims that caused the merge, or the deletion, not come. */
function sidesBefore(plan: MergePlan, uid: string, facts: Facts): Pick<MergeSides, 'survivor' | 'retired'> {
  const { claimant, reason, addresses } = plan;
  const took = (claim: Claim): boolean =>
    claim.uid === plan.uid &&
    addresses.includes(claim.address) &&
    claim.at > passedSince(facts, claim.address, claimant, plan.uid);
  const others = facts.without(
    reach(facts, { addresses, uids: [uid] }),
    reason === 'deletion' ? { deletionOf: claimant } : { claim: took },
  );
  const account = (key: string): Person => ({ uid: key, addresses: addressesOwnedBy(others, key) });
  return {
    survivor: fold(others, account(uid)),
    retired: fold(others, claimant === null ? { uid: null, addresses } : account(claimant)),
  };
}

export interface Concerned {
  addresses: string[];
  uids: string[];
}

/** Everybody whom all claims lead to, from some addresses and accounts. */
export function reach(facts: Facts, from: Concerned): Concerned {
  const [addresses, uids] = [new Set(from.addresses), new Set<string>()];
  const follow = (uid: string): void => {
    uids.add(uid);
    for (const claim of facts.claimsBy(uid)) addresses.add(claim.address);
  };
  for (const uid of from.uids) follow(uid);
  // It grows while it is walked, until nothing new is reached.
  for (const address of addresses) for (const { uid } of facts.claimsOn(address)) if (!uids.has(uid)) follow(uid);
  return { addresses: [...addresses], uids: [...uids] };
}
