/** The messages that producers should send. The decoders accept a little more. */
import { z } from 'zod';
import { DataMessage, SecurityEventToken, WrappedMessage } from '../../src/messages/incoming/envelope';
import { AccountMessage, AccountSubscriptionsMessage, AddressProvenMessage } from '../../src/messages/incoming/fxa';
import { NewsletterMessage } from '../../src/messages/incoming/newsletter';

/** Not nullable, so that JSON Schema can require one of the two times. */
const timestamp = z.number().optional().describe('Event time, milliseconds since 1970; goes before `ts`');
const email = z.string().describe('The primary address, as typed');
const ONE_TIME = [{ required: ['ts'] }, { required: ['timestamp'] }];
const ONE_READER = [{ required: ['email'] }, { required: ['token'] }];

export const AccountSubscriptions = AccountSubscriptionsMessage.extend({
  event: z.enum(['verified', 'newsletters:update']),
  timestamp,
  email,
}).meta({ anyOf: ONE_TIME });

export const AccountAddress = AddressProvenMessage.extend({
  event: z.enum(['login', 'primaryEmailChanged']),
  timestamp,
  email,
}).meta({ anyOf: ONE_TIME });

export const AccountProfile = AddressProvenMessage.extend({
  event: z.enum(['profileDataChange', 'profileDataChanged']),
  timestamp,
  email: z.string().nullish().describe('The primary address, as typed; without it the message is ignored'),
}).meta({ anyOf: ONE_TIME });

export const AccountDeletion = AccountMessage.extend({ event: z.literal('delete'), timestamp }).meta({
  anyOf: ONE_TIME,
});

export const AccountEventWrapped = WrappedMessage;
export const AccountEventData = DataMessage;
export const AccountEventToken = SecurityEventToken;

const {
  event: _,
  all,
  newsletters,
  reason,
  lang,
  country,
  format,
  first_name,
  last_name,
  ...common
} = NewsletterMessage.shape;
const { source_url, ...reader } = common;

export const NewsletterSubscribe = z
  .object({ event: z.literal('newsletter.subscribe'), ...reader, newsletters, source_url })
  .extend({ lang, country, format, first_name, last_name })
  .meta({ anyOf: ONE_READER });

export const NewsletterUnsubscribe = z
  .object({ event: z.literal('newsletter.unsubscribe'), ...reader, newsletters, all, reason, source_url })
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

export const NewsletterConfirm = z
  .object({ event: z.literal('newsletter.confirm'), ...reader })
  .meta({ anyOf: ONE_READER });
