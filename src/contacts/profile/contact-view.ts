/**
 * The contact view: a projection of the facts to what clients see of one person.
 *
 * An account's view combines the facts in the account with those in its periods, also at lost addresses; a lone address's
 * view has all facts there. Refusals outweigh consent: at equal times, and when an account is deleted or succeeded.
 */

import type { Time } from '../facts/event';
import {
  type Choice,
  type Dated,
  type Facts,
  isRefusal,
  latest,
  mergeChoices,
  type NO_DETAILS,
  PROFILE_FIELDS,
  type ProfileField,
} from '../facts/facts';
import { languageOf } from '../facts/language';
import { addressesClaimedBy, isLive, type Person, periodsClaimedBy, primaryOf } from '../identity/ownership';
import { attributedChoices, belongsTo, type Provenance } from './attribution';
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

export interface Subscription {
  state: 'subscribed' | 'unsubscribed';
  /**
   * The start of the unbroken run of subscriptions: the time of its first choice, or of the confirmation that it waited for.
   * For an ended subscription, the time of the refusal or of the opt-out.
   */
  since: Time;
  /** The time of the latest choice about the newsletter. */
  chosenAt: Time;
  /** The cause of the state: the latest choice alone, its later confirmation, an opt-out, or a missing confirmation. */
  by: 'choice' | 'confirmation' | 'opt_out' | 'unconfirmed';
  /** The details of the latest choice. */
  details: Pick<Choice, keyof typeof NO_DETAILS>;
}

/** The opt-out in force. */
export interface OptOut {
  at: Time;
  /** Null if its reader gave none, or if another person opted out during a merge that was undone. */
  reason: string | null;
}

/** What the account service said about a live account. */
export interface AccountProfile {
  createdAt: Time | null;
  firstService: string | null;
  /** The Accept-Language value, as the account service sent it. */
  locale: string | null;
}

/** The latest value of a profile field from each source. */
export interface ProfileSources {
  /** Newsletter events and imports. A null is a cleared field. */
  reader?: Dated;
  /** The live account. */
  account?: Dated;
}

/** The source that counts: the reader, whatever the times, unless the field was cleared and the account has a value. */
export const shownSource = ({ reader, account }: ProfileSources = {}): keyof ProfileSources =>
  reader && (reader.value !== null || !account) ? 'reader' : 'account';

export const shownValue = (sources: ProfileSources = {}): Dated | undefined => sources[shownSource(sources)];

export interface Email {
  /** The address as typed. */
  address: string;
  primary: boolean;
  /** The contact's account claimed the address, or a proven act confirmed it there. */
  verified: boolean;
}

export interface ContactView {
  addresses: string[];
  /** The same addresses for people: the primary one first, the others in the order of `addresses`. */
  emails: Email[];
  /** The live account; null for a deleted one. */
  account: string | null;
  accountProfile: AccountProfile | null;
  primary: string | null;
  profile: Record<ProfileField, string | null>;
  /** Where these values come from; without fields that have no fact. */
  profileSources: Partial<Record<ProfileField, ProfileSources>>;
  optedOut: boolean;
  optOut: OptOut | null;
  doubleOptIn: boolean;
  newsletters: Map<string, Subscription>;
}

/** The addresses besides the primary one, as typed. */
export const formerAddresses = ({ emails }: ContactView): string[] =>
  emails.flatMap(({ address, primary }) => (primary ? [] : address));

/** Whether a mailer may write to the contact: it has an address, did not opt out, and its address is confirmed. */
export const isMailable = ({ primary, optedOut, doubleOptIn }: ContactView): boolean =>
  primary !== null && !optedOut && doubleOptIn;

/** Whether a sign-up of the contact has to be confirmed. A reader who opted out is not written to, not even for that. */
export const needsConfirmation = ({ primary, optedOut, doubleOptIn }: ContactView): boolean =>
  primary !== null && !optedOut && !doubleOptIn;

export function contactView(facts: Facts, person: Person): ContactView {
  const attributed = attributedChoices(facts, person);
  const history = historyOf(attributed.keys());
  const optOut = optOutOf(history, attributed);
  const profileSources = profileOf(facts, person);
  const primary = person.uid === null ? (person.addresses[0] ?? null) : primaryOf(facts, person.uid);
  return {
    addresses: person.addresses,
    emails: emailsOf(facts, person, primary, history),
    account: isLive(facts, person.uid) ? person.uid : null,
    accountProfile: accountProfileOf(facts, person.uid),
    primary,
    profile: Object.fromEntries(
      PROFILE_FIELDS.map((field) => [field, shownValue(profileSources[field])?.value ?? null]),
    ) as ContactView['profile'],
    profileSources,
    optedOut: optOut !== null,
    optOut,
    doubleOptIn: (person.uid !== null && person.addresses.length > 0) || history.proofs.length > 0,
    newsletters: subscriptions(history),
  };
}

function accountProfileOf(facts: Facts, uid: string | null): AccountProfile | null {
  const account = isLive(facts, uid) ? facts.accounts.get(uid) : undefined;
  if (!account) return null;
  const { createdAt = null, service, locale } = account;
  return { createdAt, firstService: service?.value ?? null, locale: locale?.value ?? null };
}

