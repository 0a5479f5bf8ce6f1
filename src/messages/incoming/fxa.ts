import { normaliseAddress } from '../../contacts/facts/address';
import type { Address, ClaimEvent, DeletionEvent, Time, Trigger } from '../../contacts/facts/event';
import { languageOf } from '../../contacts/facts/language';
import { asUid } from '../../contacts/facts/lookup-key';
import { allDead, type Dead, type DecodeContext, type Decoded, dead, isDead, type JsonObject, listed } from './decoded';
import { Details } from './details';
import { type FlatMessage, unwrap } from './envelope';
import {
  countryOf,
  fromSeconds,
  isBlank,
  isNumber,
  MAX_SERVICE,
  type ReadNewsletters,
  readNewsletters,
  tidy,
  timeProblem,
  traceId,
} from './fields';

/** How an account event is read; `profile` is ignored without an address, and `subscriptions` may have newsletters. */
type Handling = 'subscriptions' | 'address' | 'profile' | 'deletion' | 'ignore';

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

/** The types of account events, handled and ignored (some are either). */
export const FXA_TYPES = {
  handled: typesWhere((handling) => handling !== 'ignore'),
  ignored: [...typesWhere((handling) => handling === 'ignore' || handling === 'profile'), 'other'],
};

function typesWhere(is: (handling: Handling) => boolean): string[] {
  return [...HANDLING].flatMap(([type, handling]) => (is(handling) ? [type] : []));
}

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
  return eventOf(flat, handling, context);
}

const NO_NEWSLETTERS: ReadNewsletters = { names: [], problems: [] };

/** A dead letter only if account, address or time cannot be understood. A detail that cannot be used is left out. */
function eventOf({ event, names = {}, fields, ids }: FlatMessage, handling: Handling, context: DecodeContext): Decoded {
  const details = new Details(fields);
  const uid = uidOf(fields.uid, names.uid ?? 'uid');
  const at = timeOf(fields, names, details, context.now);
  const address = handling === 'deletion' ? null : addressOf(fields.email);
  if (isDead(uid) || isDead(at) || isDead(address)) {
    const [first, ...others] = [uid, address, at].filter(isDead);
    return allDead([first as Dead, ...others]);
  }
  const id = traceId([...ids, context.messageId], () => [event, uid, at, address?.key ?? null]);
  const trigger: Trigger = { source: 'fxa', event, id };
  if (!address) {
    const deletion: DeletionEvent = { kind: 'deletion', trigger, at, uid };
    return { kind: 'event', event: deletion, dropped: details.dropped, partial: [] };
  }
  const { names: newsletters, problems } =
    handling === 'subscriptions' ? readNewsletters(fields.newsletters) : NO_NEWSLETTERS;
  const locale = details.text('locale', asLocale);
  const country = details.text('countryCode', countryOf);
  const service = details.text('service', asService);
  const createdAt = details.number('createDate', (seconds) => {
    const time = fromSeconds(seconds);
    return timeProblem(time, context.now) === undefined ? time : undefined;
  });
  const kind = 'claim';
  const claim: ClaimEvent = { kind, trigger, at, uid, address, newsletters, locale, country, service, createdAt };
  return { kind: 'event', event: claim, dropped: details.dropped, partial: listed(problems) };
}

const asLocale = (text: string): string | undefined => (languageOf(text) === undefined ? undefined : text);
const asService = (text: string): string | undefined => tidy(text, MAX_SERVICE);

/** Very old producers append `@domain`. */
function uidOf(sent: unknown, name: string): string | Dead {
  if (sent === undefined) return dead('invalid_shape', `${name}: is missing`);
  const uid = typeof sent === 'string' ? asUid(sent.replace(/@[^@\s]*$/, '')) : undefined;
  return uid ?? dead('invalid_shape', `${name}: must be 32 hexadecimal digits`);
}

function addressOf(email: unknown): Address | Dead {
  if (email === undefined || email === null) return dead('invalid_address', 'email: is missing');
  if (typeof email !== 'string') return dead('invalid_shape', 'email: must be a string');
  const normalised = normaliseAddress(email);
  return normalised.ok ? normalised.address : dead('invalid_address', `email: ${normalised.problem}`);
}

/** `timestamp` has milliseconds, `ts` float seconds. `timestamp` counts, unless only `ts` is a number. */
function timeOf(
  { timestamp, ts }: JsonObject,
  names: NonNullable<FlatMessage['names']>,
  details: Details,
  now: Time,
): Time | Dead {
  const isExact = isNumber(timestamp);
  const name = isExact ? 'timestamp' : (names.ts ?? 'ts');
  if (!isExact && !isBlank(timestamp)) details.drop('timestamp');
  if (isExact && !isBlank(ts) && !isNumber(ts)) details.drop('ts');
  const at = isExact ? Math.round(timestamp) : isNumber(ts) ? fromSeconds(ts) : undefined;
  if (at === undefined) return dead('invalid_shape', `${name}: ${isBlank(ts) ? 'is missing' : 'must be a number'}`);
  const problem = timeProblem(at, now);
  return problem === undefined ? at : dead('invalid_time', `${name}: ${problem}`);
}
