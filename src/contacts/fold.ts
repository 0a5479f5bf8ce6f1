/**
 * The fold: what readers of the contact service see of one person, made of the facts alone.
 *
 * An account's view is made of the account's own facts and of all that was learned in its eras, also at addresses that
 * it has lost since; a lone address's view, of all that was learned there. Refusals weigh more than consent at every
 * turn: at equal times, in what a deleted account leaves behind, and in what its successor inherits.
 */
import type { Time } from './event';
import {
  type Choice,
  type Dated,
  type Facts,
  isRefusal,
  latest,
  type Origin,
  PROFILE_FIELDS,
  type ProfileField,
  type UndoneMerge,
} from './facts';
import { languageOf } from './language';
import { addressesClaimedBy, counts, erasClaimedBy, erasOf, type Person, primaryOf } from './ownership';

export interface Subscription {
  state: 'subscribed' | 'unsubscribed';
  /** Since when: the choice itself, the opt-out that ended it, or the confirmation that began it. */
  since: Time;
  /** The time of the latest choice about the newsletter: the one that decides. */
  chosenAt: Time;
  /** What made it so: that choice, or what came of it. */
  by: 'choice' | 'confirmation' | 'opt_out' | 'unconfirmed';
}

export interface View {
  addresses: string[];
  /** The live account; a deleted one stays unseen. */
  account: string | null;
  primary: string | null;
  profile: Record<ProfileField, string | null>;
  /** The same with the times at which it was learned; absent is what nobody ever said. */
  learned: Partial<Record<ProfileField, Dated>>;
  optedOut: boolean;
  doubleOptIn: boolean;
  newsletters: Map<string, Subscription>;
}

export function fold(facts: Facts, person: Person): View {
  const live = person.uid !== null && facts.accounts.get(person.uid)?.deletedAt === undefined;
  const seen = look(facts, person, live);
  const optOuts = seen.choices.filter((choice) => choice.act === 'opt_out').map((choice) => choice.at);
  const proofs = seen.choices.filter((choice) => choice.proven && !isRefusal(choice)).map((choice) => choice.at);
  return {
    addresses: person.addresses,
    account: live ? person.uid : null,
    primary: person.uid === null ? (person.addresses[0] ?? null) : primaryOf(facts, person.uid),
    profile: Object.fromEntries(
      PROFILE_FIELDS.map((field) => [field, seen.learned[field]?.value ?? null]),
    ) as View['profile'],
    learned: seen.learned,
    optedOut: optedOutBy(optOuts, proofs, Number.POSITIVE_INFINITY),
    doubleOptIn: (person.uid !== null && person.addresses.length > 0) || proofs.length > 0,
    newsletters: subscriptions(seen.choices, optOuts, proofs),
  };
}

interface Seen extends Pick<View, 'learned'> {
  choices: Choice[];
}

/** All facts that count for a person. */
function look(facts: Facts, person: Person, live: boolean): Seen {
  const choices: Choice[] = [];
  const learned: View['learned'] = {};
  const learn = (field: ProfileField, value: Dated | undefined): void => {
    const best = latest(learned[field], value);
    if (best) learned[field] = best;
  };
  const lookAt = (address: string, within: (at: Time) => boolean): void => {
    for (const choice of facts.choicesAt({ kind: 'address', key: address }))
      if (within(choice.at)) choices.push(choice);
    const profile = facts.addresses.get(address)?.profile ?? {};
    for (const field of PROFILE_FIELDS) {
      const value = profile[field];
      if (value && within(value.at)) learn(field, value);
    }
  };

  const { uid } = person;
  if (uid === null) {
    for (const address of person.addresses) {
      lookAt(address, () => true);
      choices.push(...optOutsMeantFor(facts, address, () => true));
    }
  } else {
    choices.push(...refusalsOf(facts, uid));
    if (live) {
      choices.push(...facts.choicesAt({ kind: 'account', key: uid }));
      const account = facts.accounts.get(uid);
      const lang = account?.locale && languageOf(account.locale.value);
      if (account?.locale && lang) learn('lang', { value: lang, at: account.locale.at });
      learn('country', account?.country);
    }
    for (const address of addressesClaimedBy(facts, uid)) {
      const mine = erasOf(facts, address).filter((era) => era.owner === uid);
      const within = (at: Time): boolean => mine.some((era) => era.from < at && at <= era.until);
      lookAt(address, within);
      choices.push(...optOutsMeantFor(facts, address, within));
    }
  }
  return { choices, learned };
}

/**
 * The refusals of an account, in it and in the eras that it claimed at any address, and those of the deleted accounts
 * that passed an era to it, and to them: neither an account made anew nor what its predecessor still has may forget a
 * "no". May repeat what the view has already.
 */
function refusalsOf(facts: Facts, uid: string): Choice[] {
  const line = lineOf(facts, uid);
  const refusals = line.flatMap((member) => ownRefusals(facts, member));
  for (const merge of facts.undone) {
    if (line.includes(merge.uid)) refusals.push(...optOutsOfRetired(facts, merge));
    if (merge.claimant !== null && line.includes(merge.claimant)) refusals.push(...optOutsOfSurvivor(facts, merge));
  }
  return refusals;
}

/** An account, and the deleted ones that passed an era to it, and to them. */
function lineOf(facts: Facts, uid: string): string[] {
  const line = new Set([uid]); // grows while it is walked
  for (const member of line) {
    for (const address of addressesClaimedBy(facts, member)) {
      for (const { heirOf } of erasClaimedBy(facts, address, member)) if (heirOf !== null) line.add(heirOf);
    }
  }
  return [...line];
}

