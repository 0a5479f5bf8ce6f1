/** Both contacts of a merge as they would be without it, and the contact that they have become. */
import type { Claim, Facts } from '../facts/facts';
import { connectedComponent } from '../identity/connected-component';
import type { Contact, ContactIndex } from '../identity/contact-index';
import { addressesOwnedBy, inheritedSince, type Person } from '../identity/ownership';
import { type ContactView, contactView } from '../profile/contact-view';
import type { MergePlan } from './merge';
import type { Side } from './token-policy';

export interface BeforeAndAfter extends Record<Side | 'after', ContactView> {
  plan: MergePlan;
  /** The contact that the survivor is part of after the batch: itself, unless a later merge retired it. */
  root: Contact;
  /** The account of `root`. */
  uid: string;
}

/** @param facts all that the views of both contacts depend on, with choices */
export function beforeAndAfter(plan: MergePlan, contactIndex: ContactIndex, facts: Facts): BeforeAndAfter {
  const survivor = contactIndex.contacts.get(plan.survivorId) as Contact;
  const root = survivor.mergedInto ? (contactIndex.contacts.get(survivor.mergedInto) as Contact) : survivor;
  const uid = contactIndex.accountOf(root) ?? plan.uid;
  return { plan, root, uid, after: viewOf(root, contactIndex, facts), ...viewsBefore(plan, uid, facts) };
}

export const viewOf = (contact: Contact, contactIndex: ContactIndex, facts: Facts): ContactView =>
  contactView(facts, { uid: contactIndex.accountOf(contact), addresses: contactIndex.addressesOf(contact) });

/** Both contacts as they would be if the claims or the deletion that caused the merge had not come. */
function viewsBefore(plan: MergePlan, uid: string, facts: Facts): Record<Side, ContactView> {
  const { claimant, reason, addresses } = plan;
  const causedMerge = (claim: Claim): boolean =>
    claim.uid === plan.uid &&
    addresses.includes(claim.address) &&
    claim.at > inheritedSince(facts, claim.address, claimant, plan.uid);
  const others = facts.without(
    connectedComponent(facts, { addresses, uids: [uid] }),
    reason === 'deletion' ? { deletionOf: claimant } : { claim: causedMerge },
  );
  const account = (key: string): Person => ({ uid: key, addresses: addressesOwnedBy(others, key) });
  return {
    survivor: contactView(others, account(uid)),
    retired: contactView(others, claimant === null ? { uid: null, addresses } : account(claimant)),
  };
}
