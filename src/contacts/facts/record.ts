/** The facts in an event. */
import type { Act, Address, ClaimEvent, ContactEvent, NewsletterEvent, Profile, Time } from './event';
import {
  type AccountFacts,
  type AddressFacts,
  type Choice,
  type Claim,
  type Dated,
  Facts,
  NO_DETAILS,
  NO_PROFILE,
  type Origin,
  type ProfileFacts,
  type ProfileField,
} from './facts';
import { languageOf } from './language';
import { reasonKey } from './later-reason';
import { setKey } from './refused';

/** The address in an event; null for a deletion and for an event addressed by token. */
export function namedAddress(event: ContactEvent): Address | null {
  if (event.kind === 'claim') return event.address;
  return event.kind === 'newsletter' && 'address' in event.to ? event.to.address : null;
}

/** The named address, if the event may add it to the stored ones. */
export function insertableAddress(event: ContactEvent): Address | null {
  return event.kind === 'newsletter' && 'address' in event.to && event.to.onlyIfStored ? null : namedAddress(event);
}

/** What a batch says about some addresses: the rows to insert for those that are new. */
export function addressesIn(events: readonly ContactEvent[], wanted: ReadonlySet<string>): Iterable<AddressFacts> {
  const incoming = new Facts();
  for (const event of events) {
    const address = insertableAddress(event);
    if (!address || !wanted.has(address.key)) continue;
    incoming.addAddress(addressFacts(address, event.at, event.kind === 'newsletter' ? event.profile : undefined));
  }
  return incoming.addresses.values();
}

/**
 * What a batch says about some accounts: the rows to insert for those that are new. Deletions are left out, because
 * they move addresses, which needs all claims.
 */
export function accountsIn(events: readonly ContactEvent[], wanted: ReadonlySet<string>): Iterable<AccountFacts> {
  const incoming = new Facts();
  for (const event of events) {
    if (event.kind === 'newsletter' || !wanted.has(event.uid)) continue;
    incoming.addAccount(event.kind === 'claim' ? accountFacts(event) : { uid: event.uid });
  }
  return incoming.accounts.values();
}

/** @param typedAt the time of the spelling. @param at the time of the profile. */
export function addressFacts(
  { key, typed }: Address,
  typedAt: Time,
  profile?: Profile,
  at: Time = typedAt,
): AddressFacts {
  return {
    address: key,
    typed: { value: typed, at: typedAt },
    profile: profile ? profileFacts(profile, at) : NO_PROFILE,
  };
}

/** With all fields, so that all profiles have one shape. */
function profileFacts({ firstName, lastName, country, lang, format }: Profile, at: Time): ProfileFacts {
  return {
    firstName: dated(firstName, at),
    lastName: dated(lastName, at),
    country: dated(country, at),
    lang: dated(lang, at),
    format: dated(format, at),
  } satisfies Record<ProfileField, Dated | undefined>;
}

export const accountFacts = ({ uid, at, locale, country, service, createdAt }: ClaimEvent): AccountFacts => ({
  uid,
  createdAt,
  deletedAt: undefined,
  locale: dated(locale, at),
  country: dated(country, at),
  service: dated(service, at),
});

const dated = <T extends string | null>(value: T | undefined, at: Time): Dated<T> | undefined =>
  value === undefined ? undefined : { value, at };

export const claimOf = ({ uid, at, address, trigger }: ClaimEvent): Claim => ({
  address: address.key,
  uid,
  at,
  status: 'active',
  event: trigger.event,
  eventId: trigger.id,
});

/** The subscriptions made in an account. They are proven, because the account proved its address. */
export function accountChoices({ uid, at, trigger, locale, newsletters }: ClaimEvent): Choice[] {
  if (newsletters.length === 0) return [];
  const lang = (locale && languageOf(locale)) ?? null;
  return newsletters.map((newsletter) => ({
    ...NO_DETAILS,
    origin: { kind: 'account', key: uid },
    newsletter,
    at,
    act: 'subscribe',
    proven: true,
    source: trigger.event,
    lang,
  }));
}

/** What a newsletter event at an origin adds to the consent ledger. */
export function newsletterChoices(event: NewsletterEvent, origin: Origin): Choice[] {
  if (event.act === 'set') return [...subscriptionsOf(event, origin), ...refusalsOf(event, origin)];
  return choicesOf(event, origin, event.act);
}

/** What a `set` subscribes to, as a sign-up would. */
export const subscriptionsOf = (event: NewsletterEvent, origin: Origin): Choice[] =>
  choicesOf({ ...event, reason: undefined }, origin, 'subscribe');

/** The choices that a refusal leads to. */
function refusalsOf(event: NewsletterEvent, origin: Origin): Choice[] {
  if (event.act !== 'set') return choicesOf(event, origin, event.act);
  const { at, refused, source = null, reason = null } = event;
  if (!refused) return [];
  return [
    { ...NO_DETAILS, origin, newsletter: setKey(refused), at, act: 'set', proven: false, source, reason, refused },
  ];
}

function choicesOf(event: NewsletterEvent, origin: Origin, act: Act): Choice[] {
  const { at, proven, profile, fields, source = null, reason = null } = event;
  const newsletters = keysOf(event, act);
  const [lang, format] = [profile.lang ?? null, profile.format ?? null];
  return newsletters.map((newsletter) => ({
    origin,
    newsletter,
    at,
    act,
    proven,
    source,
    lang,
    format,
    reason,
    fields: fields?.get(newsletter) ?? null,
  }));
}

function keysOf({ newsletters, reason }: NewsletterEvent, act: Act): readonly string[] {
  if (act === 'opt_out' || act === 'confirm') return [''];
  if (act !== 'reason') return newsletters;
  if (reason === undefined) return [];
  return newsletters.length > 0 ? newsletters.map(reasonKey) : [reasonKey('')];
}

/**
 * A refusal by token is recorded at each mailbox that the token opened. Only the account gets its details: an address may
 * turn out to be another reader's, who must not see them, and whose erasure would miss them.
 */
export function refusalsByToken(event: NewsletterEvent, uid: string | null, addresses: readonly string[]): Choice[] {
  const inAccount = uid === null ? [] : refusalsOf(event, { kind: 'account', key: uid });
  const atAddresses = addresses.flatMap((key) => refusalsOf(event, { kind: 'address', key }));
  return [...inAccount, ...atAddresses.map((choice) => ({ ...choice, ...NO_DETAILS }))];
}
