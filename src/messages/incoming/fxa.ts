import { z } from 'zod';
import { normaliseAddress } from '../../contacts/facts/address';
import type { ClaimEvent, ContactEvent, Time } from '../../contacts/facts/event';
import { languageOf } from '../../contacts/facts/language';
import { countryOf } from './country';
import { type DecodeContext, type Decoded, type Invalid, ignored, invalid, misshapen } from './decoded';
import { type FlatMessage, unwrap } from './envelope';
import { traceId } from './event-id';
import type { JsonObject } from './json';
import { distinct, NewsletterNames, Text } from './text';
import { fromSeconds, timeProblem } from './time';

const MAX_SERVICE = 200;

/** Fields that every handled account event has. */
export const AccountMessage = z.object({
  uid: z
    .string()
    .regex(/^[0-9a-fA-F]{32}(?:@[^@\s]*)?$/, 'must be 32 hexadecimal digits')
    .describe('The account; lower-cased, and the `@domain` of very old producers dropped'),
  ts: z.number().optional().describe('Event time, float seconds since 1970; required unless `timestamp` is there'),
  timestamp: z.number().nullish().describe('Event time, milliseconds since 1970; goes before `ts`'),
});

/** `primaryEmailChanged`, `login`, and a change of profile that tells the address: proof that the account owns it. */
export const AddressProvenMessage = AccountMessage.extend({
  email: z.string().nullish().describe('The primary address as typed. A message without it is refused'),
  locale: z.string().nullish().describe('Raw Accept-Language; dropped when it cannot be parsed'),
  countryCode: z.string().nullish().describe('ISO 3166-1, two letters (three are converted); dropped when unknown'),
  service: Text.max(MAX_SERVICE).nullish().describe('What the account was used for'),
});

/** `verified`, `newsletters:update`: as above, with what its reader subscribed to in the account. */
export const AccountSubscriptionsMessage = AddressProvenMessage.extend({
  newsletters: NewsletterNames.nullish().describe('Add-only: absence ends no subscription'),
});

type AccountSubscriptions = z.infer<typeof AccountSubscriptionsMessage>;

/**
 * What becomes of an event: a claim, with the subscriptions that it tells or without; a claim if it tells an address at
 * all; a deletion; or nothing, because no contact is concerned.
 */
type Handling = 'subscriptions' | 'address' | 'profile' | 'deletion' | 'ignore';

/** Flat names and token types in one table: no name means two things. Names are case-sensitive. */
const HANDLING = new Map<string, Handling>([
  ['verified', 'subscriptions'],
  ['newsletters:update', 'subscriptions'],
  ['login', 'address'],
  ['primaryEmailChanged', 'address'],
  ['profileDataChange', 'profile'],
  ['profileDataChanged', 'profile'],
  ['profile-change', 'profile'],
  ['delete', 'deletion'],
  ['delete-user', 'deletion'],
  ['passwordChange', 'ignore'],
  ['reset', 'ignore'],
  ['subscription:update', 'ignore'],
  ['device:create', 'ignore'],
  ['device:delete', 'ignore'],
  ['appleUserMigration', 'ignore'],
  ['password-change', 'ignore'],
  ['subscription-state-change', 'ignore'],
  ['metrics-opt-out', 'ignore'],
  ['metrics-opt-in', 'ignore'],
]);

/**
 * An account event in any of its envelopes. The type decides first: what is not handled is ignored whatever else is
 * wrong with it, and so is a change of profile that tells no address (flags such as `accountDisabled` mean nothing here).
 */
export function decodeFxa(message: JsonObject, context: DecodeContext): Decoded {
  const flat = unwrap(message);
  if ('kind' in flat) return flat;

  const handling = HANDLING.get(flat.event);
  if (handling === undefined) return ignored('other');
  if (handling === 'ignore' || (handling === 'profile' && isBlank(flat.fields.email))) return ignored(flat.event);
  if (flat.contradiction !== undefined) return invalid('invalid_shape', flat.contradiction);

  const event = handling === 'deletion' ? deletion(flat, context) : claim(flat, handling, context);
  return event.kind === 'invalid' ? event : { kind: 'event', event };
}

function deletion(flat: FlatMessage, context: DecodeContext): ContactEvent | Invalid {
  const { data, error } = AccountMessage.safeParse(flat.fields);
  if (error) return misshapen(error, flat.names);
  const at = timeOf(data, flat, context.now);
  if (typeof at !== 'number') return at;

  const uid = uidOf(data.uid);
  const id = traceId([...flat.ids, context.messageId], () => [flat.event, uid, at, null]);
  return { kind: 'deletion', trigger: { source: 'fxa', event: flat.event, id }, at, uid };
}

function claim(flat: FlatMessage, handling: Handling, context: DecodeContext): ClaimEvent | Invalid {
  const schema = handling === 'subscriptions' ? AccountSubscriptionsMessage : AddressProvenMessage;
  const { data, error }: z.ZodSafeParseResult<AccountSubscriptions> = schema.safeParse(flat.fields);
  if (error) return misshapen(error, flat.names);
  const at = timeOf(data, flat, context.now);
  if (typeof at !== 'number' && at.reason === 'invalid_shape') return at;

  if (data.email === undefined || data.email === null) return invalid('invalid_address', 'email: is missing');
  const normalised = normaliseAddress(data.email);
  if (!normalised.ok) return invalid('invalid_address', `email: ${normalised.problem}`);
  if (typeof at !== 'number') return at;

  const { address } = normalised;
  const uid = uidOf(data.uid);
  const id = traceId([...flat.ids, context.messageId], () => [flat.event, uid, at, address.key]);
  const trigger = { source: 'fxa', event: flat.event, id } as const;
  const event: ClaimEvent = { kind: 'claim', trigger, at, uid, address, newsletters: distinct(data.newsletters) };
  if (data.locale && languageOf(data.locale) !== undefined) event.locale = data.locale;
  const country = data.countryCode ? countryOf(data.countryCode) : undefined;
  if (country !== undefined) event.country = country;
  if (data.service) event.service = data.service;
  return event;
}

function timeOf(data: z.infer<typeof AccountMessage>, flat: FlatMessage, now: Time): Time | Invalid {
  const name = typeof data.timestamp === 'number' ? 'timestamp' : 'ts';
  const called = flat.names?.[name] ?? name;
  const at = typeof data.timestamp === 'number' ? Math.round(data.timestamp) : data.ts && fromSeconds(data.ts);
  if (at === undefined) return invalid('invalid_shape', `${called}: is missing`);
  const problem = timeProblem(at, now);
  return problem === undefined ? at : invalid('invalid_time', `${called}: ${problem}`);
}

function uidOf(sent: string): string {
  return sent.slice(0, 32).toLowerCase();
}

function isBlank(email: unknown): boolean {
  return email === undefined || email === null || (typeof email === 'string' && email.trim() === '');
}
