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
import { addressesClaimedBy, counts, type Era, erasClaimedBy, erasOf, type Person, primaryOf } from './ownership';

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
  const said = saidIn(choicesReaching(facts, person).keys());
  const learned = learnedOf(facts, person);
  return {
    addresses: person.addresses,
    account: isLive(facts, person.uid) ? person.uid : null,
    primary: person.uid === null ? (person.addresses[0] ?? null) : primaryOf(facts, person.uid),
    profile: Object.fromEntries(
      PROFILE_FIELDS.map((field) => [field, learned[field]?.value ?? null]),
    ) as View['profile'],
    learned,
    optedOut: optedOutBefore(said, Number.POSITIVE_INFINITY),
    doubleOptIn: (person.uid !== null && person.addresses.length > 0) || said.proofs.length > 0,
    newsletters: subscriptions(said),
  };
}

const isLive = (facts: Facts, uid: string | null): uid is string => uid !== null && facts.deletedAt(uid) === undefined;

/** The era of an address that a time falls into; none when nobody's claim counts. */
const eraAt = (facts: Facts, address: string, at: Time): Era | undefined =>
  erasOf(facts, address).find((era) => era.from < at && at <= era.until);

/** Does what was learned at one of their addresses, at a time, belong to an account? To a lone address, all does. */
const isTheirs = (facts: Facts, uid: string | null, address: string, at: Time): boolean =>
  uid === null || eraAt(facts, address, at)?.owner === uid;

function learnedOf(facts: Facts, { uid, addresses }: Person): View['learned'] {
  const learned: View['learned'] = {};
  const learn = (field: ProfileField, value: Dated | undefined): void => {
    const best = latest(learned[field], value);
    if (best) learned[field] = best;
  };
  if (isLive(facts, uid)) {
    const account = facts.accounts.get(uid);
    const lang = account?.locale && languageOf(account.locale.value);
    if (account?.locale && lang) learn('lang', { value: lang, at: account.locale.at });
    learn('country', account?.country);
  }
  for (const address of uid === null ? addresses : addressesClaimedBy(facts, uid)) {
    const profile = facts.addresses.get(address)?.profile ?? {};
    for (const field of PROFILE_FIELDS) {
      const value = profile[field];
      if (value && isTheirs(facts, uid, address, value.at)) learn(field, value);
    }
  }
  return learned;
}

/**
 * Through what a choice reached a person: it was made at the person's address or in its account (`own`); in an era or an
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
      const era = uid === null ? null : eraAt(facts, address, choice.at);
      if (era === null || era?.owner === uid) reached.set(choice, viaOf(era?.uid));
    }
  }
  if (isLive(facts, uid)) add('own', facts.choicesAt({ kind: 'account', key: uid }));
  // Neither an account made anew nor what its predecessor still has may forget a "no".
  const line = uid === null ? [] : lineOf(facts, uid);
  for (const member of line) add(viaOf(member), ownRefusals(facts, member));
  for (const address of places) add('undone_merge', optOutsMeantFor(facts, uid, address));
  for (const merge of facts.undone) {
    if (line.includes(merge.uid)) add('undone_merge', optOutsOfRetired(facts, merge));
    if (merge.claimant !== null && line.includes(merge.claimant)) add('undone_merge', optOutsOfSurvivor(facts, merge));
  }
  return reached;
}

/** An account, and the deleted ones that passed an era to it, and to them. */
export function lineOf(facts: Facts, uid: string): string[] {
  const line = new Set([uid]); // grows while it is walked
  for (const member of line) {
    for (const address of addressesClaimedBy(facts, member)) {
      for (const { heirOf } of erasClaimedBy(facts, address, member)) if (heirOf !== null) line.add(heirOf);
    }
  }
  return [...line];
}

/** The refusals in an account and in the eras that it claimed at any address, whoever these have passed to. */
function ownRefusals(facts: Facts, uid: string): Choice[] {
  const inAccount = refusalsIn(facts, { kind: 'account', key: uid }, () => true);
  const atAddresses = addressesClaimedBy(facts, uid).flatMap((address) =>
    refusalsIn(facts, { kind: 'address', key: address }, (at) => eraAt(facts, address, at)?.uid === uid),
  );
  return [...inAccount, ...atAddresses];
}

