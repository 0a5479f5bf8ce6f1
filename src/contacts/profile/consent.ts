/**
 * The consent ledger as proof: every choice that is known of a person, whether it counts, and why. It asks the fold
 * which choices reach the person and what becomes of them, so that the two cannot disagree.
 */

import type { Time } from '../facts/event';
import { type Choice, type Facts, isRefusal, type Origin, originKey } from '../facts/facts';
import { addressesClaimedBy, type Person, periodsClaimedBy } from '../identity/ownership';
import { choicesReaching, lineOf, type Via } from './attribution';
import {
  beginning,
  earliest,
  isProof,
  lastOptOut,
  optedOutBefore,
  type Said,
  type Subscription,
  saidIn,
  subscriptions,
} from './contact-view';

/** Why a choice counts: without it, a newsletter's state or the opt-out could be another. */
export type CountsBecause =
  /** The latest about its newsletter: its state. */
  | 'decides'
  /** The opt-out in force. */
  | 'stands'
  /** An opt-out that was lifted, or made again, since: what it ended, or kept from beginning, stays so. */
  | 'ends'
  /** The first proven act after the latest opt-out: it lifted that. */
  | 'lifts'
  /** A proven confirmation besides: double opt-in, and the beginning of a subscription that waited for it. */
  | 'confirms';

/** Why a choice does not count. */
export type IgnoredBecause =
  /** There is a later one: about the same newsletter, or a later opt-out. */
  | 'superseded'
  /** A subscription, and at the same time a refusal of the same newsletter. */
  | 'refusal_wins'
  /** The latest about its newsletter, but an opt-out came at its time or later. */
  | 'ended_by_opt_out'
  /** The latest about its newsletter, but made while opted out, without proof, and never confirmed at its origin. */
  | 'unproven_while_opted_out'
  /** A confirmation without proof. */
  | 'unproven'
  /** An opt-out, and a proven act came strictly later. */
  | 'lifted'
  /** Made at an address of theirs in an period that belongs to another account. */
  | 'not_their_era'
  /** No refusal, made in an account that was deleted. */
  | 'account_deleted';

export type Why = CountsBecause | IgnoredBecause;

const COUNTING: ReadonlySet<Why> = new Set<CountsBecause>(['decides', 'stands', 'ends', 'lifts', 'confirms']);

/**
 * One choice of the ledger. Of one that somebody else made (in their period, or on the other side of an undone merge), the
 * source, the language, the format and the reason stay untold, and the origin unless it is an address of this person.
 */
export interface LedgerEntry extends Omit<Choice, 'origin'> {
  origin: Origin | null;
  counts: boolean;
  why: Why;
  /** Null when it does not reach the person. */
  via: Via | null;
}

/**
 * Every choice that reaches a person, wherever it was made; and of those that do not, all at the addresses which the
 * person has, in its account, live or deleted, and in the deleted ones that it succeeded. Each once, by time.
 */
export function consentOf(facts: Facts, person: Person): LedgerEntry[] {
  const reached = choicesReaching(facts, person);
  const whyOf = judge(saidIn(reached.keys()));
  const origins = originsOf(facts, person);
  const own = new Set(origins.map(originKey));

  const entries = [...reached].map(([choice, via]) => entryOf(choice, whyOf(choice), via, own));
  for (const origin of origins) {
    const isAccount = origin.kind === 'account';
    if (!isAccount && !person.addresses.includes(origin.key)) continue; // what others say there is not this person's
    for (const choice of facts.choicesAt(origin)) {
      if (reached.has(choice)) continue;
      const via = isAccount ? (origin.key === person.uid ? 'own' : 'predecessor') : null;
      entries.push(entryOf(choice, isAccount ? 'account_deleted' : 'not_their_era', via, own));
    }
  }
  return entries.sort(byTime);
}

/** Where a person's choices are made: its addresses, those it had, its account, and the deleted ones it succeeded. */
function originsOf(facts: Facts, { uid, addresses }: Person): Origin[] {
  const address = (key: string): Origin => ({ kind: 'address', key });
  if (uid === null) return addresses.map(address);
  const had = addressesClaimedBy(facts, uid).filter((key) => periodsClaimedBy(facts, key, uid).length > 0);
  return [...had.map(address), ...lineOf(facts, uid).map((key): Origin => ({ kind: 'account', key }))];
}

function entryOf(choice: Choice, why: Why, via: Via | null, own: ReadonlySet<string>): LedgerEntry {
  const entry = { ...choice, counts: COUNTING.has(why), why, via };
  if (via === 'own' || via === 'predecessor') return entry;
  const origin = own.has(originKey(choice.origin)) ? choice.origin : null;
  return { ...entry, origin, source: null, lang: null, format: null, reason: null };
}

/** What becomes of the choices that reach a person, among each other. */
function judge(said: Said): (choice: Choice) => Why {
  const states = subscriptions(said);
  const lastOut = lastOptOut(said, Number.POSITIVE_INFINITY);
  const lifting = earliest(said.proofs.filter((at) => at > lastOut));
  const ending = new Set([...states.values()].flatMap((state) => endingOf(state, lastOut)));
  const lifts = (choice: Choice): boolean =>
    lastOut !== Number.NEGATIVE_INFINITY && choice.at === lifting && isProof(choice);

  return (choice) => {
    if (choice.act === 'opt_out') return ofOptOut(choice.at, said, ending);
    if (choice.act === 'confirm') return lifts(choice) ? 'lifts' : choice.proven ? 'confirms' : 'unproven';
    const why = ofNewsletter(choice, states.get(choice.newsletter) as Subscription, said);
    return why !== 'decides' && lifts(choice) ? 'lifts' : why;
  };
}

/** The time of the opt-out to which a newsletter owes its state. */
function endingOf({ by, since }: Subscription, lastOut: Time): Time[] {
  if (by === 'opt_out') return [since];
  return by === 'unconfirmed' ? [lastOut] : [];
}

function ofOptOut(at: Time, said: Said, ending: ReadonlySet<Time>): Why {
  const next = earliest(said.optOuts.filter((other) => other > at));
  const lifted = !optedOutBefore(said, next);
  if (!lifted && next === Number.POSITIVE_INFINITY) return 'stands';
  if (ending.has(at)) return 'ends';
  return lifted ? 'lifted' : 'superseded';
}

function ofNewsletter(choice: Choice, { chosenAt, state, by }: Subscription, said: Said): Why {
  if (choice.at < chosenAt) return 'superseded';
  if (isRefusal(choice)) return 'decides';
  if (by === 'opt_out') return 'ended_by_opt_out';
  if (by === 'choice' && state === 'unsubscribed') return 'refusal_wins';
  return beginning(choice, said) === Number.POSITIVE_INFINITY ? 'unproven_while_opted_out' : 'decides';
}

/** By time; at one time by newsletter and origin, so that the same facts always give the same list. */
const byTime = (a: LedgerEntry, b: LedgerEntry): number => a.at - b.at || compare(placeOf(a), placeOf(b));
const placeOf = ({ newsletter, origin }: LedgerEntry): string =>
  `${newsletter}\u0000${origin === null ? '' : originKey(origin)}`;
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
