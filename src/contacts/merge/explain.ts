/**
 * Explains a merge for the ledger: why each value of the two contacts won or lost. The token decision is not
 * part of it: `decideToken` explains that one, and the ledger stores it in columns of its own.
 */
import type { Time } from '../facts/event';
import { type Dated, type Facts, FIELD_NAMES, latest, PROFILE_FIELDS, type ProfileField } from '../facts/facts';
import type { Contact } from '../identity/contact-index';
import {
  type ContactView,
  type ProfileSources,
  type Subscription,
  shownSource,
  shownValue,
} from '../profile/contact-view';
import type { BeforeAndAfter } from './before-and-after';
import type { MergePlan, StoredMerge } from './merge';
import { SIDES, type Side } from './token-policy';

export type Why =
  /** Only one side had a value. */
  | 'only'
  /** Both sides had the same value. */
  | 'same'
  /** The winner's value is later; for addresses, the account claimed it later. */
  | 'later'
  /** At equal times the greater value wins. */
  | 'greater'
  /** At equal times a value beats a null. */
  | 'value_before_null'
  /** What the reader said beats what the account said, whatever the times. */
  | 'reader'
  /** The reader cleared the field, which gives it back to the account. */
  | 'account'
  /** At equal times the refusal wins. */
  | 'refusal'
  /** The winner had chosen exactly some newsletters, without this one. */
  | 'set'
  /** The winner's opt-out ended the other side's subscription. */
  | 'opt_out'
  /** The other side subscribed without proof while the winner was opted out. */
  | 'unconfirmed'
  /** A proven act of the winner lifted an opt-out of the other side. */
  | 'proven'
  /** The value does not come along: it belongs to a deleted account or to another account's ownership period. */
  | 'left_behind';

/** What became of one value. A side without a value is absent. */
export interface Verdict<T> {
  survivor?: T;
  retired?: T;
  /** The value after the merge where it differs from the winner's; null for none. */
  after?: T | null;
  won: Side | 'both' | null;
  why: Why;
}

/** Fields have their public names; times are milliseconds since 1970. */
export interface Explanation {
  primary?: Verdict<PrimaryClaim>;
  fields: { [name: string]: Verdict<Dated> };
  newsletters: { [name: string]: Verdict<NewsletterState> };
  /** The opt-out of all email. */
  opted_out?: Verdict<true>;
}

export interface ExplainedMerge extends MergePlan {
  /** Null for a merge that is older than explanations, or lost its own to an erasure or a purge. */
  explanation: Explanation | null;
}

/** A merge in the ledger with what is known about it now. */
export interface MergeDetails extends StoredMerge, ExplainedMerge {
  contacts: Record<Side, Pick<Contact, 'state' | 'mergedInto'>>;
  /** Addresses on which the account's claims are blocked since the merge was undone. */
  blocked: string[];
}

export interface PrimaryClaim {
  value: string;
  /** When the account last claimed it (for the retired side: any address of the merge); null for never. */
  at: Time | null;
}

export type NewsletterState = Pick<Subscription, 'state' | 'since'>;

/** @param facts all that the views of both contacts depend on, with choices */
export function explainMerge(merge: BeforeAndAfter, facts: Facts): Explanation {
  const { survivor, retired, after } = merge;
  const primary = primaryVerdict(merge, facts);
  const optedOut = optOutVerdict(merge);
  const newsletters = new Set([survivor, retired, after].flatMap((view) => [...view.newsletters.keys()]));
  return {
    ...(primary && { primary }),
    fields: verdicts(PROFILE_FIELDS.map((field) => [FIELD_NAMES[field], fieldVerdict(merge, field)])),
    newsletters: verdicts([...newsletters].sort().map((name) => [name, newsletterVerdict(merge, name)])),
    ...(optedOut && { opted_out: optedOut }),
  };
}

/** The value after the merge; undefined for none. */
export function valueAfter<T>({ survivor, retired, after, won }: Verdict<T>): T | undefined {
  if (after !== undefined) return after ?? undefined;
  return won === 'retired' ? retired : survivor;
}

/** `Object.fromEntries`, because a newsletter may be named `__proto__`. */
const verdicts = <T>(named: [name: string, verdict: T | undefined][]): { [name: string]: T } =>
  Object.fromEntries(named.filter((entry): entry is [string, T] => entry[1] !== undefined));

type Values<T> = Record<Side | 'after', T | undefined>;

/** The same value in all three views. */
const valuesOf = <T>(
  { survivor, retired, after }: Record<Side | 'after', ContactView>,
  value: (view: ContactView) => T | undefined,
): Values<T> => ({ survivor: value(survivor), retired: value(retired), after: value(after) });

type Decision = Pick<Verdict<unknown>, 'won' | 'why'>;

/** Undefined if neither side has a value. */
function verdict<T extends object | true>(values: Values<T>, { won, why }: Decision): Verdict<T> | undefined {
  const { survivor, retired, after } = values;
  if (survivor === undefined && retired === undefined && after === undefined) return undefined;
  const result: Verdict<T> = { won, why };
  if (survivor !== undefined) result.survivor = survivor;
  if (retired !== undefined) result.retired = retired;
  if (won === null || !sameValue(won === 'retired' ? retired : survivor, after)) result.after = after ?? null;
  return result;
}

function sameValue<T extends object | true>(a: T | undefined, b: T | undefined): boolean {
  if (typeof a !== 'object' || typeof b !== 'object') return a === b;
  for (const key in a) if (a[key] !== b[key]) return false;
  return true;
}

const other = (side: Side): Side => (side === 'survivor' ? 'retired' : 'survivor');

