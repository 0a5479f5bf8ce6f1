/**
 * Brings stored contacts in line after each change of ownership: addresses move to their owner's contact, and a
 * contact that is left with nothing is merged or closed. The result must match `peopleOf` (ownership.ts);
 * the rules here decide which ids and tokens live on.
 */
import type { DeletionEvent, Time, Trigger } from '../facts/event';
import type { Claim, Facts } from '../facts/facts';
import type { Contact, ContactIndex } from '../identity/contact-index';
import {
  addressesOwnedBy,
  isEffective,
  isInheritedBy,
  lastClaimed,
  ownerOf,
  periodsClaimedBy,
  primaryOf,
} from '../identity/ownership';
import { executeMerge, type MergeCause, type MergePlan, planMerge } from './merge';
import type { TokenPolicy } from './token-policy';

export interface ReconcileContext {
  facts: Facts;
  contactIndex: ContactIndex;
  /** Collects the merges for the ledger. */
  merges: MergePlan[];
  /** Collects the stored contacts that were closed. */
  closings: Closing[];
  tokenPolicy: TokenPolicy;
  mergeId(): string;
  /** The contact id that the row of a new address or account was inserted with. */
  candidate(kind: 'address' | 'account', key: string): string | undefined;
}

/** A stored contact that ended without a survivor. */
export interface Closing {
  contactId: string;
  /** The version that saving the batch gives it. */
  version: number;
  /** The token that stopped working; null if no client can have seen one. */
  token: string | null;
  /** The deleted account that the contact had. */
  uid: string | null;
  /** Null for compaction. */
  cause: { trigger: Trigger; at: Time } | null;
}

const closingOf = (
  { id, version, token }: Contact,
  uid: string | null,
  { trigger, at }: NonNullable<Closing['cause']>,
): Closing => ({
  contactId: id,
  version: version + 1,
  token: token?.storedWith ? token.id : null,
  uid,
  cause: { trigger, at },
});

/** Gives an address without a contact one of its own. */
export function reconcileNewAddress({ contactIndex, candidate }: ReconcileContext, address: string): void {
  if (!contactIndex.ofAddress(address)) contactIndex.place(address, contactIndex.open(candidate('address', address)));
}

/** A claim with the event that carried it. */
export type ReconciledClaim = Pick<Claim, 'uid' | 'address' | 'at'> & { trigger: Trigger };

/** Call it after the claim was added to the facts. */
export function reconcileClaim(context: ReconcileContext, { uid, address, trigger, at }: ReconciledClaim): void {
  const { facts, contactIndex, candidate } = context;
  if (ownerOf(facts, address) === uid) {
    const move = moveAddress(context, address, uid);
    if (move && hasNothingLeft(context, move.from)) {
      const reason = contactIndex.accountOf(move.from) === null ? 'claim' : 'recreated';
      mergeOrClose(context, move, { trigger, at, reason, uid, addresses: [address], moved: [address] });
    }
  } else {
    reconcileNewAddress(context, address);
  }
  if (facts.deletedAt(uid) === undefined && !contactIndex.ofAccount(uid)) {
    contactIndex.attach(uid, contactIndex.open(candidate('account', uid)));
  }
}

/** Call it after the deletion was added to the facts. */
export function reconcileDeletion(context: ReconcileContext, { uid, trigger, at }: DeletionEvent): void {
  const { facts, contactIndex } = context;
  const own = contactIndex.ofAccount(uid);
  if (!own) return;
  own.changed = true;
  // Claims made after the deletion are not effective any more.
  const lost = contactIndex.addressesOf(own).filter((address) => ownerOf(facts, address) !== uid);
  // Addresses with an owner move first, so that the contact keeps an address without an owner rather than nothing.
  for (const address of lost) {
    const owner = ownerOf(facts, address);
    if (owner !== null) moveAddress(context, address, owner);
  }
  for (const address of lost) {
    if (ownerOf(facts, address) !== null) continue;
    if (contactIndex.addressesOf(own).length > 1) contactIndex.place(address, contactIndex.open());
  }
  if (contactIndex.ofAccount(uid) !== own || addressesOwnedBy(facts, uid).length > 0) return;
  if (contactIndex.addressesOf(own).length > 0) {
    contactIndex.detach(uid);
    return;
  }
  // Held and blocked claims may be another person's, so they prove nothing.
  const claims = facts.claimsBy(uid).filter(({ status }) => status === 'active');
  const moved = claims.filter((claim) => lost.includes(claim.address) && ownerOf(facts, claim.address) !== null);
  const address =
    lastClaimed(claims.filter((claim) => isEffective(facts, claim))) ?? lastClaimed(moved) ?? lastClaimed(claims);
  const successor = address === null ? null : inheritorOf(facts, address, uid);
  const into = successor === null ? null : contactIndex.ofAccount(successor);
  // Not the pseudonyms of erased addresses, and not the addresses that the account claimed but never had.
  const had = (other: string): boolean =>
    facts.addresses.has(other) &&
    (other === address || lost.includes(other) || periodsClaimedBy(facts, other, uid).length > 0);
  const addresses = [...new Set(claims.map((claim) => claim.address))]
    .filter((other) => successor !== null && inheritorOf(facts, other, uid) === successor && had(other))
    .sort();
  const cause = { trigger, at, reason: 'deletion' as const, uid: successor ?? uid, addresses, moved: lost };
  mergeOrClose(context, { from: own, into }, cause);
}

