/** Every message that other systems send or receive. The schemas and the AsyncAPI document are generated from this list. */
import { z } from 'zod';
import * as incoming from '../../src/messages/incoming/published';
import * as out from '../../src/messages/outgoing/schemas';
import * as example from './examples';
import * as header from './headers';

export interface HeadersSpec {
  name: string;
  title: string;
  schema: z.ZodType;
}

export interface MessageSpec {
  /** Names its schema file, and the message in the AsyncAPI document. */
  name: string;
  title: string;
  summary: string;
  /** Null: any content. */
  payload: z.ZodType | null;
  headers: HeadersSpec;
  /** The AMQP property `type`, if OneContact sets it. */
  type?: string;
  examples: readonly example.Example[];
}

const headers = (name: string, title: string, schema: z.ZodType): HeadersSpec => ({ name, title, schema });

const INCOMING = headers('incoming.headers', 'Headers of messages in', header.IncomingHeaders);
const OUTGOING = headers('contact.headers', 'Headers of messages out', header.ContactEventHeaders);
const DEAD = headers('dead-letter.headers', 'Headers of dead letters', header.DeadLetterHeaders);
const DEAD_BY_BROKER = headers(
  'dead-letter.by-broker.headers',
  'Headers of dead letters from the broker itself',
  header.BrokerDeadLetterHeaders,
);

const message = (
  name: string,
  title: string,
  payload: z.ZodType,
  examples: readonly example.Example[],
  summary: string,
): MessageSpec => ({ name, title, payload, examples, summary, headers: INCOMING });

export const ACCOUNT_MESSAGES: readonly MessageSpec[] = [
  message(
    'account.subscriptions',
    'Account event with subscriptions',
    incoming.AccountSubscriptions,
    example.SUBSCRIPTIONS,
    'Proof that the account owns the address, and what its reader subscribed to in the account. Flat envelope.',
  ),
  message(
    'account.address',
    'Account event with the primary address',
    incoming.AccountAddress,
    example.ADDRESS,
    'Proof that the account owns the address. Flat envelope.',
  ),
  message(
    'account.profile',
    'Account event of a changed profile',
    incoming.AccountProfile,
    example.PROFILE,
    'Proof that the account owns the address, when it tells one. Flat envelope.',
  ),
  message(
    'account.deletion',
    'Account deleted',
    incoming.AccountDeletion,
    example.DELETION,
    'The account is gone for good. Flat envelope.',
  ),
  message(
    'account.wrapped',
    'Account event, wrapped',
    incoming.AccountEventWrapped,
    example.WRAPPED,
    'Any other account message as a JSON text: from SNS to SQS without raw delivery.',
  ),
  message(
    'account.data',
    'Account event with its fields under data',
    incoming.AccountEventData,
    example.DATA,
    'The flat fields in an object of their own.',
  ),
  message(
    'account.token',
    'Security Event Token',
    incoming.AccountEventToken,
    example.TOKEN,
    'A decoded token (RFC 8417), as relying parties get it.',
  ),
];

export const NEWSLETTER_MESSAGES: readonly MessageSpec[] = [
  message(
    'newsletter.subscribe',
    'Sign-up',
    incoming.NewsletterSubscribe,
    example.SUBSCRIBE,
    'A reader signs up, with an address or through a token. With `optin` and no newsletters it is a confirmation.',
  ),
  message(
    'newsletter.unsubscribe',
    'Unsubscription',
    incoming.NewsletterUnsubscribe,
    example.UNSUBSCRIBE,
    'A reader leaves some newsletters, or (`all`) all email.',
  ),
  message(
    'newsletter.set',
    'Exactly these newsletters',
    incoming.NewsletterSet,
    example.SET,
    'What a preference page posts: the reader wants these newsletters and no others, among all newsletters or among the ones that the page showed.',
  ),
  message(
    'newsletter.reason',
    'Reason for leaving',
    incoming.NewsletterReason,
    example.REASON,
    'A reader says why, after an unsubscription. It refuses nothing, and may arrive before what it explains.',
  ),
  message(
    'newsletter.confirm',
    'Confirmation',
    incoming.NewsletterConfirm,
    example.CONFIRM,
    'The link of the double opt-in was clicked. Through a token it proves nothing unless `optin` is true.',
  ),
];