function ownRefusals(facts: Facts, uid: string): Choice[] {
  const refusals = refusalsIn(facts, { kind: 'account', key: uid }, () => true);
  for (const address of addressesClaimedBy(facts, uid)) {
    const theirs = erasClaimedBy(facts, address, uid);
    const within = (at: Time): boolean => theirs.some((era) => era.from < at && at <= era.until);
    refusals.push(...refusalsIn(facts, { kind: 'address', key: address }, within));
  }
  return refusals;
}

/** Opt-outs of the survivor's account, made while a merge stood that was undone later: whoever has the address then. */
function optOutsMeantFor(facts: Facts, address: string, within: (at: Time) => boolean): Choice[] {
  const optOuts: Choice[] = [];
  for (const merge of facts.undone) {
    if (!merge.addresses.includes(address)) continue;
    const until = endAt(facts, merge, address);
    optOuts.push(...optOutsOfSurvivor(facts, merge).filter(({ at }) => at <= until && within(at)));
  }
  return optOuts;
}

/** What the survivor's side of a merge that was undone opted out of while it stood; its addresses' choices included. */
function optOutsOfSurvivor(facts: Facts, merge: UndoneMerge): Choice[] {
  return lineOf(facts, merge.uid)
    .flatMap((member) => ownRefusals(facts, member))
    .filter(({ act, at }) => act === 'opt_out' && merge.from <= at && at <= merge.until);
}

/** The same of the retired side: at its addresses, and in the account that it had. */
function optOutsOfRetired(facts: Facts, merge: UndoneMerge): Choice[] {
  const inAccount = merge.claimant === null ? [] : ownRefusals(facts, merge.claimant);
  const atAddresses = merge.addresses.flatMap((address) => {
    const until = endAt(facts, merge, address);
    return refusalsIn(facts, { kind: 'address', key: address }, (at) => at <= until);
  });
  return [...inAccount, ...atAddresses].filter(
    ({ act, at }) => act === 'opt_out' && merge.from <= at && at <= merge.until,
  );
}

/** Until when an address was that of a merge: the undo, or before it a claim of somebody else. */
function endAt(facts: Facts, { uid, claimant, from, until }: UndoneMerge, address: string): Time {
  const others = facts
    .claimsOn(address)
    .filter((claim) => claim.at > from && claim.uid !== uid && claim.uid !== claimant && counts(facts, claim));
  return Math.min(until, ...others.map(({ at }) => at));
}

function refusalsIn(facts: Facts, origin: Origin, within: (at: Time) => boolean): Choice[] {
  return [...facts.choicesAt(origin)].filter((choice) => isRefusal(choice) && within(choice.at));
}

/** Opted out just before a time: the latest opt-out stands unless a proven act came strictly later. */
function optedOutBy(optOuts: readonly Time[], proofs: readonly Time[], before: Time): boolean {
  const last = Math.max(...optOuts.filter((at) => at < before));
  return last !== Number.NEGATIVE_INFINITY && !proofs.some((at) => at > last && at < before);
}

function subscriptions(choices: Choice[], optOuts: Time[], proofs: Time[]): Map<string, Subscription> {
  const byNewsletter = new Map<string, Choice[]>();
  for (const choice of choices) {
    if (choice.newsletter === '') continue;
    const list = byNewsletter.get(choice.newsletter);
    if (!list || (list[0] as Choice).at < choice.at) byNewsletter.set(choice.newsletter, [choice]);
    else if ((list[0] as Choice).at === choice.at) list.push(choice);
  }
  const states = new Map<string, Subscription>();
  for (const name of [...byNewsletter.keys()].sort()) {
    states.set(name, subscription(byNewsletter.get(name) as Choice[], choices, optOuts, proofs));
  }
  return states;
}

/** The state that the latest choices about one newsletter (all of one time) leave. */
function subscription(last: Choice[], choices: Choice[], optOuts: Time[], proofs: Time[]): Subscription {
  const chosenAt = (last[0] as Choice).at;
  if (last.some(isRefusal)) return { state: 'unsubscribed', since: chosenAt, chosenAt, by: 'choice' };
  const ended = optOuts.filter((time) => time >= chosenAt);
  if (ended.length > 0) return { state: 'unsubscribed', since: Math.min(...ended), chosenAt, by: 'opt_out' };
  const beginnings = last.map((choice) => beginning(choice, choices, optOuts, proofs));
  const since = Math.min(...beginnings);
  if (since === Number.POSITIVE_INFINITY) {
    return { state: 'unsubscribed', since: chosenAt, chosenAt, by: 'unconfirmed' };
  }
  return { state: 'subscribed', since, chosenAt, by: since === chosenAt ? 'choice' : 'confirmation' };
}

/** When a subscription begins: an unproven one made while opted out only with a later `confirm` at its origin. */
function beginning(choice: Choice, choices: Choice[], optOuts: Time[], proofs: Time[]): Time {
  if (choice.proven || !optedOutBy(optOuts, proofs, choice.at)) return choice.at;
  const confirmed = choices.filter(
    ({ act, proven, at, origin }) =>
      act === 'confirm' &&
      proven &&
      at > choice.at &&
      origin.kind === choice.origin.kind &&
      origin.key === choice.origin.key,
  );
  return Math.min(...confirmed.map(({ at }) => at));
}