/** Whether an active claim takes an address from a contact. Joining a contact takes nothing. */
export function takesAddress(
  context: Pick<ReconcileContext, 'facts' | 'contactIndex'>,
  { uid, address }: Pick<Claim, 'uid' | 'address'>,
): boolean {
  const { facts, contactIndex } = context;
  const from = contactIndex.ofAddress(address);
  if (from === null || ownerOf(facts, address) !== uid || from === contactIndex.ofAccount(uid)) return false;
  return !joins(context, from, address, uid);
}

/** Whether an account without a contact joins the contact of an address, which has no other address. */
function joins(
  { facts, contactIndex }: Pick<ReconcileContext, 'facts' | 'contactIndex'>,
  from: Contact,
  address: string,
  uid: string,
): boolean {
  const inherited = isInheritedBy(facts, address, contactIndex.accountOf(from), uid);
  return inherited && !contactIndex.ofAccount(uid) && contactIndex.addressesOf(from).length === 1;
}

/** The account that owns an address now and inherited it from the claimant; null when there is none. */
function inheritorOf(facts: Facts, address: string, claimant: string): string | null {
  const owner = ownerOf(facts, address);
  return owner !== null && isInheritedBy(facts, address, claimant, owner) ? owner : null;
}

interface Move {
  from: Contact;
  /** The contact of the same person, to merge into; null where a different person had `from`. */
  into: Contact | null;
}

/** Moves an address to the contact of its new owner. Null when it leaves no contact. */
function moveAddress(context: ReconcileContext, address: string, uid: string): Move | null {
  const { facts, contactIndex, candidate } = context;
  const from = contactIndex.ofAddress(address);
  const own = contactIndex.ofAccount(uid);
  if (from !== null && from === own) return null;
  if (from !== null && joins(context, from, address, uid)) {
    contactIndex.attach(uid, from);
    return null;
  }
  const inherited = from !== null && isInheritedBy(facts, address, contactIndex.accountOf(from), uid);
  const to = own ?? contactIndex.open(from === null ? candidate('address', address) : candidate('account', uid));
  if (!own) contactIndex.attach(uid, to);
  contactIndex.place(address, to);
  return from && { from, into: inherited ? to : null };
}

/** Whether a contact has neither an address nor a live account. */
function hasNothingLeft({ facts, contactIndex }: ReconcileContext, contact: Contact): boolean {
  const account = contactIndex.accountOf(contact);
  return contactIndex.addressesOf(contact).length === 0 && (account === null || facts.deletedAt(account) !== undefined);
}

interface Cause extends Omit<MergeCause, 'claimant'> {
  /** The addresses that left the contact in this event. */
  moved: string[];
}

/** Merges the contact if both are the same person; otherwise closes it for good. */
function mergeOrClose(context: ReconcileContext, { from, into }: Move, { moved, ...cause }: Cause): void {
  const { facts, contactIndex, merges, closings, tokenPolicy, mergeId } = context;
  const claimant = contactIndex.accountOf(from);
  if (claimant !== null) contactIndex.detach(claimant);
  if (!into) {
    if (from.known) closings.push(closingOf(from, claimant, cause));
    contactIndex.retireToken(from, null);
    contactIndex.retire(from, null);
    return;
  }
  const primary = primaryOf(facts, cause.uid);
  const primaryHeldBy = primary === null ? 'neither' : moved.includes(primary) ? 'retired' : 'survivor';
  const plan = planMerge(mergeId(), into, from, { ...cause, claimant }, tokenPolicy, primaryHeldBy);
  executeMerge(contactIndex, plan);
  // A contact made in this batch leaves no trace, unless the ledger says that a known contact was merged into it.
  if (plan.announced || merges.some((merge) => merge.survivorId === from.id)) merges.push(plan);
}
