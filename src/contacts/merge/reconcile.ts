/**
 * Stored contacts follow the claims: after each account event, the addresses whose owner changed move, contacts that
 * are left with nothing are merged or closed. `peopleOf` (ownership.ts) says what must come out; the rules here decide
 * which ids and tokens live on, and who is told.
 */

import type { DeletionEvent, Trigger } from '../facts/event';
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
  /** Those that the ledger gets. */
  merges: MergePlan[];
  tokenPolicy: TokenPolicy;
  mergeId(): string;
  /** The contact id that the row of a new address or account was inserted with. */
  candidate(kind: 'address' | 'account', key: string): string | undefined;
}

/** An address that nobody heard of before stands alone, in a contact of its own. */
export function reconcileNewAddress({ contactIndex, candidate }: ReconcileContext, address: string): void {
  if (!contactIndex.ofAddress(address)) contactIndex.place(address, contactIndex.open(candidate('address', address)));
}

/** A claim with the event that carried it. */
export type ReconciledClaim = Pick<Claim, 'uid' | 'address' | 'at'> & { trigger: Trigger };

/** After the claim was learned. */
export function reconcileClaim(world: ReconcileContext, { uid, address, trigger, at }: ReconciledClaim): void {
  const { facts, contactIndex, candidate } = world;
  if (ownerOf(facts, address) === uid) {
    const move = moveAddress(world, address, uid);
    if (move && isLeft(world, move.from)) {
      const reason = move.claimant === null ? 'claim' : 'recreated';
      mergeOrClose(world, move, { trigger, at, reason, uid, addresses: [address], moved: [address] });
    }
  } else {
    reconcileNewAddress(world, address); // the claim does not count
  }
  if (facts.deletedAt(uid) === undefined && !contactIndex.ofAccount(uid)) {
    contactIndex.attach(uid, contactIndex.open(candidate('account', uid)));
  }
}

/** After the deletion was learned. */
export function reconcileDeletion(world: ReconcileContext, { uid, trigger, at }: DeletionEvent): void {
  const { facts, contactIndex } = world;
  const own = contactIndex.ofAccount(uid);
  if (!own) return;
  own.changed = true;
  const lost = contactIndex.addressesOf(own).filter((address) => ownerOf(facts, address) !== uid);
  // Claims made after the deletion do not count. Addresses that fall to another account go first: the contact rather
  // stays with one that falls to nobody than be left with nothing.
  for (const address of lost) {
    const owner = ownerOf(facts, address);
    if (owner !== null) moveAddress(world, address, owner);
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
  // Of claims that wait, or were taken back with a merge, nothing follows: they may be another person's.
  const claims = facts.claimsBy(uid).filter(({ status }) => status === 'active');
  const fell = claims.filter((claim) => lost.includes(claim.address) && ownerOf(facts, claim.address) !== null);
  const address =
    lastClaimed(claims.filter((claim) => isEffective(facts, claim))) ?? lastClaimed(fell) ?? lastClaimed(claims);
  const heir = address === null ? null : ownerOf(facts, address);
  const passed = address !== null && heir !== null && isInheritedBy(facts, address, uid, heir);
  const into = passed ? contactIndex.ofAccount(heir) : null;
  // Those whose period passed, and those that went over just now; not what it claimed and never had.
  const had = (other: string): boolean =>
    other === address || lost.includes(other) || periodsClaimedBy(facts, other, uid).length > 0;
  const addresses = [...new Set(claims.map((claim) => claim.address))]
    .filter(
      (other) =>
        heir !== null && ownerOf(facts, other) === heir && isInheritedBy(facts, other, uid, heir) && had(other),
    )
    .sort();
  const cause = { trigger, at, reason: 'deletion' as const, uid: heir ?? uid, addresses, moved: lost };
  mergeOrClose(world, { from: own, to: into, passed }, cause);
}

/** Whether a claim that was learned takes an address from a contact. Joining a contact takes nothing. */
export function takesAddress(
  { facts, contactIndex }: ReconcileContext,
  { uid, address }: Pick<Claim, 'uid' | 'address'>,
): boolean {
  const from = contactIndex.ofAddress(address);
  if (from === null || ownerOf(facts, address) !== uid || from === contactIndex.ofAccount(uid)) return false;
  return !joins({ facts, contactIndex }, from, address, uid);
}

/** One person, one address: the account has no contact yet, and the address's has no other address. */
function joins(
  { facts, contactIndex }: Pick<ReconcileContext, 'facts' | 'contactIndex'>,
  from: Contact,
  address: string,
  uid: string,
) {
  const passed = isInheritedBy(facts, address, contactIndex.accountOf(from), uid);
  return passed && !contactIndex.ofAccount(uid) && contactIndex.addressesOf(from).length === 1;
}

interface Cause extends Omit<MergeCause, 'primaryHeldBy' | 'claimant'> {
  /** The addresses that left the contact in this event. */
  moved: string[];
}

interface Move {
  from: Contact;
  /** Where the address went. */
  to: Contact | null;
  /** By event times it is one person's: it stood alone, or a deleted account passed it on. */
  passed: boolean;
}

/** Address X becomes account u's. Null when nothing left a contact. */
function moveAddress(
  world: ReconcileContext,
  address: string,
  uid: string,
): (Move & { claimant: string | null }) | null {
  const { facts, contactIndex, candidate } = world;
  const from = contactIndex.ofAddress(address);
  const own = contactIndex.ofAccount(uid);
  if (from !== null && from === own) return null;
  if (from === null) {
    const to = own ?? contactIndex.open(candidate('address', address));
    if (!own) contactIndex.attach(uid, to);
    contactIndex.place(address, to);
    return null;
  }
  if (joins(world, from, address, uid)) {
    contactIndex.attach(uid, from); // nothing is retired, nobody's token changes
    return null;
  }
  const claimant = contactIndex.accountOf(from);
  const passed = isInheritedBy(facts, address, claimant, uid);
  const to = own ?? contactIndex.open(candidate('account', uid));
  if (!own) contactIndex.attach(uid, to);
  contactIndex.place(address, to);
  return { from, to, claimant, passed };
}

/** Left with neither an address nor a live account. */
function isLeft({ facts, contactIndex }: ReconcileContext, contact: Contact): boolean {
  const account = contactIndex.accountOf(contact);
  return contactIndex.addressesOf(contact).length === 0 && (account === null || facts.deletedAt(account) !== undefined);
}

/** One person: merged, and announced. Two different people, one after the other: closed, for good. */
function mergeOrClose(world: ReconcileContext, { from, to, passed }: Move, { moved, ...cause }: Cause): void {
  const { facts, contactIndex, merges, tokenPolicy, mergeId } = world;
  const claimant = contactIndex.accountOf(from);
  if (claimant !== null) contactIndex.detach(claimant);
  if (!passed || !to) {
    contactIndex.retireToken(from, null);
    contactIndex.retire(from, null);
    return;
  }
  const primary = primaryOf(facts, cause.uid);
  const primaryHeldBy = primary === null ? 'neither' : moved.includes(primary) ? 'retired' : 'survivor';
  const plan = planMerge(mergeId(), to, from, { ...cause, claimant, primaryHeldBy }, tokenPolicy);
  executeMerge(contactIndex, plan);
  // One that was made in this batch was never seen, and leaves no trace; but for the ledger's sake where one that was
  // seen went into it.
  if (plan.announced || merges.some((merge) => merge.survivorId === from.id)) merges.push(plan);
}
