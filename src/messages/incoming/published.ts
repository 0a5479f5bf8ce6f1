/**
 * The messages that producers should send. The decoders accept more: they leave out a detail that they cannot use, while a
 * schema would refuse the message. Tests compare the two.
 */
import { z } from 'zod';
import { MAX_NAME, MAX_NEWSLETTERS, MAX_REASON, MAX_SERVICE, MAX_SOURCE, NewsletterName } from './fields';
import { MAX_KEY, MAX_KEYS, MAX_VALUE } from './waitlist-fields';

/** The names by which the sites know newsletters. */
const NewsletterNames = z.array(NewsletterName).max(MAX_NEWSLETTERS);

const ONE_TIME = [{ required: ['ts'] }, { required: ['timestamp'] }];
const ONE_READER = [{ required: ['email'] }, { required: ['token'] }];

const account = {
  uid: z
    .string()
    .regex(/^(?:[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})(?:@[^@\s]*)?$/)
    .describe('The account; lower-cased, without the dashes of a uuid and the `@domain` of very old producers'),
  ts: z.number().optional().describe('Event time, float seconds since 1970; required without `timestamp`'),
  // Not nullable, so that JSON Schema can require one of the two times.
  timestamp: z.number().optional().describe('Event time, milliseconds since 1970; takes precedence over `ts`'),
};
const proof = {
  email: z.string().describe('The primary address, as typed'),
  locale: z.string().nullish().describe('Raw Accept-Language; dropped when it cannot be parsed'),
  countryCode: z.string().nullish().describe('ISO 3166-1, two letters (three are converted); dropped when unknown'),
  service: z.string().nullish().describe(`What the account was used for; cut at ${MAX_SERVICE}`),
  createDate: z
    .number()
    .nullish()
    .describe('When the account was created, float seconds since 1970; dropped when implausible'),
};

export const AccountSubscriptions = z
  .object({
    ...{ event: z.enum(['verified', 'newsletters:update']), ...account, ...proof },
    newsletters: NewsletterNames.nullish().describe('Add-only: absence ends no subscription'),
  })
  .meta({ anyOf: ONE_TIME });

export const AccountAddress = z
  .object({ event: z.enum(['login', 'primaryEmailChanged']), ...account, ...proof })
  .meta({ anyOf: ONE_TIME });

export const AccountProfile = z
  .object({
    ...{ event: z.enum(['profileDataChange', 'profileDataChanged']), ...account, ...proof },
    email: z.string().nullish().describe('The primary address, as typed; without it the message is ignored'),
  })
  .meta({ anyOf: ONE_TIME });

export const AccountDeletion = z.object({ event: z.literal('delete'), ...account }).meta({ anyOf: ONE_TIME });

export const AccountEventWrapped = z.object({
  MessageId: z.string().optional().describe('The id of the event if there is no `jti`'),
  Message: z.string().describe('The message, as a JSON text'),
});

export const AccountEventData = z.object({
  event: z.string(),
  data: z.record(z.string(), z.unknown()).describe('The flat fields'),
});

export const AccountEventToken = z.object({
  sub: z.string().describe('The uid'),
  iat: z
    .number()
    .describe('Float seconds; the time of delivery, used as the event time because the token has no other'),
  jti: z.string().optional().describe('The id of the event'),
  events: z
    .record(z.string(), z.unknown())
    .describe('Type URI to payload. If a token has several types, one counts: deletion, otherwise a change of profile'),
});

const reader = {
  id: z.string().optional().describe('For tracing only'),
  ts: z.number().describe('Event time, float seconds since 1970'),
  email: z.string().optional().describe('The address of the reader; takes precedence over `token`'),
  token: z.string().optional().describe("The reader's `basket_token`; required unless `email` is present"),
};
const optin = z.boolean().nullish().describe('True when the caller vouches for the address');
const source_url = z.string().nullish().describe(`The page it was made on; cut at ${MAX_SOURCE}`);
const name = z.string().nullish().describe(`Cut at ${MAX_NAME}`);