function optOutOf(history: ChoiceHistory, attributed: ReadonlyMap<Choice, Provenance>): OptOut | null {
  if (!optedOutBefore(history, Number.POSITIVE_INFINITY)) return null;
  const at = lastOptOut(history, Number.POSITIVE_INFINITY);
  const own = history.choices.filter(
    (choice) => choice.act === 'opt_out' && choice.at === at && attributed.get(choice) !== 'undone_merge',
  );
  const given = reasonGivenLater(history, { newsletter: '', at }) ?? (own.length > 0 ? own.reduce(mergeChoices) : null);
  return { at, reason: given?.reason ?? null };
}

function emailsOf(
  facts: Facts,
  { uid, addresses }: Person,
  primary: string | null,
  { choices }: ChoiceHistory,
): Email[] {
  const isClaimed = (address: string): boolean => uid !== null && periodsClaimedBy(facts, address, uid).length > 0;
  const confirmed = new Set(
    choices.filter(isProvenAct).flatMap(({ origin: { kind, key } }) => (kind === 'address' ? key : [])),
  );
  const emails = addresses.map((address) => ({
    address: asTyped(facts, address) ?? address,
    primary: address === primary,
    verified: isClaimed(address) || confirmed.has(address),
  }));
  return [...emails.filter((email) => email.primary), ...emails.filter((email) => !email.primary)];
}

/** An address as its reader typed it; null if the address is unknown or erased. */
export const asTyped = (facts: Facts, address: string | null): string | null =>
  facts.addresses.get(address ?? '')?.typed.value ?? null;

function profileOf(facts: Facts, { uid, addresses }: Person): ContactView['profileSources'] {
  const sources: ContactView['profileSources'] = {};
  for (const address of uid === null ? addresses : addressesClaimedBy(facts, uid)) {
    const profile = facts.addresses.get(address)?.profile ?? {};
    for (const field of PROFILE_FIELDS) {
      const value = profile[field];
      if (!value || !belongsTo(facts, uid, address, value.at)) continue;
      sources[field] = { reader: latest(sources[field]?.reader, value) as Dated };
    }
  }
  const account = isLive(facts, uid) ? facts.accounts.get(uid) : undefined;
  const lang = account?.locale && languageOf(account.locale.value);
  if (account?.locale && lang) sources.lang = { ...sources.lang, account: { value: lang, at: account.locale.at } };
  if (account?.country) sources.country = { ...sources.country, account: account.country };
  return sources;
}

export function subscriptions(history: ChoiceHistory): Map<string, Subscription> {
  const byNewsletter = new Map<string, Choice[]>();
  for (const choice of history.choices) {
    if (choice.newsletter === '') continue;
    const list = byNewsletter.get(choice.newsletter);
    if (list) list.push(choice);
    else byNewsletter.set(choice.newsletter, [choice]);
  }
  const states = new Map<string, Subscription>();
  for (const name of [...byNewsletter.keys()].sort()) {
    states.set(name, subscription(byNewsletter.get(name) as Choice[], history));
  }
  return states;
}

/** @param choices all about one newsletter */
function subscription(choices: Choice[], history: ChoiceHistory): Subscription {
  const byTime = groupedByTime(choices);
  const last = byTime[0] as Choice[];
  const { at: chosenAt, ...decisive } = last.reduce(mergeChoices);
  const chosen = { chosenAt, details: detailsOf(decisive) };
  if (isRefusal(decisive)) {
    const reason = reasonGivenLater(history, { newsletter: decisive.newsletter, at: chosenAt })?.reason;
    if (reason) chosen.details.reason = reason;
    return { state: 'unsubscribed', since: chosenAt, by: 'choice', ...chosen };
  }
  const ended = history.optOuts.filter((time) => time >= chosenAt);
  if (ended.length > 0) return { state: 'unsubscribed', since: earliest(ended), by: 'opt_out', ...chosen };
  const effectiveAt = startOf(last, history);
  if (effectiveAt === Number.POSITIVE_INFINITY) {
    return { state: 'unsubscribed', since: chosenAt, by: 'unconfirmed', ...chosen };
  }
  const by = effectiveAt === chosenAt ? 'choice' : 'confirmation';
  const since = startOfRun(byTime.slice(1), chosenAt, effectiveAt, history);
  return { state: 'subscribed', since, by, ...chosen };
}

const detailsOf = ({ source, lang, format, reason, fields }: Subscription['details']): Subscription['details'] => ({
  source,
  lang,
  format,
  reason,
  fields,
});

/** The choices of each time, the latest first. */
function groupedByTime(choices: Choice[]): Choice[][] {
  const groups: Choice[][] = [];
  for (const choice of choices.sort((a, b) => b.at - a.at)) {
    const group = groups.at(-1);
    if (group?.[0]?.at === choice.at) group.push(choice);
    else groups.push([choice]);
  }
  return groups;
}

const startOf = (subscribes: readonly Choice[], history: ChoiceHistory): Time =>
  earliest(subscribes.map((choice) => takesEffectAt(choice, history)));

/**
 * When the unbroken run of subscriptions began. A repeated subscription finds the first one in effect, so it changes nothing
 * that readers see.
 *
 * @param before the earlier choices of each time, the latest first
 * @param effectiveAt when the latest one took effect
 */
function startOfRun(before: readonly Choice[][], chosenAt: Time, effectiveAt: Time, history: ChoiceHistory): Time {
  let [start, at] = [effectiveAt, chosenAt];
  for (const group of before) {
    const from = group.some(isRefusal) ? Number.POSITIVE_INFINITY : startOf(group, history);
    const made = (group[0] as Choice).at;
    const wasInEffect = from < at && !history.optOuts.some((time) => time >= made && time < at);
    if (start !== at || !wasInEffect) break;
    [start, at] = [from, made];
  }
  return start;
}
