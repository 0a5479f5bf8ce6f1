/** The facts in an event. */
import type { Address, ClaimEvent, ContactEvent, NewsletterEvent, Profile, Time } from './event';
import {
  type AccountFacts,
  type AddressFacts,
  type Choice,
  type Claim,
  Facts,
  NO_DETAILS,
  type Origin,
  PROFILE_FIELDS,
} from './facts';
import { languageOf } from './language';

/** The address in an event; null for a deletion and for an event addressed by token. */
export function namedAddress(event: ContactEvent): Address | null {
  if (event.kind === 'claim') return event.address;
  return event.kind === 'newsletter' && 'address' in event.to ? event.to.address : null;
}

/** The named address, if the event may add it to the stored ones. */
export function insertableAddress(event: ContactEvent): Address | null {
  return event.kind === 'newsletter' && 'address' in event.to && event.to.onlyIfStored ? null : namedAddress(event);
}

/**
 * The addresses and accounts of a batch with their facts: the rows to insert for new ones. Deletions are left out,
 * because they move addresses, which needs all claims.
 */
export function incomingFacts(events: readonly ContactEvent[]): Facts {
  const incoming = new Facts();
  for (const event of events) {
    const address = insertableAddress(event);
    if (address) incoming.addAddress(addressFacts(address, event.at, event.kind === 'newsletter' ? event.profile : {}));
    if (event.kind === 'deletion') incoming.addAccount({ uid: event.uid });
    else if (event.kind === 'claim') incoming.addAccount(accountFacts(event));
  }
  return incoming;
}

/** @param typedAt the time of the spelling. @param at the time of the profile. */
export function addressFacts(address: Address, typedAt: Time, profile: Profile = {}, at: Time = typedAt): AddressFacts {
  const facts: AddressFacts = { address: address.key, typed: { value: address.typed, at: typedAt }, profile: {} };
  for (const field of PROFILE_FIELDS) {
    const value = profile[field];
    if (value !== undefined) facts.profile[field] = { value, at };
  }
  return facts;
}

export function accountFacts({ uid, at, locale, country, service, createdAt }: ClaimEvent): AccountFacts {
  return {
    uid,
    ...(locale !== undefined && { locale: { value: locale, at } }),
    ...(country !== undefined && { country: { value: country, at } }),
    ...(service !== undefined && { service: { value: service, at } }),
    ...(createdAt !== undefined && { createdAt }),
  };
}

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

export function newsletterChoices(event: NewsletterEvent, origin: Origin): Choice[] {
  const { at, act, proven, profile, source = null, reason = null } = event;
  const newsletters = act === 'opt_out' || act === 'confirm' ? [''] : event.newsletters;
  const details = { source, lang: profile.lang ?? null, format: profile.format ?? null, reason, fields: null };
  return newsletters.map((newsletter) => ({ origin, newsletter, at, act, proven, ...details }));
}

/**
 * A refusal by token, at each mailbox that the token opened. Only the account has its details: an address may turn out to
 * be another reader's, who must not see them, and whose erasure would miss them.
 */
export function refusalsByToken(event: NewsletterEvent, uid: string | null, addresses: readonly string[]): Choice[] {
  const inAccount = uid === null ? [] : newsletterChoices(event, { kind: 'account', key: uid });
  const atAddresses = addresses.flatMap((key) => newsletterChoices(event, { kind: 'address', key }));
  return [...inAccount, ...atAddresses.map((choice) => ({ ...choice, ...NO_DETAILS }))];
}
