/**
 * The consent ledger as proof: every known choice of a person, whether it counts, and why. It uses the functions of the
 * contact view, so the two cannot disagree.
 */

import type { Time } from '../facts/event';
import { type Choice, type Facts, isRefusal, NO_DETAILS, type Origin, originKey } from '../facts/facts';
import { compareText } from '../facts/order';
import { isRefusedBy } from '../facts/refused';
import { addressesClaimedBy, type Person, periodsClaimedBy } from '../identity/ownership';
import { attributedChoices, type Provenance, withPredecessors } from './attribution';
import {
  type ChoiceHistory,
  earliest,
  historyOf,
  isProvenAct,
  lastOptOut,
  optedOutBefore,
  reasonGivenLater,
  takesEffectAt,
} from './choice-history';
import { type Subscription, subscriptions } from './contact-view';

/** Why a choice counts: without it, a newsletter's state, the opt-out, or the reason of either could be different. */
const COUNTED = [
  /** The latest choice about its newsletter: it decides the state. */
  'decides',
  /** The opt-out in force. */
  'stands',
  /** An opt-out that was lifted or repeated since; the subscriptions that it ended or held back stay so. */
  'ends',
  /** The first proven act after the latest opt-out: it lifted the opt-out. */
  'lifts',
  /** A reason that is shown with a refusal. */
  'explains',
  /** Another proven confirmation: double opt-in, and the start of a subscription that waited for it. */
  'confirms',
] as const;

/** Why a choice does not count. */
type IgnoredBecause =
  /** A later choice exists: about the same newsletter, or a later opt-out. */
  | 'superseded'
  /** A reason, with no refusal before it. */
  | 'explains_nothing'
  /** A set that refuses only newsletters that the person never had. */
  | 'refuses_nothing'
  /** A subscription, with a refusal of the same newsletter at the same time. */
  | 'refusal_wins'
  /** The latest choice about its newsletter, but an opt-out came at its time or later. */
  | 'ended_by_opt_out'
  /** The latest choice about its newsletter, but made while opted out, without proof, and never confirmed at its origin. */
  | 'unproven_while_opted_out'
  /** A confirmation without proof. */
  | 'unproven'
  /** An opt-out before a strictly later proven act. */
  | 'lifted'
  /** Made at an address of the person, in another account's period. */
  | 'not_their_period'
  /** Made in an account that was deleted, and not a refusal. */
  | 'account_deleted';

export type Why = (typeof COUNTED)[number] | IgnoredBecause;

/**
 * One choice of the ledger. If another person made it (in their period, or on the other side of an undone merge), its
 * source, language, format, reason and fields are withheld, and its origin too unless it is an address of this person.
 */
export interface LedgerEntry extends Omit<Choice, 'origin'> {
  origin: Origin | null;
  counts: boolean;
  why: Why;
  /** Null for a choice that is not attributed to the person. */
  via: Provenance | null;
}

/**
 * The choices attributed to a person, and others that were made at its addresses, in its account (live or deleted) or in
 * its predecessors' accounts. Sorted by time; copies of a refusal are listed once.
 */
export function consentOf(facts: Facts, person: Person): LedgerEntry[] {
  const attributed = attributedChoices(facts, person);
  const whyOf = judge(historyOf(attributed.keys()));
  const origins = originsOf(facts, person);
  const own = new Set(origins.map(originKey));

  const entries = [...attributed].map(([choice, via]) => entryOf(choice, whyOf(choice), via, own));
  for (const origin of origins) {
    const isAccount = origin.kind === 'account';
    if (!isAccount && !person.addresses.includes(origin.key)) continue; // others' choices at a lost address
    for (const choice of facts.choicesAt(origin)) {
      if (attributed.has(choice)) continue;
      const via = isAccount ? (origin.key === person.uid ? 'own' : 'predecessor') : null;
      entries.push(entryOf(choice, isAccount ? 'account_deleted' : 'not_their_period', via, own));
    }
  }
  return withoutCopies(entries).sort(byTime);
}

/**
 * A refusal by token is recorded at the account and, without details, at each mailbox. Only one of these copies is
 * listed, the one at the account if possible.
 */
function withoutCopies(entries: readonly LedgerEntry[]): LedgerEntry[] {
  const original = new Map<string, LedgerEntry>();
  const keyOf = ({ act, newsletter, at }: LedgerEntry): string => [act, at, newsletter].join(' ');
  for (const entry of entries) {
    if (!isRefusal(entry)) continue;
    const known = original.get(keyOf(entry));
    if (!known || rankOf(entry) > rankOf(known)) original.set(keyOf(entry), entry);
  }
  return entries.filter((entry) => !isRefusal(entry) || hasDetails(entry) || original.get(keyOf(entry)) === entry);
}

const hasDetails = (entry: LedgerEntry): boolean =>
  (Object.keys(NO_DETAILS) as (keyof typeof NO_DETAILS)[]).some((detail) => entry[detail] !== null);