const profile = {
  lang: z.string().nullish().describe('Two or three letters, optionally with a region of two; dropped when malformed'),
  country: z.string().nullish().describe('ISO 3166-1, two letters (three are converted); dropped when unknown'),
  format: z.string().nullish().describe('H or T; anything else is dropped'),
  ...{ first_name: name, last_name: name },
};
const fields = z
  .record(
    z.string(),
    z
      .record(z.string().max(MAX_KEY), z.union([z.string().max(MAX_VALUE), z.number(), z.boolean(), z.null()]))
      .meta({ maxProperties: MAX_KEYS }),
  )
  .nullish()
  .describe('Further fields of waitlists among the newsletters, by name; dropped when out of bounds');
const reason = z.string().nullish().describe(`Why the reader left; cut at ${MAX_REASON}`);

export const NewsletterSubscribe = z
  .object({
    ...{ event: z.literal('newsletter.subscribe'), ...reader, optin },
    newsletters: NewsletterNames.nullish().describe('Absent and null mean empty: the reader only leaves an address'),
    ...{ source_url, ...profile, fields },
  })
  .meta({ anyOf: ONE_READER });

export const NewsletterUnsubscribe = z
  .object({
    ...{ event: z.literal('newsletter.unsubscribe'), ...reader },
    newsletters: z
      .union([NewsletterNames, z.literal('*')])
      .optional()
      .describe('Required unless `all` is true; `*`: every newsletter that the reader has, which is not an opt-out'),
    all: z.boolean().optional().describe('Opt out of all email; wins over `newsletters`'),
    ...{ reason, source_url },
  })
  .meta({
    allOf: [
      { anyOf: ONE_READER },
      {
        anyOf: [
          { required: ['newsletters'], properties: { newsletters: { minItems: 1 } } },
          { required: ['all'], properties: { all: { const: true } } },
        ],
      },
    ],
  });

export const NewsletterSet = z
  .object({
    ...{ event: z.literal('newsletter.set'), ...reader, optin },
    newsletters: NewsletterNames.describe(
      'Exactly these: the reader is subscribed to them, and all other subscriptions end',
    ),
    among: NewsletterNames.nullish().describe(
      'The newsletters that the page showed: only these can end. Absent and null: all',
    ),
    ...{ source_url, ...profile, fields, reason },
  })
  .meta({ anyOf: ONE_READER });

export const NewsletterReason = z
  .object({
    ...{ event: z.literal('newsletter.reason'), ...reader },
    reason: z.string().describe(`Why the reader left, shown with the latest refusal until then; cut at ${MAX_REASON}`),
    newsletters: z
      .union([NewsletterNames, z.literal('*')])
      .nullish()
      .describe('The newsletters that the reader left. Absent, null, empty and `*`: whatever was refused last'),
    all: z.boolean().nullish().describe('The same as no newsletters'),
    source_url,
  })
  .meta({ anyOf: ONE_READER });

export const NewsletterConfirm = z
  .object({ event: z.literal('newsletter.confirm'), ...reader, optin, source_url })
  .meta({ anyOf: ONE_READER });

export type AccountSubscriptions = z.infer<typeof AccountSubscriptions>;
export type AccountAddress = z.infer<typeof AccountAddress>;
export type AccountProfile = z.infer<typeof AccountProfile>;
export type AccountDeletion = z.infer<typeof AccountDeletion>;
export type NewsletterSubscribe = z.infer<typeof NewsletterSubscribe>;
export type NewsletterUnsubscribe = z.infer<typeof NewsletterUnsubscribe>;
export type NewsletterSet = z.infer<typeof NewsletterSet>;
export type NewsletterReason = z.infer<typeof NewsletterReason>;
export type NewsletterConfirm = z.infer<typeof NewsletterConfirm>;
