/** Both sides of a merge as they would be without it, and the contact that they are now: for the ledger and for readers. */

import type { Claim, Facts } from '../facts/facts';
import { connectedComponent } from '../identity/connected-component';
import type { Contact, ContactIndex } from '../identity/contact-index';
import { addressesOwnedBy, inheritedSince, type Person } from '../identity/ownership';
import { type ContactView, contactView } from '../profile/contact-view';
import type { MergePlan } from './merge';

export const SIDES = ['survivor', 'retired'] as const;
export type Side = (typeof SIDES)[number];

export interface BeforeAndAfter {
  plan: MergePlan;
  /** The contact that the survivor is part of once the batch is committed: itself, unless it was merged on. */
  root: Contact;
  /** Its account. */
  uid: string;
  survivor: ContactView;
  retired: ContactView;
  after: ContactView;
}

/** @param facts all that is known of the people concerned, consent ledger included. */
export function beforeAndAfter(plan: MergePlan, contactIndex: ContactIndex, facts: Facts): BeforeAndAfter {
  const survivor = contactIndex.contacts.get(plan.survivorId) as Contact;
  const root = survivor.mergedInto ? (contactIndex.contacts.get(survivor.mergedInto) as Contact) : survivor;
  const uid = contactIndex.accountOf(root) ?? plan.uid;
  return { plan, root, uid, after: viewOf(root, contactIndex, facts), ...sidesBefore(plan, uid, facts) };
}

/** What readers see of a contact. */
export const viewOf = (contact: Contact, contactIndex: ContactIndex, facts: Facts): ContactView =>
  contactView(facts, { uid: contactIndex.accountOf(contact), addresses: contactIndex.addressesOf(contact) });

/** Both sides as they would be had the claims that caused the merge, or the deletion, not come. */
function sidesBefore(plan: MergePlan, uid: string, facts: Facts): Pick<BeforeAndAfter, 'survivor' | 'retired'> {
  const { claimant, reason, addresses } = plan;
  const took = (claim: Claim): boolean =>
    claim.uid === plan.uid &&
    addresses.includes(claim.address) &&
    claim.at > inheritedSince(facts, claim.address, claimant, plan.uid);
  const others = facts.without(
    connectedComponent(facts, { addresses, uids: [uid] }),
    reason === 'deletion' ? { deletionOf: claimant } : { claim: took },
  );
  const account = (key: string): Person => ({ uid: key, addresses: addressesOwnedBy(others, key) });
  return {
    survivor: contactView(others, account(uid)),
    retired: contactView(others, claimant === null ? { uid: null, addresses } : account(claimant)),
  };
}
