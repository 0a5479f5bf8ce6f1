/** The bodies of HTTP requests and answers, except the contact itself. */
import { z } from 'zod';
import {
  NewsletterConfirm,
  NewsletterReason,
  NewsletterSet,
  NewsletterSubscribe,
  NewsletterUnsubscribe,
} from '../incoming/published';
import { ContactBody, NewsletterBody } from '../outgoing/contact-schema';
import { ContactMerged, TokenDecisionBody, TriggerBody } from '../outgoing/schemas';

/** The highest number of keys in one look-up. */
export const MAX_KEYS = 500;

const Instant = z.iso.datetime();

/** Each way to name a contact. */
export const LookupKeyBody = z
  .union(
    [
      z.strictObject({ email: z.string().describe('Any address of the contact') }),
      z.strictObject({ token: z.string().describe('Its basket token') }),
      z.strictObject({ account: z.string().describe('The uid of its account') }),
      z.strictObject({ id: z.string().describe('Its contact id') }),
    ],
    'must be an object with one text: email, token, account or id',
  )
  .describe('One of email, token, account or id');

export const LookupRequest = z.strictObject(
  { keys: z.array(LookupKeyBody, `must be a list of at most ${MAX_KEYS} keys`).max(MAX_KEYS) },
  'must be an object with a list of keys, and nothing else',
);

export const LookupAnswer = z.object({
  contacts: z.array(ContactBody.nullable()).describe('One entry per key, in order; null for a key without a contact'),
});

/** A page of the merges that led to a contact, without their tokens. */
export const HistoryBody = z.object({
  contact_id: z.guid(),
  next: z.guid().nullable().describe('The `after` of the next page; null on the last one'),
  merges: z.array(
    z.object({
      merge_id: z.guid(),
      merged_at: Instant,
      reason: ContactMerged.shape.reason,
      trigger: TriggerBody.omit({ event_id: true }),
      survivor_contact_id: z.guid(),
      retired_contact_id: z.guid(),
      addresses: z.array(z.string()).describe('Normalised: the addresses that moved to the survivor'),
      token: TokenDecisionBody.pick({ policy: true, reason: true }),
      undone_at: Instant.nullable(),
    }),
  ),
});

/** What the change feed says about one contact: the whole contact, or how it ended. */
export const ChangeBody = z.union([
  z.object({ contact: ContactBody }),
  z.object({
    tombstone: z.object({
      contact_id: z.guid(),
      kind: z.enum(['merged', 'closed', 'erased']),
      survivor_contact_id: z.guid().optional().describe('After a merge: the contact that has the addresses now'),
    }),
  }),
]);

export const ChangesAnswer = z.object({
  changes: z.array(ChangeBody).describe('Contacts that changed, and tombstones of contacts that ended'),
  next: z.string().describe('The `after` of the next request; store it together with the changes'),
  has_more: z.boolean().describe('True: ask again at once'),
});

/** The highest number of messages in one request. */
export const MAX_MESSAGES = 500;

const Problem = z.object({ place: z.string(), problem: z.string() });

/** A message that is sent alone may leave its time to the service. */
const alone = { ts: NewsletterSubscribe.shape.ts.optional() };

export const IntakeRequest = z.union([
  NewsletterSubscribe.extend(alone).meta({ ...NewsletterSubscribe.meta() }),
  NewsletterSet.extend(alone).meta({ ...NewsletterSet.meta() }),
  NewsletterUnsubscribe.extend(alone).meta({ ...NewsletterUnsubscribe.meta() }),
  NewsletterReason.extend(alone).meta({ ...NewsletterReason.meta() }),
  NewsletterConfirm.extend(alone).meta({ ...NewsletterConfirm.meta() }),
  z
    .array(z.union([NewsletterSubscribe, NewsletterSet, NewsletterUnsubscribe, NewsletterReason, NewsletterConfirm]))
    .max(MAX_MESSAGES),
]);

const TakenEvent = z.object({
  id: z.string().describe('The id of the event in notifications and in the log'),
  ts: z.number().describe('The time of the event: use it when you send the event again'),
});

export const IntakeAnswer = z.object({
  events: z.array(TakenEvent).describe('One entry per message, in order'),
  warnings: z.array(Problem).describe('Ignored parts, and where they are, such as `[3].lang`'),
});

/** The codes of RFC 8935 that are used here. */
export const SECURITY_EVENT_ERRORS = [
  'invalid_request',
  'invalid_key',
  'invalid_issuer',
  'invalid_audience',
  'authentication_failed',
] as const;

/** A refusal of a Security Event Token, in the format of RFC 8935. */
export const SecurityEventRefusal = z.object({
  err: z.enum(SECURITY_EVENT_ERRORS),
  description: z.string().describe('For people'),
});

/** What a preference page shows to a reader whom only a token identifies. */
export const PreferencesBody = z.object({
  email: z.string().nullable().describe('The primary address, masked: a***@m***.test; null for a contact without one'),
  newsletters: z.record(z.string(), NewsletterBody.pick({ state: true, pending: true })),
  lang: z.string().nullable(),
  country: z.string().nullable(),
  format: z.string().nullable(),
});

/** Every answer that is not 200. */
export const ErrorBody = z.object({
  status: z.literal('error'),
  code: z.int().describe("Basket's code: 4 unknown key, 5 wrong request, 7 not permitted, 99 anything else"),
  desc: z.string().describe('For people'),
  problems: z.array(Problem).optional().describe('Where the body is malformed, such as `keys[3].email`'),
  events: z
    .array(TakenEvent)
    .optional()
    .describe('With 503: messages that may have been accepted; send all of them again, with these times'),
});

/** Dockerflow's health check. */
export const HeartbeatBody = z.object({
  status: z.enum(['ok', 'warning', 'error']),
  checks: z.record(z.string(), z.enum(['ok', 'warning', 'error'])).describe('The status of each part of the process'),
  details: z
    .record(
      z.string(),
      z.object({
        status: z.enum(['warning', 'error']),
        level: z.int(),
        messages: z.record(z.string(), z.string()).describe('What does not work, and what to do'),
      }),
    )
    .describe('Details of each part that is not ok'),
});

/** Dockerflow's version; unknown values are empty. */
export const VersionBody = z.object({
  source: z.string(),
  version: z.string(),
  commit: z.string(),
  build: z.string(),
});

/** The front page. Links that begin with a slash are served; the others are files of the sources. */
export const IndexBody = z.object({
  name: z.string(),
  description: z.string(),
  version: z.string(),
  links: z.object({
    health: z.string(),
    version: z.string(),
    metrics: z.string(),
    reference: z.string(),
    openapi: z.string(),
  }),
});

export type LookupKeyBody = z.infer<typeof LookupKeyBody>;
export type LookupRequest = z.infer<typeof LookupRequest>;
export type LookupAnswer = z.infer<typeof LookupAnswer>;
export type HistoryBody = z.infer<typeof HistoryBody>;
export type IntakeRequest = z.infer<typeof IntakeRequest>;
export type IntakeAnswer = z.infer<typeof IntakeAnswer>;
export type SecurityEventRefusal = z.infer<typeof SecurityEventRefusal>;
export type ChangeBody = z.infer<typeof ChangeBody>;
export type ChangesAnswer = z.infer<typeof ChangesAnswer>;
export type PreferencesBody = z.infer<typeof PreferencesBody>;
export type ErrorBody = z.infer<typeof ErrorBody>;
