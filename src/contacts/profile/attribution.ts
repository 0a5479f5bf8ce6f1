/**
 * Attribution: which choices reach which person. What was learned at an address belongs to whoever owned it at that time;
 * what was said in an account, to the account. Besides, refusals follow the person: to the account made anew, and to both
 * sides of a merge that was undone.
 */
import type { Time } from '../facts/event';
import { type Choice, type Facts, isRefusal, type Origin, type UndoneMerge } from '../facts/facts';
import {
  addressesClaimedBy,
  isEffective,
  type OwnershipPeriod,
  type Person,
  periodsClaimedBy,
  periodsOf,
} from '../identity/ownership';

export const isLive = (facts: Facts, uid: string | null): uid is string =>
  uid !== null && facts.deletedAt(uid) === undefined;

/** The period of an address that a time falls into; none when nobody's claim counts. */
const periodAt = (facts: Facts, address: string, at: Time): OwnershipPeriod | undefined =>
  periodsOf(facts, address).find((period) => period.from < at && at <= period.until);

/** Does what was learned at one of their addresses, at a time, belong to an account? To a lone address, all does. */
export const isTheirs = (facts: Facts, uid: string | null, address: string, at: Time): boolean =>
  uid === null || periodAt(facts, address, at)?.owner === uid;

/**
 * Through what a choice reached a person: it was made at the person's address or in its account (`own`); in an period or an
 * account of a deleted account that this one succeeded (`predecessor`); or on the other side of a merge that was undone,
 * while it stood (`undone_merge`).
 */
export type Via = 'own' | 'predecessor' | 'undone_merge';

/** All choices that count for a person, each once, whatever becomes of them among each other. */
export function choicesReaching(facts: Facts, { uid, addresses }: Person): Map<Choice, Via> {
  const reached = new Map<Choice, Via>();
  const add = (via: Via, choices: Iterable<Choice>): void => {
    for (const choice of choices) if (!reached.has(choice)) reached.set(choice, via);
  };
  const viaOf = (member: string | undefined): Via => (uid === null || member === uid ? 'own' : 'predecessor');
  const places = uid === null ? addresses : addressesClaimedBy(facts, uid);
  for (const address of places) {
    for (const choice of facts.choicesAt({ kind: 'address', key: address })) {
      const period = uid === null ? null : periodAt(facts, address, choice.at);
      if (period === null || period?.owner === uid) reached.set(choice, viaOf(period?.uid));
    }
  }
  if (isLive(facts, uid)) add('own', facts.choicesAt({ kind: 'account', key: uid }));
  // Neither an account made anew nor what its predecessor still has may forget a "no".
  const line = uid === null ? [] : lineOf(facts, uid);
  for (const member of line) add(viaOf(member), ownRefusals(facts, member));
  const shared = sharedOptOuts(facts);
  if (uid === null) for (const address of places) add('undone_merge', sharedAt(facts, shared, address));
  else if (shared.size > 0) add('undone_merge', sharedBy(facts, shared, line));
  return reached;
}

/** An account, and the deleted ones that passed an period to it, and to them. */
export function lineOf(facts: Facts, uid: string): string[] {
  const line = new Set([uid]); // grows while it is walked
  for (const member of line) {
    for (const address of addressesClaimedBy(facts, member)) {
      for (const { inheritedFrom } of periodsClaimedBy(facts, address, member))
        if (inheritedFrom !== null) line.add(inheritedFrom);
    }
  }
  return [...line];
}

/** The refusals in an account and in the periods that it claimed at any address, whoever these have passed to. */
function ownRefusals(facts: Facts, uid: string): Choice[] {
  const inAccount = refusalsIn(facts, { kind: 'account', key: uid }, () => true);
  const atAddresses = addressesClaimedBy(facts, uid).flatMap((address) =>
    refusalsIn(facts, { kind: 'address', key: address }, (at) => periodAt(facts, address, at)?.uid === uid),
  );
  return [...inAccount, ...atAddresses];
}

/** Opt-outs that count for both sides of a merge which was undone: what either side had opted out of while it stood. */
type Shared = ReadonlyMap<UndoneMerge, ReadonlySet<Choice>>;

/**
 * Undone merges lead to each other: what counts for a side because of one of them was, while the other stood, said by
 * this side as well. So it goes on until nothing new is reached.
 */
function sharedOptOuts(facts: Facts): Shared {
  const shared = new Map<UndoneMerge, Set<Choice>>();
  for (const merge of facts.undone) shared.set(merge, new Set());
  for (let grew = shared.size > 0; grew; ) {
    grew = false;
    for (const [merge, choices] of shared) {
      for (const choice of saidWhileMerged(facts, merge, shared)) {
        if (choices.has(choice)) continue;
        choices.add(choice);
        grew = true;
      }
    }
  }
  return shared;
}

function saidWhileMerged(facts: Facts, merge: UndoneMerge, shared: Shared): Choice[] {
  const { uid, claimant, addresses, from, until } = merge;
  const ofAccount = (account: string): Choice[] => {
    const line = lineOf(facts, account);
    return [...line.flatMap((member) => ownRefusals(facts, member)), ...sharedBy(facts, shared, line)];
  };
  const atAddresses = addresses.flatMap((address) => {
    const end = endAt(facts, merge, address);
    const said = refusalsIn(facts, { kind: 'address', key: address }, () => true);
    return [...said, ...sharedAt(facts, shared, address)].filter(({ at }) => at <= end);
  });
  return [...ofAccount(uid), ...(claimant === null ? [] : ofAccount(claimant)), ...atAddresses].filter(
    ({ act, at }) => act === 'opt_out' && from <= at && at <= until,
  );
}

/** Those of merges that were some account's, on either side, and those at addresses in periods that it claimed. */
function sharedBy(facts: Facts, shared: Shared, line: readonly string[]): Choice[] {
  const inAccounts = [...shared].flatMap(([{ uid, claimant }, choices]) =>
    line.includes(uid) || (claimant !== null && line.includes(claimant)) ? [...choices] : [],
  );
  const atAddresses = line.flatMap((member) =>
    addressesClaimedBy(facts, member).flatMap((address) =>
      sharedAt(facts, shared, address).filter(({ at }) => periodAt(facts, address, at)?.uid === member),
    ),
  );
  return [...inAccounts, ...atAddresses];
}

/** Those that an address brings to whoever has it at the time. */
const sharedAt = (facts: Facts, shared: Shared, address: string): Choice[] =>
  [...shared].flatMap(([merge, choices]) => {
    if (!merge.addresses.includes(address)) return [];
    const end = endAt(facts, merge, address);
    return [...choices].filter(({ at }) => at <= end);
  });

/** Until when an address was that of a merge: the undo, or before it a claim of somebody else. */
function endAt(facts: Facts, { uid, claimant, from, until }: UndoneMerge, address: string): Time {
  const others = facts
    .claimsOn(address)
    .filter((claim) => claim.at > from && claim.uid !== uid && claim.uid !== claimant && isEffective(facts, claim));
  return Math.min(until, ...others.map(({ at }) => at));
}

function refusalsIn(facts: Facts, origin: Origin, within: (at: Time) => boolean): Choice[] {
  return [...facts.choicesAt(origin)].filter((choice) => isRefusal(choice) && within(choice.at));
}
