/**
 * The fold: what readers of the contact service see of one person, made of the facts alone.
 *
 * An account's view is made of the account's own facts and of all that was learned in its periods, also at addresses that
 * it has lost since; a lone address's view, of all that was learned there. Refusals weigh more than consent at every
 * turn: at equal times, in what a deleted account leaves behind, and in what its successor inherits.
 */

import type { Time } from '../facts/event';
import {
  type Choice,
  type Dated,
  type Facts,
  isRefusal,
  latest,
  PROFILE_FIELDS,
  type ProfileField,
} from '../facts/facts';
import { languageOf } from '../facts/language';
import { addressesClaimedBy, type Person, primaryOf } from '../identity/ownership';
import { choicesReaching, isLive, isTheirs } from './attribution';

export interface Subscription {
  state: 'subscribed' | 'unsubscribed';
  /** Since when: the choice itself, the opt-out that ended it, or the confirmation that began it. */
  since: Time;
  /** The time of the latest choice about the newsletter: the one that decides. */
  chosenAt: Time;
  /** What made it so: that choice, or what came of it. */
  by: 'choice' | 'confirmation' | 'opt_out' | 'unconfirmed';
}

export interface ContactView {
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

export function contactView(facts: Facts, person: Person): ContactView {
  const said = saidIn(choicesReaching(facts, person).keys());
  const learned = learnedOf(facts, person);
  return {
    addresses: person.addresses,
    account: isLive(facts, person.uid) ? person.uid : null,
    primary: person.uid === null ? (person.addresses[0] ?? null) : primaryOf(facts, person.uid),
    profile: Object.fromEntries(
      PROFILE_FIELDS.map((field) => [field, learned[field]?.value ?? null]),
    ) as ContactView['profile'],
    learned,
    optedOut: optedOutBefore(said, Number.POSITIVE_INFINITY),
    doubleOptIn: (person.uid !== null && person.addresses.length > 0) || said.proofs.length > 0,
    newsletters: subscriptions(said),
  };
}

function learnedOf(facts: Facts, { uid, addresses }: Person): ContactView['learned'] {
  const learned: ContactView['learned'] = {};
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