function fieldVerdict(merge: BeforeAndAfter, field: ProfileField): Verdict<Dated> | undefined {
  const sources = valuesOf(merge, ({ profileSources }) => profileSources[field]);
  const values = valuesOf(merge, ({ profileSources }) => shownValue(profileSources[field]));
  return verdict(values, decisionOnField(values, sources));
}

function decisionOnField({ survivor, retired, after }: Values<Dated>, sources: Values<ProfileSources>): Decision {
  const won = sameValue(survivor, after) ? 'survivor' : sameValue(retired, after) ? 'retired' : null;
  const expected = shownValue(latestOfEach(sources.survivor, sources.retired));
  if (!after || !sameValue(expected, after)) return { won: after ? won : null, why: 'left_behind' };
  // One side cleared the field; the other had a value of its own, which had hidden the account's.
  if (!won) return { won, why: 'account' };
  if (!survivor || !retired) return { won, why: 'only' };
  if (survivor.value === retired.value) return { won: 'both', why: 'same' };
  const source = shownSource(sources[won]);
  if (source !== shownSource(sources[other(won)])) return { won, why: source };
  if (survivor.at !== retired.at) return { won, why: 'later' };
  return { won, why: survivor.value === null || retired.value === null ? 'value_before_null' : 'greater' };
}

/** The sources of both sides together. */
function latestOfEach(a: ProfileSources = {}, b: ProfileSources = {}): ProfileSources {
  const [reader, account] = [latest(a.reader, b.reader), latest(a.account, b.account)];
  return { ...(reader && { reader }), ...(account && { account }) };
}

function primaryVerdict(merge: BeforeAndAfter, facts: Facts): Verdict<PrimaryClaim> | undefined {
  const { plan, uid, survivor, retired, after } = merge;
  const claim = (value: string | null, addresses: readonly string[]): PrimaryClaim | undefined =>
    value === null ? undefined : { value, at: claimedAt(facts, uid, addresses) };
  const values = {
    survivor: claim(survivor.primary, [survivor.primary ?? '']),
    retired: claim(retired.primary, plan.addresses),
    after: claim(after.primary, [after.primary ?? '']),
  };
  return verdict(values, decisionOnPrimary(values, plan.addresses));
}

/** When an account last claimed one of some addresses. */
function claimedAt(facts: Facts, uid: string, addresses: readonly string[]): Time | null {
  const claims = facts
    .claimsBy(uid)
    .filter(({ address, status }) => status === 'active' && addresses.includes(address));
  return claims.reduce<Time | null>((last, { at }) => (last === null || at > last ? at : last), null);
}

function decisionOnPrimary({ survivor, retired, after }: Values<PrimaryClaim>, moved: readonly string[]): Decision {
  if (!after) return { won: null, why: 'left_behind' };
  const isNow = (claim: PrimaryClaim | undefined): boolean => claim?.value === after.value;
  if (isNow(survivor) && isNow(retired)) return { won: 'both', why: 'same' };
  const won = isNow(survivor) ? 'survivor' : moved.includes(after.value) ? 'retired' : null;
  if (!won) return { won, why: 'left_behind' };
  if (!survivor || !retired) return { won, why: 'only' };
  return { won, why: survivor.at === retired.at ? 'greater' : 'later' };
}

function newsletterVerdict(merge: BeforeAndAfter, name: string): Verdict<NewsletterState> | undefined {
  const subscriptions = valuesOf(merge, ({ newsletters }) => newsletters.get(name));
  const states = valuesOf(merge, ({ newsletters }) => {
    const known = newsletters.get(name);
    return known && { state: known.state, since: known.since };
  });
  return verdict(states, decisionOnNewsletter(subscriptions));
}

function decisionOnNewsletter(values: Values<Subscription>): Decision {
  const { survivor, retired, after } = values;
  const last = Math.max(...SIDES.map((side) => values[side]?.chosenAt ?? Number.NEGATIVE_INFINITY));
  const [only, second] = SIDES.filter((side) => values[side]);
  // A side that never had the newsletter may have refused it with a set that did not list it.
  const wasRefused = after?.by === 'choice' && after.state === 'unsubscribed';
  const isNews = after && (after.chosenAt > last || (only && values[only]?.state === 'subscribed'));
  if (only && !second && wasRefused && isNews) return { won: other(only), why: 'set' };
  if (after?.chosenAt !== last) return { won: null, why: 'left_behind' };
  if (survivor?.state === after.state && retired?.state === after.state) return { won: 'both', why: 'same' };
  const chose = SIDES.filter((side) => values[side]?.chosenAt === last);
  const won = chose.find((side) => values[side]?.state === after.state);
  // Without a winner, the latest choice has a different result than on its own side alone: the other side caused that.
  if (!won) return { won: chose.length === 1 ? other(chose[0] as Side) : null, why: because(after) };
  if (!survivor || !retired) return { won, why: 'only' };
  if (chose.length === 1) return { won, why: 'later' };
  return { won, why: after.by === 'choice' && after.state === 'unsubscribed' ? 'refusal' : because(after) };
}

function because({ state, by }: Subscription): Why {
  if (state === 'subscribed') return 'proven';
  return by === 'unconfirmed' ? 'unconfirmed' : 'opt_out';
}

function optOutVerdict(merge: BeforeAndAfter): Verdict<true> | undefined {
  const values = valuesOf(merge, ({ optedOut }): true | undefined => optedOut || undefined);
  return verdict(values, decisionOnOptOut(values));
}

function decisionOnOptOut(values: Values<true>): Decision {
  const [side, second] = SIDES.filter((side) => values[side]);
  if (!side || (second && !values.after)) return { won: null, why: 'left_behind' };
  if (second) return { won: 'both', why: 'same' };
  return values.after ? { won: side, why: 'only' } : { won: other(side), why: 'proven' };
}
