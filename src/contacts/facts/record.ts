/** What an event says, as facts. */
import type { Address, ClaimEvent, ContactEvent, NewsletterEvent, Profile, Time } from './event';
import {
  type AccountFacts,
  type AddressFacts,
  type Choice,
  type Claim,
  Facts,
  type Origin,
  PROFILE_FIELDS,
} from './facts';
import { languageOf } from './language';

/** The address that an event names; one that is addressed by a token names none. */
export function namedAddress(event: ContactEvent): Address | null {
  if (event.kind === 'claim') return event.address;
  return event.kind === 'newsletter' && 'address' in event.to ? event.to.address : null;
}

/**
 * What the events of a batch say of each address and account, put together: the rows to insert for those that are new.
 * Deletions are left out: they move addresses, which takes a look at all claims.
 */
export function incomingFacts(events: readonly ContactEvent[]): Facts {
  const incoming = new Facts();
  for (const event of events) {
    if (event.kind === 'deletion') {
      incoming.addAccount({ uid: event.uid });
    } else if (event.kind === 'claim') {
      incoming.addAddress(addressFacts(event.address, event.at));
      incoming.addAccount(accountFacts(event));
    } else if ('address' in event.to) {
      incoming.addAddress(addressFacts(event.to.address, event.at, event.profile));
    }
  }
  return incoming;
}

/** What an event says of an address. */
export function addressFacts(address: Address, typedAt: Time, profile: Profile = {}, at: Time = typedAt): AddressFacts {
  const learned: AddressFacts = { address: address.key, typed: { value: address.typed, at: typedAt }, profile: {} };
  for (const field of PROFILE_FIELDS) {
    const value = profile[field];
    if (value !== undefined) learned.profile[field] = { value, at };
  }
  return learned;
}

/** What a claim says of its account. */
export function accountFacts({ uid, at, locale, country, service }: ClaimEvent): AccountFacts {
  return {
    uid,
    ...(locale !== undefined && { locale: { value: locale, at } }),
    ...(country !== undefined && { country: { value: country, at } }),
    ...(service !== undefined && { service: { value: service, at } }),
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

/** The choices that an event makes; those in an account are proven, for the account proved its address. */
export function choicesOf(event: ClaimEvent): Choice[];
export function choicesOf(event: NewsletterEvent, origin: Origin): Choice[];
export function choicesOf(event: ClaimEvent | NewsletterEvent, origin?: Origin): Choice[] {
  if (event.kind === 'claim') {
    const common = {
      origin: { kind: 'account' as const, key: event.uid },
      at: event.at,
      act: 'subscribe' as const,
      proven: true,
      source: event.trigger.event,
      lang: (event.locale && languageOf(event.locale)) ?? null,
      format: null,
      reason: null,
    };
    return event.newsletters.map((newsletter) => ({ ...common, newsletter }));
  }
  const { at, act, proven, profile, source, reason } = event;
  const common = {
    origin: origin as Origin,
    at,
    act,
    proven,
    source: source ?? null,
    lang: profile.lang ?? null,
    format: profile.format ?? null,
    reason: reason ?? null,
  };
  const newsletters = act === 'opt_out' || act === 'confirm' ? [''] : event.newsletters;
  return newsletters.map((newsletter) => ({ ...common, newsletter }));
}
