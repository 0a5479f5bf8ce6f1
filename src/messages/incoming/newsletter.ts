import { normaliseAddress } from '../../contacts/facts/address';
import type { NewsletterEvent, Profile, Trigger } from '../../contacts/facts/event';
import { asLanguage } from '../../contacts/facts/language';
import { asUuid } from '../../contacts/facts/lookup-key';
import { type Refused, refusedBy } from '../../contacts/facts/refused';
import {
  allDead,
  type Dead,
  type DecodeContext,
  type Decoded,
  dead,
  isDead,
  isJsonObject,
  type JsonObject,
  listed,
} from './decoded';
import { Details } from './details';
import {
  countryOf,
  formatOf,
  fromSeconds,
  givenId,
  isBlank,
  isNumber,
  MAX_NAME,
  MAX_REASON,
  MAX_SOURCE,
  readNewsletters,
  tidy,
  timeProblem,
  traceId,
} from './fields';
import { canonicalFields, isWaitlistFields } from './waitlist-fields';

export const NEWSLETTER_TYPES = [
  'newsletter.subscribe',
  'newsletter.unsubscribe',
  'newsletter.confirm',
  'newsletter.set',
  'newsletter.reason',
] as const;
type NewsletterType = (typeof NEWSLETTER_TYPES)[number];

/**
 * Decodes a newsletter event: unverified input. The message is a dead letter only if its event, its time, its addressee or
 * its choice cannot be understood. A detail that cannot be used is left out, and fields that do not belong to the event
 * are ignored. In a profile field `null` clears the value, and a blank text has no effect.
 */
export function decodeNewsletter(message: JsonObject, context: DecodeContext): Decoded {
  const type = typeOf(message.event);
  if (isDead(type)) return type;
  const details = new Details(message);
  const at = timeOf(message.ts, context.now);
  const choice = choiceOf(type, message, details);
  const refuses = type === 'newsletter.unsubscribe' || type === 'newsletter.set';
  const to = addresseeOf(message, details, refuses);
  if (isDead(at) || isDead(choice) || isDead(to)) {
    const [first, ...others] = [choice, to, at].filter(isDead);
    return allDead([first as Dead, ...others]);
  }
  const { act, optin, refused, partial } = choice;
  // At an address that counts only if it is stored, nothing but a refusal counts.
  const signsUp = (type === 'newsletter.subscribe' || type === 'newsletter.set') && !('onlyIfStored' in to);
  const newsletters = type === 'newsletter.set' && !signsUp ? [] : choice.newsletters;

  const source = details.text('source_url', asSource);
  const reason = refuses || act === 'reason' ? details.text('reason', asReason) : undefined;
  // A confirmation clicked in a mail proves the address that the mail went to. A token alone proves nothing: anyone who
  // has an old mail has its token, and must not be able to lift an opt-out with it.
  const proven = optin || (type === 'newsletter.confirm' && 'address' in to);
  const profile = signsUp ? profileOf(message, details) : {};
  const fields = newsletters.length > 0 && signsUp ? fieldsOf(message.fields, newsletters, details) : undefined;
  details.text('id', asId);
  const id = traceId([message.id, context.messageId], () => [
    type,
    { at, to, act, newsletters, proven, profile, source, reason, refused, fields: fields && [...fields] },
  ]);
  const trigger: Trigger = { source: 'newsletter', event: type, id };
  const kind = 'newsletter';
  const event: NewsletterEvent = {
    kind,
    trigger,
    at,
    to,
    act,
    newsletters,
    proven,
    profile,
    source,
    reason,
    refused,
    fields,
  };
  return { kind: 'event', event, dropped: details.dropped, partial };
}

const asSource = (text: string): string | undefined => tidy(text, MAX_SOURCE);
const asReason = (text: string): string | undefined => tidy(text, MAX_REASON);
const asName = (text: string): string | undefined => tidy(text, MAX_NAME);
const asId = (text: string): string | undefined => givenId([text]);

function typeOf(event: unknown): NewsletterType | Dead {
  if (event === undefined) return dead('invalid_shape', 'event: is missing');
  if (typeof event !== 'string') return dead('invalid_shape', 'event: must be a string');
  const type = NEWSLETTER_TYPES.find((known) => known === event);
  // Kept rather than acknowledged: a refusal may be in it, and it can be replayed once it is understood.
  return type ?? dead('unknown_event', 'event: is not a known newsletter event');
}

function timeOf(ts: unknown, now: number): number | Dead {
  if (!isNumber(ts)) return dead('invalid_shape', `ts: ${ts === undefined ? 'is missing' : 'must be a number'}`);
  const at = fromSeconds(ts);
  const problem = timeProblem(at, now);
  return problem === undefined ? at : dead('invalid_time', `ts: ${problem}`);
}

interface Choice {
  act: NewsletterEvent['act'];
  newsletters: string[];
  /** The caller vouches for the address. */
  optin: boolean;
  refused?: Refused | undefined;
  partial: string[];
}

function choiceOf(type: NewsletterType, message: JsonObject, details: Details): Choice | Dead {
  switch (type) {
    case 'newsletter.unsubscribe':
      return refusalOf(message);
    case 'newsletter.confirm':
      return { act: 'confirm', newsletters: [], optin: details.flag('optin'), partial: [] };
    case 'newsletter.set':
      return setOf(message, details);
    case 'newsletter.reason':
      return reasonOf(message);
    case 'newsletter.subscribe': {
      const { names, problems } = readNewsletters(message.newsletters);
      const partial = listed(problems);
      if (names.length === 0 && partial.length > 0) return dead('invalid_shape', ...partial);
      const optin = details.flag('optin');
      // With `optin` and without newsletters it only confirms its address.
      return { act: optin && names.length === 0 ? 'confirm' : 'subscribe', newsletters: names, optin, partial };
    }
  }
}

