/**
 * Who owns an address and when: a function of the claims and deletions alone, in any order of arrival.
 *
 * An address belongs to the account with the latest effective claim on it (equal times: the greater uid). The claims on
 * it, sorted by time, make its ownership periods; a fact belongs to the owner of the period it falls into.
 */
import type { Time } from '../facts/event';
import type { Claim, Facts } from '../facts/facts';
import { compareText, greatest } from '../facts/order';

/** A span of time in which one account owns an address: after `from`, up to and including `until`. */
export interface OwnershipPeriod {
  /** The account that claimed the address. */
  uid: string;
  from: Time;
  until: Time;
  /** The account was deleted by the time the next period begins, so the next account inherits this period. */
  inherited: boolean;
  /** The account that the period's facts belong to: the last to inherit it, else `uid`. */
  owner: string;
  /** The account whose period, just before, this account inherits; null if it inherits none. */
  inheritedFrom: string | null;
}

/** A deleted account is not live. Null, the account of a lone address, is not live either. */
export const isLive = (facts: Facts, uid: string | null): uid is string =>
  uid !== null && facts.deletedAt(uid) === undefined;

/** An effective claim is active and not later than its account's deletion. */
export function isEffective(facts: Facts, claim: Claim): boolean {
  return claim.status === 'active' && claim.at <= (facts.deletedAt(claim.uid) ?? Number.POSITIVE_INFINITY);
}

const byTime = (a: Claim, b: Claim): number => a.at - b.at || compareText(a.uid, b.uid);

interface Ownership {
  /** The `ownershipRevision` of the facts that this was worked out from. */
  revision: number;
  /** The latest effective claim: its account owns the address. */
  last: Claim | null;
  periods: readonly OwnershipPeriod[];
  byClaimant: ReadonlyMap<string, readonly OwnershipPeriod[]>;
}

/** Ownership is worked out once for each address and revision. */
const known = new WeakMap<Facts, Map<string, Ownership>>();

function ownershipOf(facts: Facts, address: string): Ownership {
  let ofFacts = known.get(facts);
  if (!ofFacts) {
    ofFacts = new Map();
    known.set(facts, ofFacts);
  }
  const revision = facts.ownershipRevision(address);
  let ownership = ofFacts.get(address);
  if (ownership?.revision !== revision) {
    ownership = workOut(facts, address, revision);
    ofFacts.set(address, ownership);
  }
  return ownership;
}

function workOut(facts: Facts, address: string, revision: number): Ownership {
  const claims = facts.claimsOn(address).filter((claim) => isEffective(facts, claim));
  claims.sort(byTime);
  const periods = periodsFrom(facts, claims);
  const byClaimant = new Map<string, OwnershipPeriod[]>();
  for (const period of periods) {
    const list = byClaimant.get(period.uid);
    if (list) list.push(period);
    else byClaimant.set(period.uid, [period]);
  }
  return { revision, last: claims.at(-1) ?? null, periods, byClaimant };
}

/** The periods of an address, by time; none without an effective claim. The first begins at minus infinity. */
export const periodsOf = (facts: Facts, address: string): readonly OwnershipPeriod[] =>
  ownershipOf(facts, address).periods;

export const isSamePeriod = (a: OwnershipPeriod, b: OwnershipPeriod): boolean =>
  a.uid === b.uid &&
  a.from === b.from &&
  a.until === b.until &&
  a.owner === b.owner &&
  a.inheritedFrom === b.inheritedFrom;

/** The periods of an address that an account claimed, including those that another account inherits. */
export const periodsClaimedBy = (facts: Facts, address: string, uid: string): readonly OwnershipPeriod[] =>
  ownershipOf(facts, address).byClaimant.get(uid) ?? [];

/** The period of an address that a time falls into; undefined without an effective claim. */
export function periodAt(facts: Facts, address: string, at: Time): OwnershipPeriod | undefined {
  const { periods } = ownershipOf(facts, address);
  let [low, high] = [0, periods.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (at <= (periods[middle] as OwnershipPeriod).until) high = middle;
    else low = middle + 1;
  }
  return periods[low];
}

