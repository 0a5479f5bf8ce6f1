/**
 * Stored contacts follow the claims: after each account event, the addresses whose owner changed move, contacts that
 * are left with nothing are merged or closed. `peopleOf` (ownership.ts) says what must come out; the rules here decide
 * which ids and tokens live on, and who is told.
 */
import type { Contact, Directory } from './directory';
import type { DeletionEvent, Trigger } from './event';
import type { Claim, Facts } from './facts';
import { executeMerge, type MergeCause, type MergePlan, planMerge } from './merge';
import { addressesOwnedBy, counts, erasClaimedBy, lastClaimed, ownerOf, passedTo, primaryOf } from './ownership';
import type { TokenPolicy } from './tokens';

export interface World {
  facts: Facts;
  directory: Directory;
  /** Those that the ledger gets. */
  merges: MergePlan[];
  tokenPolicy: TokenPolicy;
  mergeId(): string;
  /** The contact id that the row of a new address or account was inserted with. */
  candidate(kind: 'address' | 'account', key: string): string | undefined;
}

/** An address that nobody heard of before stands alone, in a contact of its own. */
export function followNewAddress({ directory, candidate }: World, address: string): void {
  if (!directory.ofAddress(address)) directory.place(address, directory.open(candidate('address', address)));
}

/** A claim with the event that carried it. */
export type FollowedClaim = Pick<Claim, 'uid' | 'address' | 'at'> & { trigger: Trigger };

/** After the claim was learned. */
export function followClaim(world: World, { uid, address, trigger, at }: FollowedClaim): void {
  const { facts, directory, candidate } = world;
  if (ownerOf(facts, address) === uid) {
    const move = take(world, address, uid);
    if (move && isLeft(world, move.from)) {
      const reason = move.claimant === null ? 'claim' : 'recreated';
      settle(world, move, { trigger, at, reason, uid, addresses: [address], moved: [address] });
    }
  } else {
    followNewAddress(world, address); // the claim does not count
  }
  if (facts.deletedAt(uid) === undefined && !directory.ofAccount(uid)) {
    directory.attach(uid, directory.open(candidate('account', uid)));
  }
}

/** After the deletion was learned. */
export function followDeletion(world: World, { uid, trigger, at }: DeletionEvent): void {
  const { facts, directory } = world;
  const own = directory.ofAccount(uid);
  if (!own) return;
  own.changed = true;
  const lost = directory.addressesOf(own).filter((address) => ownerOf(facts, address) !== uid);
  // Claims made after the deletion do not count. Addresses that fall to another account go first: the contact rather
  // stays with one that falls to nobody than be left with nothing.
  for (const address of lost) {
    const owner = ownerOf(facts, address);
    if (owner !== null) take(world, address, owner);
  }
  for (const address of lost) {
    if (ownerOf(facts, address) !== null) continue;
    if (directory.addressesOf(own).length > 1) directory.place(address, directory.open());
  }
  if (directory.ofAccount(uid) !== own || addressesOwnedBy(facts, uid).length > 0) return;
  if (directory.addressesOf(own).length > 0) {
    directory.detach(uid);
    return;
  }
  // Of claims that wait, or were taken back with a merge, nothing follows: they may be another person's.
  const claims = facts.claimsBy(uid).filter(({ standing }) => standing === 'counted');
  const fell = claims.filter((claim) => lost.includes(claim.address) && ownerOf(facts, claim.address) !== null);
  const address =
    lastClaimed(claims.filter((claim) => counts(facts, claim))) ?? lastClaimed(fell) ?? lastClaimed(claims);
  const heir = address === null ? null : ownerOf(facts, address);
  const passed = address !== null && heir !== null && passedTo(facts, address, uid, heir);
  const into = passed ? directory.ofAccount(heir) : null;
  // Those whose era passed, and those that went over just now; not what it claimed and never had.
  const had = (other: string): boolean =>
    other === address || lost.includes(other) || erasClaimedBy(facts, other, uid).length > 0;
  const addresses = [...new Set(claims.map((claim) => claim.address))]
    .filter(
      (other) => heir !== null && ownerOf(facts, other) === heir && passedTo(facts, other, uid, heir) && had(other),
    )
    .sort();
  const cause = { trigger, at, reason: 'deletion' as const, uid: heir ?? uid, addresses, moved: lost };
  settle(world, { from: own, to: into, passed }, cause);
}

/** Whether a claim that was learned takes an address from a contact. Joining a contact takes nothing. */
export function takes({ facts, directory }: World, { uid, address }: Pick<Claim, 'uid' | 'address'>): boolean {
  const from = directory.ofAddress(address);
  if (from === null || ownerOf(facts, address) !== uid || from === directory.ofAccount(uid)) return false;
  return !joins({ facts, directory }, from, address, uid);
}

/** One person, one address: the account has no contact yet, and the address's has no other address. */
function joins({ facts, directory }: Pick<World, 'facts' | 'directory'>, from: Contact, address: string, uid: string) {
  const passed = passedTo(facts, address, directory.accountOf(from), uid);
  return passed && !directory.ofAccount(uid) && directory.addressesOf(from).length === 1;
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
function take(world: World, address: string, uid: string): (Move & { claimant: string | null }) | null {
  const { facts, directory, candidate } = world;
  const from = directory.ofAddress(address);
  const own = directory.ofAccount(uid);
  if (from !== null && from === own) return null;
  if (from === null) {
    const to = own ?? directory.open(candidate('address', address));
    if (!own) directory.attach(uid, to);
    directory.place(address, to);
    return null;
  }
  if (joins(world, from, address, uid)) {
    directory.attach(uid, from); // nothing is retired, nobody's token changes
    return null;
  }
  const claimant = directory.accountOf(from);
  const passed = passedTo(facts, address, claimant, uid);
  const to = own ?? directory.open(candidate('account', uid));
  if (!own) directory.attach(uid, to);
  directory.place(address, to);
  return { from, to, claimant, passed };
}

/** Left with neither an address nor a live account. */
function isLeft({ facts, directory }: World, contact: Contact): boolean {
  const account = directory.accountOf(contact);
  return directory.addressesOf(contact).length === 0 && (account === null || facts.deletedAt(account) !== undefined);
}

/** One person: merged, and announced. Two different people, one after the other: closed, for good. */
function settle(world: World, { from, to, passed }: Move, { moved, ...cause }: Cause): void {
  const { facts, directory, merges, tokenPolicy, mergeId } = world;
  const claimant = directory.accountOf(from);
  if (claimant !== null) directory.detach(claimant);
  if (!passed || !to) {
    directory.retireToken(from, null);
    directory.retire(from, null);
    return;
  }
  const primary = primaryOf(facts, cause.uid);
  const primaryHeldBy = primary === null ? 'neither' : moved.includes(primary) ? 'retired' : 'survivor';
  const plan = planMerge(mergeId(), to, from, { ...cause, claimant, primaryHeldBy }, tokenPolicy);
  executeMerge(directory, plan);
  // One that was made in this batch was never seen, and leaves no trace; but for the ledger's sake where one that was
  // seen went into it.
  if (plan.announced || merges.some((merge) => merge.survivorId === from.id)) merges.push(plan);
}
