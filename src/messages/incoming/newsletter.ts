import { normaliseAddress } from '../../contacts/facts/address';
import type { NewsletterEvent, Profile, Trigger } from '../../contacts/facts/event';
import { asLanguage } from '../../contacts/facts/language';
import { asUuid } from '../../contacts/facts/lookup-key';
import { allDead, type Dead, type DecodeContext, type Decoded, dead, isDead, type JsonObject, listed } from './decoded';
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

export const NEWSLETTER_TYPES = ['newsletter.subscribe', 'newsletter.unsubscribe', 'newsletter.confirm'] as const;
type NewsletterType = (typeof NEWSLETTER_TYPES)[number];

/**
 * Decodes a newsletter event: unverified input. The message is a dead letter only if its event, its time, its addressee or
 * its choice cannot be understood. A detail that cannot be used is left out, and fields that the event does not have are
 * not looked at. In a profile field `null` clears the value, and a blank text has no effect.
 */
export function decodeNewsletter(message: JsonObject, context: DecodeContext): Decoded {
  const type = typeOf(message.event);
  if (isDead(type)) return type;
  const details = new Details(message);
  const at = timeOf(message.ts, context.now);
  const choice = choiceOf(type, message, details);
  const to = addresseeOf(message, details, type === 'newsletter.unsubscribe');
  if (isDead(at) || isDead(choice) || isDead(to)) {
    const [first, ...others] = [choice, to, at].filter(isDead);
    return allDead([first as Dead, ...others]);
  }
  const { act, newsletters, optin, partial } = choice;

  const source = details.text('source_url', asSource);
  const reason = type === 'newsletter.unsubscribe' ? details.text('reason', asReason) : undefined;
  // A confirmation clicked in a mail proves the address that the mail went to. A token alone proves nothing: anyone who
  // has an old mail has its token, and must not be able to lift an opt-out with it.
  const proven = optin || (type === 'newsletter.confirm' && 'address' in to);
  const profile = type === 'newsletter.subscribe' ? profileOf(message, details) : {};
  details.text('id', asId);
  const id = traceId([message.id, context.messageId], () => [
    type,
    { at, to, act, newsletters, proven, profile, source, reason },
  ]);
  const trigger: Trigger = { source: 'newsletter', event: type, id };
  const kind = 'newsletter';
  const event: NewsletterEvent = { kind, trigger, at, to, act, newsletters, proven, profile, source, reason };
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
  partial: string[];
}

function choiceOf(type: NewsletterType, message: JsonObject, details: Details): Choice | Dead {
  switch (type) {
    case 'newsletter.unsubscribe':
      return refusalOf(message);
    case 'newsletter.confirm':
      return { act: 'confirm', newsletters: [], optin: details.flag('optin'), partial: [] };
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
  const { names, problems } = readNewsletters(newsletters);
  const isUnderstood = all === undefined || all === null || typeof all === 'boolean';
  const partial = listed(isUnderstood ? problems : ['all: must be true or false', ...problems]);
  if (names.length > 0) return { act: 'unsubscribe', newsletters: names, optin: false, partial };
  const problem = 'newsletters: an unsubscribe must name some, or say all';
  return dead('invalid_shape', ...(partial.length > 0 ? partial : [problem]));
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
  // An address that was accepted once: a refusal still counts where it is stored.
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
