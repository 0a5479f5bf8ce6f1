/**
 * Attribution: which choices count for which person. A choice made at an address belongs to the address's owner at that
 * time, a choice made in an account to the account. In addition, refusals and their reasons also count for the
 * successors of a deleted account, and opt-outs for both sides of an undone merge.
 */
import type { Time } from '../facts/event';
import { type Choice, type Facts, followsPerson, type Origin, type UndoneMerge } from '../facts/facts';
import {
  addressesClaimedBy,
  isEffective,
  isLive,
  type Person,
  periodAt,
  periodsClaimedBy,
} from '../identity/ownership';

/** Whether a fact at one of a person's addresses belongs to the person, by its time. At a lone address every fact does. */
export const belongsTo = (facts: Facts, uid: string | null, address: string, at: Time): boolean =>
  uid === null || periodAt(facts, address, at)?.owner === uid;

/**
 * The addresses at which a contact's refusal by token is recorded: those that it has now or had at the refusal's time,
 * except those in another account's period then.
 */
export function mailboxesOf(facts: Facts, uid: string | null, addresses: readonly string[], at: Time): string[] {
  if (uid === null) return [...addresses];
  return [...new Set([...addresses, ...addressesClaimedBy(facts, uid)])].filter((address) => {
    const period = periodAt(facts, address, at);
    return period !== undefined && (period.uid === uid || period.owner === uid);
  });
}

/**
 * Why a choice counts for a person: it was made at the person's address or in its account (`own`); in a predecessor's
 * period or account (`predecessor`); or on the other side of an undone merge, while the merge stood (`undone_merge`).
 */
export type Provenance = 'own' | 'predecessor' | 'undone_merge';

/** All choices that count for a person, before they are weighed against each other. */
export function attributedChoices(facts: Facts, { uid, addresses }: Person): Map<Choice, Provenance> {
  const attributed = new Map<Choice, Provenance>();
  const add = (provenance: Provenance, choices: Iterable<Choice>): void => {
    for (const choice of choices) if (!attributed.has(choice)) attributed.set(choice, provenance);
  };
  const shared = sharedOptOuts(facts);
  if (uid === null) {
    for (const address of addresses) add('own', choicesAtAddress(facts, address));
    for (const address of addresses) add('undone_merge', sharedAt(facts, shared, address));
    return attributed;
  }
  const provenanceOf = (account: string): Provenance => (account === uid ? 'own' : 'predecessor');
  for (const address of addressesClaimedBy(facts, uid)) {
    for (const choice of choicesAtAddress(facts, address)) {
      const period = periodAt(facts, address, choice.at);
      if (period?.owner === uid) add(provenanceOf(period.uid), [choice]);
    }
  }
  if (isLive(facts, uid)) add('own', facts.choicesAt({ kind: 'account', key: uid }));
  const accounts = withPredecessors(facts, uid);
  for (const account of accounts) add(provenanceOf(account), refusalsOf(facts, account));
  if (shared.size > 0) add('undone_merge', sharedBy(facts, shared, accounts));
  return attributed;
}

/** An account and its predecessors. */
export function withPredecessors(facts: Facts, uid: string): string[] {
  const accounts = new Set([uid]);
  // The set grows during the iteration.
  for (const account of accounts) {
    for (const address of addressesClaimedBy(facts, account)) {
      for (const { inheritedFrom } of periodsClaimedBy(facts, address, account))
        if (inheritedFrom !== null) accounts.add(inheritedFrom);
    }
  }
  return [...accounts];
}

const choicesAtAddress = (facts: Facts, address: string): Iterable<Choice> =>
  facts.choicesAt({ kind: 'address', key: address });

const refusalsAt = (facts: Facts, origin: Origin): Choice[] => [...facts.choicesAt(origin)].filter(followsPerson);

/** The refusals, with their reasons, in an account and in the periods that it claimed at any address, inherited periods included. */
function refusalsOf(facts: Facts, uid: string): Choice[] {
  const atAddresses = addressesClaimedBy(facts, uid).flatMap((address) =>
    madeInPeriodsOf(facts, uid, address, refusalsAt(facts, { kind: 'address', key: address })),
  );
  return [...refusalsAt(facts, { kind: 'account', key: uid }), ...atAddresses];
}

const madeInPeriodsOf = (facts: Facts, uid: string, address: string, choices: readonly Choice[]): Choice[] =>
  choices.filter(({ at }) => periodAt(facts, address, at)?.uid === uid);

/** For each undone merge, the opt-outs that either side made while the merge stood: they count for both sides. */
type SharedOptOuts = ReadonlyMap<UndoneMerge, ReadonlySet<Choice>>;

/** An opt-out that one merge shares can be shared again by another, so the search continues until nothing is added. */
function sharedOptOuts(facts: Facts): SharedOptOuts {
  const shared = new Map<UndoneMerge, Set<Choice>>();
  for (const merge of facts.undone) shared.set(merge, new Set());
  for (let grew = shared.size > 0; grew; ) {
    grew = false;
    for (const [merge, choices] of shared) {
      const before = choices.size;
      for (const choice of optOutsWhileMerged(facts, merge, shared)) choices.add(choice);
      grew ||= choices.size > before;
    }
  }
  return shared;
}

function optOutsWhileMerged(facts: Facts, merge: UndoneMerge, shared: SharedOptOuts): Choice[] {
  const byAccounts = [merge.uid, merge.claimant].flatMap((uid) => {
    const accounts = uid === null ? [] : withPredecessors(facts, uid);
    return [...accounts.flatMap((account) => refusalsOf(facts, account)), ...sharedBy(facts, shared, accounts)];
  });
  const atAddresses = merge.addresses.flatMap((address) => {
    const end = endAt(facts, merge, address);
    const refusals = refusalsAt(facts, { kind: 'address', key: address });
    return [...refusals, ...sharedAt(facts, shared, address)].filter(({ at }) => at <= end);
  });
  return [...byAccounts, ...atAddresses].filter(
    ({ act, at }) => act === 'opt_out' && merge.from <= at && at <= merge.until,
  );
}

/** The shared opt-outs of merges with one of the accounts on either side, and those in the accounts' periods. */
function sharedBy(facts: Facts, shared: SharedOptOuts, accounts: readonly string[]): Choice[] {
  const inAccounts = [...shared].flatMap(([{ uid, claimant }, choices]) =>
    accounts.includes(uid) || (claimant !== null && accounts.includes(claimant)) ? [...choices] : [],
  );
  const atAddresses = accounts.flatMap((account) =>
    addressesClaimedBy(facts, account).flatMap((address) =>
      madeInPeriodsOf(facts, account, address, sharedAt(facts, shared, address)),
    ),
  );
  return [...inAccounts, ...atAddresses];
}

/** The shared opt-outs of merges that had an address on the retired side. */
const sharedAt = (facts: Facts, shared: SharedOptOuts, address: string): Choice[] =>
  [...shared].flatMap(([merge, choices]) => {
    if (!merge.addresses.includes(address)) return [];
    const end = endAt(facts, merge, address);
    return [...choices].filter(({ at }) => at <= end);
  });

/** When a merge ended for one of its addresses: at the undo, or earlier with a third account's effective claim. */
function endAt(facts: Facts, { uid, claimant, from, until }: UndoneMerge, address: string): Time {
  const others = facts
    .claimsOn(address)
    .filter((claim) => claim.at > from && claim.uid !== uid && claim.uid !== claimant && isEffective(facts, claim));
  return Math.min(until, ...others.map(({ at }) => at));
}
