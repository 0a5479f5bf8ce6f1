import { z } from 'zod';
import { CHANGED_PARTS } from '../../contacts/profile/changed-parts';

/**
 * The header `schema-version` of messages written by this program. It rises when a field is removed or changes its meaning.
 * The outbox stores the version of each message, so an older message is published with the version and shape it was
 * written in.
 */
export const SCHEMA_VERSION = 2;
/** Versions that may still be in outboxes and queues. */
export const SCHEMA_VERSIONS = ['1', '2'] as const;

/** A uuid of any version: imported ids and tokens keep theirs. */
const Uuid = z.guid();
const Instant = z.iso.datetime().describe('ISO 8601, UTC');
const NormalisedAddress = z.string().describe('Normalised: lower-case, the domain in ASCII');

/** The newsletter or account event that caused the change. */
export const TriggerBody = z.object({
  source: z.enum(['fxa', 'newsletter']),
  event: z.string().describe('As its producer spells it, such as primaryEmailChanged'),
  event_id: z.string().describe("The event's own id, or a SHA-256 over what it says"),
  event_time: Instant,
});

/** A contact after the change. */
export const ContactPart = z.object({
  contact_id: Uuid,
  primary_email: z.string().nullable().describe('As typed: the address to mail; null when the contact has no address'),
  basket_token: Uuid.describe('The token for the preference centre that is valid from now on'),
  first_name: z.string().nullable(),
  country: z.string().nullable().describe('ISO 3166-1 alpha-2, lower-case'),
  lang: z.string().nullable().describe('Lower-case, such as fr or pt-br'),
  format: z.string().nullable().describe('H or T'),
  account_id: z.string().nullable().describe('FxA uid: 32 hexadecimal digits; null without a live account'),
  account_profile: z
    .object({
      locale: z.string().nullable().describe('The Accept-Language value of the browser, such as fr-FR,fr;q=0.9'),
    })
    .nullable()
    .describe('Of the live account; null without a live account'),
  opted_out: z.boolean().describe('Opted out of all email'),
  double_opt_in: z.boolean().describe('The reader has proved to own an address of the contact'),
  mailable: z
    .boolean()
    .describe('primary_email is set, opted_out is false and double_opt_in is true: only such contacts may be mailed'),
  version: z.int().nonnegative().describe('Rises with every change of the contact'),
});

/** The contact that ended: its id answers 404. `token.retired` is the token that stopped working. */
export const RetiredBody = z.object({
  contact_id: Uuid,
  account_id: z.string().nullable().describe('The deleted account of the contact; null when it had none'),
  addresses: z.array(NormalisedAddress).describe('The addresses that moved to the survivor'),
});

export const NewsletterStateBody = z.object({
  state: z.enum(['subscribed', 'unsubscribed']),
  since: Instant.nullable().describe('Event time of the choice that counts; null when an import did not have it'),
});

/** A newsletter in a message: its state, and how the reader wants it. */
const MessageNewsletter = NewsletterStateBody.extend({
  lang: z.string().nullable().describe('Chosen with the newsletter; null: that of the contact'),
  format: z.string().nullable().describe('Chosen with the newsletter, H or T; null: that of the contact'),
});

const Newsletters = z.record(z.string(), MessageNewsletter).describe('By name; as in effect from now on');

/** Which of the two tokens keeps working, and why. */
export const TokenDecisionBody = z.object({
  kept: Uuid.describe("The survivor's basket_token"),
  retired: Uuid.nullable().describe('The token that stopped working; null when only one side had a token'),
  policy: z.enum(['address', 'account']),
  reason: z
    .enum(['held_primary_address', 'survivor', 'only_token'])
    .describe("held_primary_address: mail at the account's primary address carries this token"),
});

const FormerAddresses = z.array(z.string()).describe('As typed: the addresses of the contact besides its primary one');

/** `contact.merged`: two contacts of one person became one. Holds all that a mailer needs to tell the reader. */
export const ContactMerged = z.object({
  merge_id: Uuid.describe("The ledger's id and the message's: the same on every redelivery"),
  merged_at: Instant,
  reason: z
    .enum(['claim', 'recreated', 'deletion'])
    .describe(
      'claim: an account proved an address that had a record; recreated: an account was deleted and re-created; ' +
        'deletion: an account without an address was deleted',
    ),
  trigger: TriggerBody,
  survivor: ContactPart,
  retired: RetiredBody,
  former_addresses: FormerAddresses,
  newsletters: Newsletters,
  newsletters_added: z.array(z.string()).describe('Subscriptions that the survivor did not have before'),
  newsletters_ended: z
    .array(z.string())
    .describe(
      'Subscriptions that either contact had before and the survivor does not have, because the other had refused them',
    ),
  token: TokenDecisionBody,
});