const contactEvent = (
  name: string,
  payload: z.ZodType,
  examples: readonly example.Example[],
  summary: string,
): MessageSpec => ({ name, title: name, payload, examples, summary, headers: OUTGOING, type: name });

export const CONTACT_MESSAGES: readonly MessageSpec[] = [
  contactEvent(
    'contact.merged',
    out.ContactMerged,
    example.MERGED,
    'Two records of one person became one: all that a mailer needs to tell the reader. Its message id is the merge id.',
  ),
  contactEvent(
    'contact.unmerged',
    out.ContactUnmerged,
    example.UNMERGED,
    'A merge was taken back: each side has its own id, token and newsletters again.',
  ),
  contactEvent(
    'contact.email_changed',
    out.ContactEmailChanged,
    example.EMAIL_CHANGED,
    'The primary address of a contact is another one now.',
  ),
  contactEvent(
    'contact.review_needed',
    out.ContactReviewNeeded,
    example.REVIEW_NEEDED,
    'A live account is left without an address. For staff, not for the reader.',
  ),
  contactEvent(
    'contact.account_deleted',
    out.ContactAccountDeleted,
    example.ACCOUNT_DELETED,
    'An account was deleted, and its contact remains without it.',
  ),
  contactEvent(
    'contact.closed',
    out.ContactClosed,
    example.CLOSED,
    'A contact ended without a successor: another person has all that it had, or nothing is left. It never comes back.',
  ),
  contactEvent(
    'contact.erased',
    out.ContactErased,
    example.ERASED,
    'A person was erased: delete all that is stored under these ids and this token.',
  ),
  contactEvent(
    'contact.confirmation_needed',
    out.ContactConfirmationNeeded,
    example.CONFIRMATION_NEEDED,
    'A sign-up that its reader has to confirm. Sent with NOTIFY_CONFIRMATIONS=true.',
  ),
  contactEvent(
    'contact.changed',
    out.ContactChanged,
    example.CHANGED,
    'A contact has a new version: look it up. Sent with NOTIFY_CHANGES=true.',
  ),
];

export const DEAD_LETTER_MESSAGES: readonly MessageSpec[] = [
  {
    name: 'dead-letter',
    title: 'Dead letter',
    summary: 'A message that could not be understood, or failed after every retry delay: byte by byte as it came.',
    payload: null,
    headers: DEAD,
    examples: example.DEAD,
  },
  {
    name: 'dead-letter.by-broker',
    title: 'Dead letter, from the broker itself',
    summary: 'A message that killed its workers, or that was too large to be published again.',
    payload: null,
    headers: DEAD_BY_BROKER,
    examples: example.DEAD_BY_BROKER,
  },
];

export const MESSAGES = [...ACCOUNT_MESSAGES, ...NEWSLETTER_MESSAGES, ...CONTACT_MESSAGES, ...DEAD_LETTER_MESSAGES];

/** Every published schema by name. */
export const SCHEMAS = new Map<string, { title: string; description?: string; schema: z.ZodType }>(
  MESSAGES.flatMap(({ name, title, summary: description, payload, headers }) => [
    ...(payload ? [[name, { title, description, schema: payload }] as const] : []),
    [headers.name, headers] as const,
  ]),
);

export type JsonSchema = Record<string, unknown>;

/**
 * Draft 7, of which AsyncAPI's schemas are a superset. Outgoing messages have input schemas too: these allow unknown fields,
 * so that adding one breaks no consumer.
 */
export function jsonSchema(schema: z.ZodType): JsonSchema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { target: 'draft-7', io: 'input' });
  return rest;
}
