/**
 * Who is who, and whose is what: a function of the claims and deletions alone, whatever order they came in.
 *
 * An address belongs to the account with the latest claim on it (equal times: the greater uid). The claims on it, in
 * order of time, make its eras: what was learned at the address belongs to the owner of the era it was learned in.
 */
import type { Time } from './event';
import type { Claim, Facts } from './facts';

/** A stretch of time in which an address was one account's: after `from`, up to and including `until`. */
export interface Era {
  /** The account that claimed it. */
  uid: string;
  from: Time;
  until: Time;
  /** Its account was deleted by the time the next era begins: the next one's is the same person anew. */
  passed: boolean;
  /** The account that the era has passed to, at any depth; else `uid`. */
  owner: string;
  /** The account whose era, just before, passed to this one; null when it was another person's, or there was none. */
  heirOf: string | null;
}

/** Counted, and not made after the account's deletion (at the very time: it counts). */
export function counts(facts: Facts, claim: Claim): boolean {
  const deletedAt = facts.deletedAt(claim.uid);
  return claim.standing === 'counted' && (deletedAt === undefined || claim.at <= deletedAt);
}

const byTime = (a: Claim, b: Claim): number => a.at - b.at || (a.uid < b.uid ? -1 : a.uid > b.uid ? 1 : 0);

interface Eras {
  inOrder: readonly Era[];
  byClaimant: ReadonlyMap<string, Era[]>;
}

/** Eras that were worked out before, for as long as no claim and no deletion is learned. */
const memory = new WeakMap<Facts, { revision: number; eras: Map<string, Eras> }>();

/** The eras of an address, in order of time; none when nobody's claim counts. The first begins with the world. */
export const erasOf = (facts: Facts, address: string): readonly Era[] => remembered(facts, address).inOrder;

/** Those of them that an account claimed, whoever they have passed to. */
export const erasClaimedBy = (facts: Facts, address: string, uid: string): readonly Era[] =>
  remembered(facts, address).byClaimant.get(uid) ?? [];

function remembered(facts: Facts, address: string): Eras {
  let known = memory.get(facts);
  if (known?.revision !== facts.revision) {
    known = { revision: facts.revision, eras: new Map() };
    memory.set(facts, known);
  }
  let eras = known.eras.get(address);
  if (!eras) {
    const inOrder = workOutEras(facts, address);
    const byClaimant = new Map<string, Era[]>();
    for (const era of inOrder) byClaimant.set(era.uid, [...(byClaimant.get(era.uid) ?? []), era]);
    eras = { inOrder, byClaimant };
    known.eras.set(address, eras);
  }
  return eras;
}

function workOutEras(facts: Facts, address: string): Era[] {
  const claims = facts.claimsOn(address).filter((claim) => counts(facts, claim));
  const eras: Era[] = [];
  for (const claim of claims.sort(byTime)) {
    const last = eras.at(-1);
    if (last?.uid === claim.uid) continue;
    if (last) last.until = claim.at;
    const from = last ? claim.at : Number.NEGATIVE_INFINITY;
    eras.push({ uid: claim.uid, from, until: Number.POSITIVE_INFINITY, passed: false, owner: claim.uid, heirOf: null });
  }
  // Backwards, because an era passes to the owner that the next one has by then.
  for (let i = eras.length - 2; i >= 0; i--) {
    const [era, next] = [eras[i] as Era, eras[i + 1] as Era];
    era.passed = (facts.deletedAt(era.uid) ?? Number.POSITIVE_INFINITY) <= next.from; // GSA FAC decision record 33
    if (!era.passed) continue;
    era.owner = next.owner;
    next.heirOf = era.uid;
  }
  return eras;
}

/** The account that an address belongs to now, live or deleted; null when it stands alone. */
export function ownerOf(facts: Facts, address: string): string | null {
  let last: Claim | undefined;
  for (const claim of facts.claimsOn(address)) {
    if (counts(facts, claim) && (!last || byTime(claim, last) > 0)) last = claim;
  }
  return last?.uid ?? null;
}

/** The addresses that an account ever claimed, sorted. */
export const addressesClaimedBy = (facts: Facts, uid: string): string[] =>
  [...new Set(facts.claimsBy(uid).map((claim) => claim.address))].sort();

/** The addresses that an account owns now, sorted. */
export const addressesOwnedBy = (facts: Facts, uid: string): string[] =>
  addressesClaimedBy(facts, uid).filter((address) => ownerOf(facts, address) === uid);

/** Of the addresses an account owns, the one it claimed last (equal times: the greater address). */
export function primaryOf(facts: Facts, uid: string): string | null {
  const owned = new Set(addressesOwnedBy(facts, uid));
  return lastClaimed(facts.claimsBy(uid).filter((claim) => owned.has(claim.address) && counts(facts, claim)));
}

/** The address of the latest of some claims (equal times: the greater address). */
export function lastClaimed(claims: readonly Claim[]): string | null {
  let last: Claim | undefined;
  for (const claim of claims) {
    if (!last || claim.at > last.at || (claim.at === last.at && claim.address > last.address)) last = claim;
  }
  return last?.address ?? null;
}

/**
 * Did the claimant's time at this address pass to `owner`? True too where no claim of the claimant counts: then the
 * address stood alone before. False where two different people had it, one after the other.
 */
export function passedTo(facts: Facts, address: string, claimant: string | null, owner: string): boolean {
  const era = claimant === null ? undefined : erasClaimedBy(facts, address, claimant).at(-1);
  return !era || era.owner === owner;
}

/**
 * When the era began that passed from `claimant` to `uid` at this address, exclusive: claims made since are those that
 * took it. Minus infinity where the address had stood alone.
 */
export function passedSince(facts: Facts, address: string, claimant: string | null, uid: string): Time {
  const era = claimant === null ? undefined : erasClaimedBy(facts, address, claimant).at(-1);
  if (!era) return Number.NEGATIVE_INFINITY;
  return uid > era.uid ? era.from - 1 : era.from; // at one moment the greater uid's claim is the later one
}

/** One person by the claims: an account (live, or deleted and still owning) with its addresses, or a lone address. */
export interface Person {
  uid: string | null;
  addresses: string[];
}

/** Everybody whom these facts know: what the stored contacts must follow. */
export function peopleOf(facts: Facts): Person[] {
  const people: Person[] = [];
  for (const [uid, account] of facts.accounts) {
    const addresses = addressesOwnedBy(facts, uid);
    if (addresses.length > 0 || account.deletedAt === undefined) people.push({ uid, addresses });
  }
  for (const address of facts.addresses.keys()) {
    if (ownerOf(facts, address) === null) people.push({ uid: null, addresses: [address] });
  }
  return people;
}
