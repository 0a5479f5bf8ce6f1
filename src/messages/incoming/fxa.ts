import { z } from 'zod';
import type { ClaimEvent, DeletionEvent, Time } from '../../contacts/facts/event';
import { languageOf } from '../../contacts/facts/language';
import { type Dead, type DecodeContext, type Decoded, dead, type JsonObject, shapeProblems } from './decoded';
import { type FlatMessage, unwrap } from './envelope';
import { addressOf, countryOf, distinct, fromSeconds, NewsletterNames, Text, timeProblem, traceId } from './fields';

const MAX_SERVICE = 200;

/** The fields of every handled account event. */
export const AccountMessage = z.object({
  uid: z
    .string()
    .regex(/^[0-9a-fA-F]{32}(?:@[^@\s]*)?$/, 'must be 32 hexadecimal digits')
    .describe('The account; lower-cased, and the `@domain` of very old producers dropped'),
  ts: z.number().optional().describe('Event time, float seconds since 1970; required unless `timestamp` is there'),
  timestamp: z.number().nullish().describe('Event time, milliseconds since 1970; goes before `ts`'),
});

/** `primaryEmailChanged`, `login`, and a change of profile with an address: proof that the account owns it. */
export const AddressProvenMessage = AccountMessage.extend({
  email: z.string().nullish().describe('The primary address as typed. A message without it is refused'),
  locale: z.string().nullish().describe('Raw Accept-Language; dropped when it cannot be parsed'),
  countryCode: z.string().nullish().describe('ISO 3166-1, two letters (three are converted); dropped when unknown'),
  service: Text.max(MAX_SERVICE).nullish().describe('What the account was used for'),
  createDate: z
    .number()
    .nullish()
    .catch(undefined)
    .describe('When the account was created, float seconds since 1970; dropped when implausible'),
});

/** `verified`, `newsletters:update`: the same, with subscriptions made in the account. */
export const AccountSubscriptionsMessage = AddressProvenMessage.extend({
  newsletters: NewsletterNames.nullish().describe('Add-only: absence ends no subscription'),
});

type AccountSubscriptions = z.infer<typeof AccountSubscriptionsMessage>;

const SCHEMAS = {
  subscriptions: AccountSubscriptionsMessage,
  address: AddressProvenMessage,
  /** Like `address`, if the event has one: flags such as `accountDisabled` do not concern contacts. */
  profile: AddressProvenMessage,
  deletion: AccountMessage,
};

type Handling = keyof typeof SCHEMAS | 'ignore';

/** Flat names and token types in one table, because no name has two meanings. Names are case-sensitive. */
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
 * Decodes an account event in any of its envelopes. The type decides first: an event that is not handled is ignored
 * even if it is malformed.
 */
export function decodeFxa(message: JsonObject, context: DecodeContext): Decoded {
  const flat = unwrap(message);
  if ('kind' in flat) return flat;

  const handling = HANDLING.get(flat.event);
  if (handling === undefined) return { kind: 'ignored', type: 'other' };
  if (handling === 'ignore' || (handling === 'profile' && isBlank(flat.fields.email))) {
    return { kind: 'ignored', type: flat.event };
  }
  if (flat.contradiction !== undefined) return dead('invalid_shape', flat.contradiction);

  const event = eventOf(flat, handling, context);
  return event.kind === 'dead' ? event : { kind: 'event', event };
}

function eventOf(
  flat: FlatMessage,
  handling: keyof typeof SCHEMAS,
  context: DecodeContext,
): ClaimEvent | DeletionEvent | Dead {
  const { names = {}, fields, ids } = flat;
  const { data, error }: z.ZodSafeParseResult<AccountSubscriptions> = SCHEMAS[handling].safeParse(fields);
  if (error) return dead('invalid_shape', ...shapeProblems(error, names));

  const [timeField, at] = timeOf(data);
  const timeName = names[timeField] ?? timeField;
  if (at === undefined) return dead('invalid_shape', `${timeName}: is missing`);
  const address = handling === 'deletion' ? null : addressOf(data.email, 'email: is missing');
  if (address && 'kind' in address) return address;
  const problem = timeProblem(at, context.now);
  if (problem !== undefined) return dead('invalid_time', `${timeName}: ${problem}`);

  const uid = data.uid.slice(0, 32).toLowerCase();
  const id = traceId([...ids, context.messageId], () => [flat.event, uid, at, address?.key ?? null]);
  const trigger = { source: 'fxa', event: flat.event, id } as const;
  if (!address) return { kind: 'deletion', trigger, at, uid };

  const event: ClaimEvent = { kind: 'claim', trigger, at, uid, address, newsletters: distinct(data.newsletters) };
  if (data.locale && languageOf(data.locale) !== undefined) event.locale = data.locale;
  const country = data.countryCode ? countryOf(data.countryCode) : undefined;
  if (country !== undefined) event.country = country;
  if (data.service) event.service = data.service;
  const createdAt = typeof data.createDate === 'number' ? fromSeconds(data.createDate) : undefined;
  if (createdAt !== undefined && timeProblem(createdAt, context.now) === undefined) event.createdAt = createdAt;
  return event;
}

function timeOf({ ts, timestamp }: AccountSubscriptions): ['timestamp' | 'ts', Time | undefined] {
  if (typeof timestamp === 'number') return ['timestamp', Math.round(timestamp)];
  return ['ts', ts === undefined ? undefined : fromSeconds(ts)];
}

function isBlank(email: unknown): boolean {
  return email === undefined || email === null || (typeof email === 'string' && email.trim() === '');
}
