import { z } from 'zod';
import type { NewsletterEvent, Profile } from '../../contacts/facts/event';
import { asLanguage } from '../../contacts/facts/language';
import { asUuid } from '../../contacts/facts/lookup-key';
import { type Dead, type DecodeContext, type Decoded, dead, type JsonObject, shapeProblems } from './decoded';
import {
  addressOf,
  countryOf,
  cut,
  distinct,
  fromSeconds,
  NewsletterNames,
  Text,
  timeProblem,
  traceId,
} from './fields';

const MAX_NAME = 200;
const MAX_SOURCE_URL = 2_000;
const MAX_REASON = 1_000;

const NEWSLETTER_TYPES = ['newsletter.subscribe', 'newsletter.unsubscribe', 'newsletter.confirm'] as const;
const KNOWN = new Set<unknown>(NEWSLETTER_TYPES);

/**
 * A newsletter event: unverified input. A known field of a wrong type makes the message a dead letter; unknown fields are
 * ignored. In a profile field `null` clears the value, and an empty text has no effect. An overlong name makes the message
 * a dead letter; an overlong `source_url` or `reason` is cut, so that a long remark never loses a refusal.
 */
export const NewsletterMessage = z.object({
  event: z.enum(NEWSLETTER_TYPES),
  id: z.string().optional().describe('For tracing only'),
  ts: z.number().describe('Event time, float seconds since 1970'),
  email: z.string().optional().describe('Whose act it is; counts when there is a `token` too'),
  token: z.string().optional().describe("The reader's `basket_token`; required unless `email` is there"),
  newsletters: NewsletterNames.optional().describe('Absent is empty; an unsubscribe needs it unless it says `all`'),
  all: z.boolean().optional().describe('In an unsubscribe: opt out of all email; wins over `newsletters`'),
  optin: z.boolean().optional().describe('True when the caller vouches for the address'),
  lang: z.string().nullish().describe('Two or three letters, perhaps a region of two; dropped when malformed'),
  country: z.string().nullish().describe('ISO 3166-1, two letters (three are converted); dropped when unknown'),
  format: z.string().nullish().describe('H or T; anything else is dropped'),
  first_name: Text.max(MAX_NAME).nullish(),
  last_name: Text.max(MAX_NAME).nullish(),
  source_url: Text.nullish().describe(`The page it was made on; cut at ${MAX_SOURCE_URL}`),
  reason: Text.nullish().describe(`Why the reader left, in an unsubscribe; cut at ${MAX_REASON}`),
});

type Message = z.infer<typeof NewsletterMessage>;

export function decodeNewsletter(message: JsonObject, context: DecodeContext): Decoded {
  if (typeof message.event !== 'string') {
    return dead('invalid_shape', message.event === undefined ? 'event: is missing' : 'event: must be a string');
  }
  if (!KNOWN.has(message.event)) return { kind: 'ignored', type: 'other' };

  const { data, error } = NewsletterMessage.safeParse(message);
  if (error) return dead('invalid_shape', ...shapeProblems(error));

  const act = actOf(data);
  if (act === 'unsubscribe' && !data.newsletters?.length) {
    return dead('invalid_shape', 'newsletters: an unsubscribe must name some, or say all');
  }
  const to = addresseeOf(data);
  if ('kind' in to) return to;
  const at = fromSeconds(data.ts);
  const problem = timeProblem(at, context.now);
  if (problem !== undefined) return dead('invalid_time', `ts: ${problem}`);

  const content = {
    at,
    to,
    act,
    newsletters: act === 'opt_out' || act === 'confirm' ? [] : distinct(data.newsletters),
    proven: isProven(data, act, to),
    profile: data.event === 'newsletter.subscribe' ? profileOf(data) : {},
    ...(data.source_url ? { source: cut(data.source_url, MAX_SOURCE_URL) } : {}),
    ...(data.reason && data.event === 'newsletter.unsubscribe' ? { reason: cut(data.reason, MAX_REASON) } : {}),
  };
  const id = traceId([data.id, context.messageId], () => [data.event, content]);
  return {
    kind: 'event',
    event: { kind: 'newsletter', trigger: { source: 'newsletter', event: data.event, id }, ...content },
  };
}

/** A sign-up with `optin` and without newsletters only confirms its address. */
function actOf(data: Message): NewsletterEvent['act'] {
  switch (data.event) {
    case 'newsletter.subscribe':
      return data.optin === true && !data.newsletters?.length ? 'confirm' : 'subscribe';
    case 'newsletter.unsubscribe':
      return data.all === true ? 'opt_out' : 'unsubscribe';
    case 'newsletter.confirm':
      return 'confirm';
  }
}

/**
 * A confirmation clicked in a mail proves the address that the mail went to. A token alone proves nothing: anyone who has
 * an old mail has its token, and must not be able to lift an opt-out with it.
 */
function isProven(data: Message, act: NewsletterEvent['act'], to: NewsletterEvent['to']): boolean {
  if (act === 'unsubscribe' || act === 'opt_out') return false;
  return data.optin === true || (data.event === 'newsletter.confirm' && 'address' in to);
}

function addresseeOf({ email, token }: Message): NewsletterEvent['to'] | Dead {
  if (email !== undefined || token === undefined) {
    const address = addressOf(email, 'email: is missing, and so is token');
    return 'kind' in address ? address : { address };
  }
  const uuid = asUuid(token);
  return uuid === undefined ? dead('unknown_token', 'token: is no uuid') : { token: uuid };
}

function profileOf(data: Message): Profile {
  const profile: Profile = {};
  set(profile, 'firstName', data.first_name, asSent);
  set(profile, 'lastName', data.last_name, asSent);
  set(profile, 'country', data.country, countryOf);
  set(profile, 'lang', data.lang, asLanguage);
  set(profile, 'format', data.format, formatOf);
  return profile;
}

function set(
  profile: Profile,
  field: keyof Profile,
  sent: string | null | undefined,
  read: (text: string) => string | undefined,
): void {
  if (sent === undefined) return;
  const value = sent === null ? null : read(sent);
  if (value !== undefined) profile[field] = value;
}

/** White space alone counts as empty. */
function asSent(text: string): string | undefined {
  return text.trim() === '' ? undefined : text;
}

function formatOf(text: string): string | undefined {
  const format = text.toUpperCase();
  return format === 'H' || format === 'T' ? format : undefined;
}