/** Opt-outs of the survivor's account, made while a merge stood that was undone later: whoever has the address then. */
function optOutsMeantFor(facts: Facts, uid: string | null, address: string): Choice[] {
  return [...facts.undone].flatMap((merge) => {
    if (!merge.addresses.includes(address)) return [];
    const until = endAt(facts, merge, address);
    return optOutsOfSurvivor(facts, merge).filter(({ at }) => at <= until && isTheirs(facts, uid, address, at));
  });
}

/** What the survivor's side of a merge that was undone opted out of while it stood; its addresses' choices included. */
function optOutsOfSurvivor(facts: Facts, merge: UndoneMerge): Choice[] {
  return lineOf(facts, merge.uid)
    .flatMap((member) => ownRefusals(facts, member))
    .filter(({ act, at }) => act === 'opt_out' && merge.from <= at && at <= merge.until);
}

/** The same of the retired side: at its addresses, and in the account that it had, with those that this one succeeded. */
function optOutsOfRetired(facts: Facts, merge: UndoneMerge): Choice[] {
  const line = merge.claimant === null ? [] : lineOf(facts, merge.claimant);
  const inAccount = line.flatMap((member) => ownRefusals(facts, member));
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

/** What a person said, of all that reached them: newsletters and the opt-out follow from it. */
export interface Said {
  choices: readonly Choice[];
  /** When the opt-outs were made. */
  optOuts: readonly Time[];
  /** When the acts were made that can lift one. */
  proofs: readonly Time[];
}

export function saidIn(reached: Iterable<Choice>): Said {
  const choices = [...reached];
  const timesOf = (which: (choice: Choice) => boolean): Time[] => choices.filter(which).map(({ at }) => at);
  return { choices, optOuts: timesOf(({ act }) => act === 'opt_out'), proofs: timesOf(isProof) };
}

export const isProof = (choice: Choice): boolean => choice.proven && !isRefusal(choice);

/** Plus infinity when there is none. */
export const earliest = (times: readonly Time[]): Time =>
  times.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);

/** The latest opt-out before a time; minus infinity when there is none. */
export const lastOptOut = ({ optOuts }: Said, before: Time): Time =>
  optOuts.reduce((last, at) => (at < before && at > last ? at : last), Number.NEGATIVE_INFINITY);

/** Opted out just before a time: the latest opt-out stands unless a proven act came strictly later. */
export function optedOutBefore(said: Said, before: Time): boolean {
  const last = lastOptOut(said, before);
  return last !== Number.NEGATIVE_INFINITY && !said.proofs.some((at) => at > last && at < before);
}

export function subscriptions(said: Said): Map<string, Subscription> {
  const byNewsletter = new Map<string, Choice[]>();
  for (const choice of said.choices) {
    if (choice.newsletter === '') continue;
    const list = byNewsletter.get(choice.newsletter);
    if (!list || (list[0] as Choice).at < choice.at) byNewsletter.set(choice.newsletter, [choice]);
    else if ((list[0] as Choice).at === choice.at) list.push(choice);
  }
  const states = new Map<string, Subscription>();
  for (const name of [...byNewsletter.keys()].sort()) {
    states.set(name, subscription(byNewsletter.get(name) as Choice[], said));
  }
  return states;
}

/** The state that the latest choices about one newsletter (all of one time) leave. */
function subscription(last: Choice[], said: Said): Subscription {
  const chosenAt = (last[0] as Choice).at;
  if (last.some(isRefusal)) return { state: 'unsubscribed', since: chosenAt, chosenAt, by: 'choice' };
  const ended = said.optOuts.filter((time) => time >= chosenAt);
  if (ended.length > 0) return { state: 'unsubscribed', since: earliest(ended), chosenAt, by: 'opt_out' };
  const since = earliest(last.map((choice) => beginning(choice, said)));
  if (since === Number.POSITIVE_INFINITY) {
    return { state: 'unsubscribed', since: chosenAt, chosenAt, by: 'unconfirmed' };
  }
  return { state: 'subscribed', since, chosenAt, by: since === chosenAt ? 'choice' : 'confirmation' };
}

/**
 * When a subscription that no opt-out ended begins: an unproven one made while opted out only with a later `confirm` at
 * its origin. Plus infinity when it never does.
 */
export function beginning(choice: Choice, said: Said): Time {
  if (choice.proven || !optedOutBefore(said, choice.at)) return choice.at;
  const confirmed = said.choices.filter(
    ({ act, proven, at, origin }) =>
      act === 'confirm' &&
      proven &&
      at > choice.at &&
      origin.kind === choice.origin.kind &&
      origin.key === choice.origin.key,
  );
  return earliest(confirmed.map(({ at }) => at));
}