/** `all` wins over `newsletters`. */
function refusalOf({ all, newsletters }: JsonObject): Choice | Dead {
  if (all === true) return { act: 'opt_out', newsletters: [], optin: false, partial: [] };
  const isUnderstood = all === undefined || all === null || typeof all === 'boolean';
  const unclear = isUnderstood ? [] : ['all: must be true or false'];
  if (isEvery(newsletters)) {
    return { act: 'set', newsletters: [], optin: false, refused: refusedBy([], undefined), partial: unclear };
  }
  const { names, problems } = readNewsletters(newsletters);
  const partial = listed([...unclear, ...problems]);
  if (names.length > 0) return { act: 'unsubscribe', newsletters: names, optin: false, partial };
  const problem = 'newsletters: an unsubscribe must name some, or say all';
  return dead('invalid_shape', ...(partial.length > 0 ? partial : [problem]));
}

/**
 * A reason without newsletters is about all email. A blank reason is an empty field of a form; a message without any reason
 * says nothing, so it is a dead letter.
 */
function reasonOf(message: JsonObject): Choice | Dead {
  const { reason, all, newsletters } = message;
  if (reason === undefined || reason === null) return dead('invalid_shape', 'reason: is missing');
  if (typeof reason !== 'string') return dead('invalid_shape', 'reason: must be a string');
  if (reason.trim() !== '' && asReason(reason) === undefined) return dead('invalid_shape', 'reason: cannot be stored');
  if (all === true || isEvery(newsletters)) return { act: 'reason', newsletters: [], optin: false, partial: [] };
  const { names, problems } = readNewsletters(newsletters);
  const partial = listed(problems);
  if (names.length === 0 && partial.length > 0) return dead('invalid_shape', ...partial);
  return { act: 'reason', newsletters: names, optin: false, partial };
}

/** In place of a list it means every newsletter that the reader has, which is not an opt-out. */
const EVERY_NEWSLETTER = '*';
const isEvery = (newsletters: unknown): boolean =>
  typeof newsletters === 'string' && newsletters.trim() === EVERY_NEWSLETTER;

/**
 * A set refuses what it does not list, so if a list is understood only in part, the set would end newsletters that the reader
 * wants. A single name that no newsletter can have does no harm.
 */
function setOf({ newsletters, among }: JsonObject, details: Details): Choice | Dead {
  if (!Array.isArray(newsletters)) {
    return dead('invalid_shape', 'newsletters: must be a list of names, which may be empty');
  }
  const [list, shown] = [readNewsletters(newsletters), readNewsletters(among, 'among')];
  const partial = listed([...list.problems, ...shown.problems]);
  const isUnclear = list.isCut || (list.names.length === 0 && list.problems.length > 0);
  if (isUnclear || (!isBlank(among) && !Array.isArray(among))) return dead('invalid_shape', ...partial);
  const refused = refusedBy(list.names, isBlank(among) ? undefined : shown.names);
  return { act: 'set', newsletters: list.names, optin: details.flag('optin'), refused, partial };
}

/** Extra fields of waitlists. Fields outside the bounds, or of a newsletter that the message does not name, are dropped. */
function fieldsOf(sent: unknown, newsletters: readonly string[], details: Details): NewsletterEvent['fields'] {
  if (isBlank(sent)) return undefined;
  if (!isJsonObject(sent)) return details.drop('fields');
  const names = new Set(newsletters);
  const kept = new Map<string, string>();
  let isComplete = true;
  for (const [key, value] of Object.entries(sent)) {
    const name = key.trim();
    if (!names.has(name) || !isWaitlistFields(value)) {
      isComplete = false;
      continue;
    }
    const fields = canonicalFields(value);
    if (fields !== null) kept.set(name, fields);
  }
  if (!isComplete) details.drop('fields');
  return kept.size > 0 ? kept : undefined;
}

/** The address if it can be used, else the token. */
function addresseeOf(message: JsonObject, details: Details, isRefusal: boolean): NewsletterEvent['to'] | Dead {
  const { email, token } = message;
  const normalised = typeof email === 'string' ? normaliseAddress(email) : undefined;
  const uuid = details.text('token', asUuid);
  if (normalised?.ok) return { address: normalised.address };
  if (uuid !== undefined) {
    if (email !== undefined) details.drop('email');
    return { token: uuid };
  }
  // An earlier version accepted such addresses: where one is stored, a refusal still counts.
  if (isRefusal && normalised?.perhapsStored) return { address: normalised.perhapsStored, onlyIfStored: true };
  if (isBlank(email) && token !== undefined && token !== null) {
    return typeof token === 'string'
      ? dead('unknown_token', 'token: is not a uuid')
      : dead('invalid_shape', 'token: must be a string');
  }
  if (normalised) return dead('invalid_address', `email: ${normalised.problem}`);
  return isBlank(email)
    ? dead('invalid_address', 'email: is missing, and so is token')
    : dead('invalid_shape', 'email: must be a string');
}

function profileOf(message: JsonObject, details: Details): Profile {
  return {
    firstName: message.first_name === null ? null : details.text('first_name', asName),
    lastName: message.last_name === null ? null : details.text('last_name', asName),
    country: message.country === null ? null : details.text('country', countryOf),
    lang: message.lang === null ? null : details.text('lang', asLanguage),
    format: message.format === null ? null : details.text('format', formatOf),
  };
}
