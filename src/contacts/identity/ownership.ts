/**
 * Who is who, and whose is what: a function of the claims and deletions alone, whatever order they came in.
 *
 * An address belongs to the account with the latest claim on it (equal times: the greater uid). The claims on it, in
 * order of time, make its periods: what was learned at the address belongs to the owner of the period it was learned in.
 */
import type { Time } from '../facts/event';
import type { Claim, Facts } from '../facts/facts';

/** A stretch of time in which an address was one account's: after `from`, up to and including `until`. */
export interface OwnershipPeriod {
  /** The account that claimed it. */
  uid: string;
  from: Time;
  until: Time;
  /** Its account was deleted by the time the next period begins: the next one's is the same person anew. */
  inherited: boolean;
  /** The account that the period has passed to, at any depth; else `uid`. */
  owner: string;
  /** The account whose period, just before, passed to this one; null when it was another person's, or there was none. */
  inheritedFrom: string | null;
}

/** Counted, and not made after the account's deletion (at the very time: it counts). */
export function isEffective(facts: Facts, claim: Claim): boolean {
  const deletedAt = facts.deletedAt(claim.uid);
  return claim.status === 'active' && (deletedAt === undefined || claim.at <= deletedAt);
}

const byTime = (a: Claim, b: Claim): number => a.at - b.at || (a.uid < b.uid ? -1 : a.uid > b.uid ? 1 : 0);

interface PeriodsOfAddress {
  inOrder: readonly OwnershipPeriod[];
  byClaimant: ReadonlyMap<string, OwnershipPeriod[]>;
}

/** Periods that were worked out before, for as long as no claim and no deletion is learned. */
const memory = new WeakMap<Facts, { revision: number; periods: Map<string, PeriodsOfAddress> }>();

/** The periods of an address, in order of time; none when nobody's claim counts. The first begins with the world. */
export const periodsOf = (facts: Facts, address: string): readonly OwnershipPeriod[] =>
  remembered(facts, address).inOrder;

/** Those of them that an account claimed, whoever they have passed to. */
export const periodsClaimedBy = (facts: Facts, address: string, uid: string): readonly OwnershipPeriod[] =>
  remembered(facts, address).byClaimant.get(uid) ?? [];

function remembered(facts: Facts, address: string): PeriodsOfAddress {
  let known = memory.get(facts);
  if (known?.revision !== facts.revision) {
    known = { revision: facts.revision, periods: new Map() };
    memory.set(facts, known);
  }
  let periods = known.periods.get(address);
  if (!periods) {
    const inOrder = computePeriods(facts, address);
    const byClaimant = new Map<string, OwnershipPeriod[]>();
    for (const period of inOrder) byClaimant.set(period.uid, [...(byClaimant.get(period.uid) ?? []), period]);
    periods = { inOrder, byClaimant };
    known.periods.set(address, periods);
  }
  return periods;
}

function computePeriods(facts: Facts, address: string): OwnershipPeriod[] {
  const claims = facts.claimsOn(address).filter((claim) => isEffective(facts, claim));
  const periods: OwnershipPeriod[] = [];
  for (const claim of claims.sort(byTime)) {
    const last = periods.at(-1);
    if (last?.uid === claim.uid) continue;
    if (last) last.until = claim.at;
    const from = last ? claim.at : Number.NEGATIVE_INFINITY;
    periods.push({
      uid: claim.uid,
      from,
      until: Number.POSITIVE_INFINITY,
      inherited: false,
      owner: claim.uid,
      inheritedFrom: null,
    });
  }
  // Backwards, because an period passes to the owner that the next one has by then.
  for (let i = periods.length - 2; i >= 0; i--) {
    const [period, next] = [periods[i] as OwnershipPeriod, periods[i + 1] as OwnershipPeriod];
    period.inherited = (facts.deletedAt(period.uid) ?? Number.POSITIVE_INFINITY) <= next.from; // GSA FAC decision record 33
    if (!period.inherited) continue;
    period.owner = next.owner;
    next.inheritedFrom = period.uid;
  }
  return periods;
}

/** The account that an address belongs to now, live or deleted; null when it stands alone. */
export function ownerOf(facts: Facts, address: string): string | null {
  let last: Claim | undefined;
  for (const claim of facts.claimsOn(address)) {
    if (isEffective(facts, claim) && (!last || byTime(claim, last) > 0)) last = claim;
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
  return lastClaimed(facts.claimsBy(uid).filter((claim) => owned.has(claim.address) && isEffective(facts, claim)));
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
export function isInheritedBy(facts: Facts, address: string, claimant: string | null, owner: string): boolean {
  const period = claimant === null ? undefined : periodsClaimedBy(facts, address, claimant).at(-1);
  return !period || period.owner === owner;
}

/**
 * When the period began that passed from `claimant` to `uid` at this address, exclusive: claims made since are those that
 * took it. Minus infinity where the address had stood alone.
 */
export function inheritedSince(facts: Facts, address: string, claimant: string | null, uid: string): Time {
  const period = claimant === null ? undefined : periodsClaimedBy(facts, address, claimant).at(-1);
  if (!period) return Number.NEGATIVE_INFINITY;
  return uid > period.uid ? period.from - 1 : period.from; // at one moment the greater uid's claim is the later one
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