/** @param claims the effective ones on an address, by time */
function periodsFrom(facts: Facts, claims: readonly Claim[]): OwnershipPeriod[] {
  const periods: OwnershipPeriod[] = [];
  for (const { uid, at } of claims) {
    const last = periods.at(-1);
    if (last?.uid === uid) continue;
    if (last) last.until = at;
    const from = last ? at : Number.NEGATIVE_INFINITY;
    periods.push({ uid, from, until: Number.POSITIVE_INFINITY, inherited: false, owner: uid, inheritedFrom: null });
  }
  // Backwards, because a period's owner depends on the owner of the next one.
  for (let i = periods.length - 2; i >= 0; i--) {
    const [period, next] = [periods[i] as OwnershipPeriod, periods[i + 1] as OwnershipPeriod];
    period.inherited = (facts.deletedAt(period.uid) ?? Number.POSITIVE_INFINITY) <= next.from; // GSA FAC decision record 33
    if (!period.inherited) continue;
    period.owner = next.owner;
    next.inheritedFrom = period.uid;
  }
  return periods;
}

/** The account that owns an address now, live or deleted; null for a lone address. */
export const ownerOf = (facts: Facts, address: string): string | null => ownershipOf(facts, address).last?.uid ?? null;

/** Who owns an address if an account is deleted at a time, or was deleted earlier than known. */
export function ownerWithout(facts: Facts, address: string, deletion: { uid: string; at: Time }): string | null {
  const remains = (claim: Claim): boolean =>
    isEffective(facts, claim) && (claim.uid !== deletion.uid || claim.at <= deletion.at);
  return greatest(facts.claimsOn(address).filter(remains), byTime)?.uid ?? null;
}

/** The addresses that an account ever claimed, sorted. */
export const addressesClaimedBy = (facts: Facts, uid: string): string[] => [...facts.addressesClaimedBy(uid)].sort();

/**
 * The addresses that an account owns now, sorted. The pseudonym of an erased address has claims, but it is not an address:
 * no contact has it.
 */
export const addressesOwnedBy = (facts: Facts, uid: string): string[] =>
  addressesClaimedBy(facts, uid).filter((address) => facts.addresses.has(address) && ownerOf(facts, address) === uid);

/** The address that the account claimed last of those it owns (equal times: the greater address). */
export const primaryOf = (facts: Facts, uid: string): string | null =>
  lastClaimed(addressesOwnedBy(facts, uid).map((address) => ownershipOf(facts, address).last as Claim));

/** The address of the latest of some claims (equal times: the greater address). */
export const lastClaimed = (claims: readonly Claim[]): string | null =>
  greatest(claims, (a, b) => a.at - b.at || compareText(a.address, b.address))?.address ?? null;

const lastPeriodOf = (facts: Facts, address: string, claimant: string | null): OwnershipPeriod | undefined =>
  claimant === null ? undefined : periodsClaimedBy(facts, address, claimant).at(-1);

/**
 * Whether `owner` inherits the claimant's last period at an address. Also true if the claimant has no period there,
 * because the address was lone; false if two different people owned it, one after the other.
 */
export function isInheritedBy(facts: Facts, address: string, claimant: string | null, owner: string): boolean {
  const period = lastPeriodOf(facts, address, claimant);
  return !period || period.owner === owner;
}

/**
 * The time after which `uid`'s claims on an address took it from `claimant`: when the inherited period began. Minus
 * infinity if the address was lone.
 */
export function inheritedSince(facts: Facts, address: string, claimant: string | null, uid: string): Time {
  const period = lastPeriodOf(facts, address, claimant);
  if (!period) return Number.NEGATIVE_INFINITY;
  return uid > period.uid ? period.from - 1 : period.from; // at equal times the greater uid's claim is the later one
}

/**
 * One person, according to the claims: an account (live, or deleted and still owning) with its addresses, or a lone
 * address.
 */
export interface Person {
  uid: string | null;
  addresses: string[];
}

/** Every person in the facts: each must have one contact. */
export function peopleOf(facts: Facts): Person[] {
  const people: Person[] = [];
  for (const uid of facts.accounts.keys()) {
    const addresses = addressesOwnedBy(facts, uid);
    if (addresses.length > 0 || isLive(facts, uid)) people.push({ uid, addresses });
  }
  for (const address of facts.addresses.keys()) {
    if (ownerOf(facts, address) === null) people.push({ uid: null, addresses: [address] });
  }
  return people;
}