/** How much an entry says about a refusal: whether it is the person's, then its details, then its origin. */
const rankOf = (entry: LedgerEntry): number =>
  (entry.via === 'own' || entry.via === 'predecessor' ? 8 : 0) +
  (entry.via === 'undone_merge' ? 4 : 0) +
  (hasDetails(entry) ? 2 : 0) +
  (entry.origin?.kind === 'account' ? 1 : 0);

/** A person's addresses, present and lost, its account, and its predecessors' accounts. */
function originsOf(facts: Facts, { uid, addresses }: Person): Origin[] {
  const address = (key: string): Origin => ({ kind: 'address', key });
  if (uid === null) return addresses.map(address);
  const owned = addressesClaimedBy(facts, uid).filter((key) => periodsClaimedBy(facts, key, uid).length > 0);
  return [...owned.map(address), ...withPredecessors(facts, uid).map((key): Origin => ({ kind: 'account', key }))];
}

function entryOf(choice: Choice, why: Why, via: Provenance | null, own: ReadonlySet<string>): LedgerEntry {
  const counts = COUNTED.some((reason) => reason === why);
  if (via === 'own' || via === 'predecessor') return { ...choice, counts, why, via };
  const origin = own.has(originKey(choice.origin)) ? choice.origin : null;
  return { ...choice, ...NO_DETAILS, origin, counts, why, via };
}

/** Weighs the choices attributed to a person against each other. */
function judge(history: ChoiceHistory): (choice: Choice) => Why {
  const states = subscriptions(history);
  const weighed = new Set(history.choices);
  const lastOut = lastOptOut(history, Number.POSITIVE_INFINITY);
  const lifting = earliest(history.proofs.filter((at) => at > lastOut));
  const ending = new Set([...states.values()].flatMap((state) => endingOf(state, lastOut)));
  const lifts = (choice: Choice): boolean =>
    lastOut !== Number.NEGATIVE_INFINITY && choice.at === lifting && isProvenAct(choice) && weighed.has(choice);

  return (choice) => {
    if (choice.act === 'set') return ofSet(choice, states);
    if (choice.act === 'reason') return ofReason(choice, history);
    if (choice.act === 'opt_out') return ofOptOut(choice.at, history, ending);
    if (choice.act === 'confirm') return lifts(choice) ? 'lifts' : choice.proven ? 'confirms' : 'unproven';
    const why = ofNewsletter(choice, states.get(choice.newsletter) as Subscription, history);
    return why !== 'decides' && lifts(choice) ? 'lifts' : why;
  };
}

/** The time of the opt-out that caused a newsletter's state. */
function endingOf({ by, since }: Subscription, lastOut: Time): Time[] {
  if (by === 'opt_out') return [since];
  return by === 'unconfirmed' ? [lastOut] : [];
}

function ofOptOut(at: Time, history: ChoiceHistory, ending: ReadonlySet<Time>): Why {
  const next = earliest(history.optOuts.filter((other) => other > at));
  const lifted = !optedOutBefore(history, next);
  if (!lifted && next === Number.POSITIVE_INFINITY) return 'stands';
  if (ending.has(at)) return 'ends';
  return lifted ? 'lifted' : 'superseded';
}

function ofSet({ at, refused }: Choice, states: ReadonlyMap<string, Subscription>): Why {
  const ended = [...states].filter(([newsletter]) => refused && isRefusedBy(refused, newsletter));
  if (ended.length === 0) return 'refuses_nothing';
  return ended.some(([, { chosenAt }]) => chosenAt === at) ? 'decides' : 'superseded';
}

function ofReason(choice: Choice, history: ChoiceHistory): Why {
  const given = history.reasons.find((reason) => reason.choice === choice);
  if (!given) return 'explains_nothing';
  const { newsletter, refusedAt } = given;
  const explained = history.choices.filter(({ at, act }) => at === refusedAt && isRefusal({ act }));
  const isShown = (refusal: Choice): boolean => reasonGivenLater(history, refusal) === choice;
  return explained.some((refusal) => (newsletter === '' || refusal.newsletter === newsletter) && isShown(refusal))
    ? 'explains'
    : 'superseded';
}

function ofNewsletter(choice: Choice, { chosenAt, state, by }: Subscription, history: ChoiceHistory): Why {
  if (choice.at < chosenAt) return 'superseded';
  if (isRefusal(choice)) return 'decides';
  if (by === 'opt_out') return 'ended_by_opt_out';
  if (by === 'choice' && state === 'unsubscribed') return 'refusal_wins';
  return takesEffectAt(choice, history) === Number.POSITIVE_INFINITY ? 'unproven_while_opted_out' : 'decides';
}

/** Sorts by time; at equal times by newsletter and origin, so that the same facts always give the same list. */
const byTime = (a: LedgerEntry, b: LedgerEntry): number =>
  a.at - b.at ||
  compareText(a.newsletter, b.newsletter) ||
  compareText(a.origin ? originKey(a.origin) : '', b.origin ? originKey(b.origin) : '');
