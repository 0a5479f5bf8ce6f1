import { z } from 'zod';

/** The header `schema-version` of every outgoing message. */
export const SCHEMA_VERSION = '1';

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

/** A contact after the change: the survivor of a merge, or each side of an undone one. */
export const ContactPart = z.object({
  contact_id: Uuid,
  primary_email: z
    .string()
    .nullable()
    .describe('As typed: the address to mail; null when the contact has none (any more)'),
  basket_token: Uuid.describe('The key to the preference centre that works from now on'),
  lang: z.string().nullable().describe('Lower-case, such as fr or pt-br'),
  format: z.string().nullable().describe('H or T'),
  account_id: z.string().nullable().describe('FxA uid: 32 hexadecimal digits; null when there is no live account'),
  opted_out: z.boolean().describe('Of all email: a mailer writes to nobody who has'),
  version: z.int().nonnegative().describe('Rises with every change of the contact'),
});

/** The contact that ended: its id answers 404. `token.retired` is the token that stopped working. */
export const RetiredBody = z.object({
  contact_id: Uuid,
  basket_token: Uuid.nullable().describe(
    'The token it had; it may be the one that lives on (see token.kept). Null when it had none',
  ),
  addresses: z.array(NormalisedAddress).describe('Those that went over to the survivor'),
});

export const NewsletterStateBody = z.object({
  state: z.enum(['subscribed', 'unsubscribed']),
  since: Instant.nullable().describe('Event time of the choice that counts; null when an import did not know it'),
});

const Newsletters = z.record(z.string(), NewsletterStateBody).describe('By name; as in effect from now on');

/** Which of the two tokens keeps working, and why. */
export const TokenDecisionBody = z.object({
  policy: z.enum(['address', 'account']),
  reason: z
    .enum(['held_primary_address', 'survivor', 'only_token'])
    .describe("held_primary_address: mail at the account's primary address carries this token"),
  kept: Uuid,
  retired: Uuid.nullable().describe('Null when only one side had a token'),
});

/** `contact.merged`: two contacts of one person became one. Holds all that a mailer needs to tell the reader. */
export const ContactMerged = z.object({
  merge_id: Uuid.describe("The ledger's id and the message's: the same on every redelivery"),
  merged_at: Instant,
  reason: z
    .enum(['claim', 'recreated', 'deletion'])
    .describe(
      'claim: an account proved an address that had a record; recreated: an account was deleted and made anew; ' +
        'deletion: an account that owned no address any more was deleted',
    ),
  trigger: TriggerBody,
  survivor: ContactPart,
  retired: RetiredBody,
  former_addresses: z.array(NormalisedAddress).describe("The survivor's addresses besides its primary one"),
  newsletters: Newsletters,
  newsletters_added: z.array(z.string()).describe('Subscriptions that the survivor did not have before'),
  token: TokenDecisionBody,
});

/** `contact.unmerged`: a merge was undone; each side has its own id, token and newsletters again. */
export const ContactUnmerged = z.object({
  merge_id: Uuid.describe('The merge that was undone; its contact.merged had this as its message id'),
  unmerged_at: Instant,
  survivor: ContactPart.extend({ newsletters: Newsletters }),
  restored: ContactPart.extend({ newsletters: Newsletters }).describe('The contact that lives again, with its token'),
  addresses: z.array(NormalisedAddress).describe('Those that went back to the restored contact'),
});

/** `contact.email_changed`: the primary address of a contact changed. */
export const ContactEmailChanged = z.object({
  changed_at: Instant,
  trigger: TriggerBody.nullable().describe('Null when a person decided: an undo'),
  contact: ContactPart,
  former_email: z.string().nullable().describe('As typed; null when the account had no address before'),
});

/** `contact.review_needed`: a live account was left without an address, because another account proved to own it. */
export const ContactReviewNeeded = z.object({
  needed_at: Instant,
  reason: z.literal('no_address'),
  trigger: TriggerBody.nullable().describe('Null when a person decided: an undo'),
  contact: ContactPart,
  former_email: z.string().nullable().describe('As typed; null when the account never had an address of its own'),
});

export type ContactPart = z.infer<typeof ContactPart>;
export type NewsletterStates = z.infer<typeof Newsletters>;
export type ContactMerged = z.infer<typeof ContactMerged>;
export type ContactUnmerged = z.infer<typeof ContactUnmerged>;
export type ContactEmailChanged = z.infer<typeof ContactEmailChanged>;
export type ContactReviewNeeded = z.infer<typeof ContactReviewNeeded>;