/** `contact.unmerged`: a merge was undone; each side has its own id, token and newsletters again. */
export const ContactUnmerged = z.object({
  merge_id: Uuid.describe('The merge that was undone: the message id of its contact.merged'),
  unmerged_at: Instant,
  survivor: ContactPart.extend({ newsletters: Newsletters }),
  restored: ContactPart.extend({ newsletters: Newsletters }).describe('The contact that is live again, with its token'),
  addresses: z.array(NormalisedAddress).describe('The addresses that are back on the restored contact'),
});

/** `contact.email_changed`: the primary address of a contact changed. */
export const ContactEmailChanged = z.object({
  changed_at: Instant,
  trigger: TriggerBody.nullable().describe('Null when a person decided: an undo'),
  contact: ContactPart,
  former_email: z.string().nullable().describe('As typed; null when the account had no address before'),
  former_addresses: FormerAddresses.describe(
    'As typed: the addresses of the contact besides its primary one. If former_email is not among them, it may be ' +
      "another person's by now",
  ),
  newsletters: Newsletters,
  merge_id: Uuid.nullable().describe('The merge whose contact.merged or contact.unmerged has the new address, too'),
});

/** `contact.review_needed`: a live account was left without an address, because another account proved to own it. */
export const ContactReviewNeeded = z.object({
  needed_at: Instant,
  reason: z.literal('no_address'),
  trigger: TriggerBody.nullable().describe('Null when a person decided: an undo'),
  contact: ContactPart,
  former_email: z.string().nullable().describe('As typed; null when the account never had an address of its own'),
});

/** `contact.account_deleted`: an account was deleted, and its contact remains without it. */
export const ContactAccountDeleted = z.object({
  deleted_at: Instant,
  trigger: TriggerBody,
  account_id: z.string().describe('The deleted account'),
  contact: ContactPart,
  newsletters: Newsletters,
});

/** `contact.closed`: a contact ended without a successor: another person has all that it had, or nothing is left of it. */
export const ContactClosed = z.object({
  closed_at: Instant,
  trigger: TriggerBody.nullable().describe('Null when compaction removed the rest of a deleted account'),
  contact_id: Uuid,
  basket_token: Uuid.nullable().describe('The token that stopped working; null when the contact had none'),
  account_id: z
    .string()
    .nullable()
    .describe(
      'The deleted account of the contact; null when it had none, and after compaction, because contact.account_deleted named it',
    ),
  version: z.int().nonnegative().describe('The last version of the contact'),
});

/** `contact.erased`: a person was erased. Ids and token only: delete all that is stored under them. */
export const ContactErased = z.object({
  erased_at: Instant,
  contact_id: Uuid,
  basket_token: Uuid.nullable(),
  retired_contact_ids: z.array(Uuid).describe('The contacts that had been merged into it'),
});

/** `contact.confirmation_needed`: a sign-up that its reader has to confirm. With `NOTIFY_CONFIRMATIONS=true`. */
export const ContactConfirmationNeeded = z.object({
  needed_at: Instant,
  trigger: TriggerBody.describe('The sign-up'),
  contact: ContactPart,
  newsletters: Newsletters.describe('By name: the newsletters of the sign-up that the contact has'),
});

/** `contact.changed`: a contact has a new version: look it up for the values. With `NOTIFY_CHANGES=true`. */
export const ContactChanged = z.object({
  contact_id: Uuid,
  version: z.int().nonnegative(),
  changed: z
    .array(z.enum(CHANGED_PARTS))
    .describe('The parts of the contact that may differ. The others are unchanged since the version before'),
});

export type ContactPart = z.infer<typeof ContactPart>;
export type Newsletters = z.infer<typeof Newsletters>;
export type ContactMerged = z.infer<typeof ContactMerged>;
export type ContactUnmerged = z.infer<typeof ContactUnmerged>;
export type ContactEmailChanged = z.infer<typeof ContactEmailChanged>;
export type ContactReviewNeeded = z.infer<typeof ContactReviewNeeded>;
export type ContactAccountDeleted = z.infer<typeof ContactAccountDeleted>;
export type ContactClosed = z.infer<typeof ContactClosed>;
export type ContactErased = z.infer<typeof ContactErased>;
export type ContactConfirmationNeeded = z.infer<typeof ContactConfirmationNeeded>;
export type ContactChanged = z.infer<typeof ContactChanged>;
