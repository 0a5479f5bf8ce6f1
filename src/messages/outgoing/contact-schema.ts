import { z } from 'zod';
import { NewsletterStateBody } from './schemas';

const Instant = z.iso.datetime();

const text = (description: string) => z.string().nullable().describe(description);
const instant = (description: string) => Instant.nullable().describe(description);

/** What readers see of one newsletter of a contact. */
export const NewsletterBody = NewsletterStateBody.extend({
  pending: z
    .boolean()
    .describe(
      'The latest choice is a subscription that waits for a confirmation; until then the state is unsubscribed',
    ),
  source: text('The page or the account event of the latest choice'),
  lang: text('Of the latest choice; null: the language of the contact'),
  format: text('Of the latest choice, H or T; null: the format of the contact'),
  reason: text('Why the reader left, if the latest choice is an unsubscription; perhaps said later'),
  fields: z.record(z.string(), z.unknown()).nullable().describe('Further fields of a waitlist, from the latest choice'),
});

/** A contact for its readers: in HTTP answers, `show --json`, the export and the change feed. */
export const ContactBody = z.object({
  contact_id: z.guid().describe('Does not change; a merge ends the id of the retired contact'),
  account_id: text('The uid of the live account: 32 hexadecimal digits'),
  primary_email: text('As typed: the address to mail; null for an account without an address'),
  basket_token: z.guid().describe('The token for the preference centre, for mails to this reader only'),
  version: z.int().nonnegative().describe('Rises with every change that readers can see; decides between two copies'),
  created_at: Instant.describe('When the contact was stored, or the time that an import gave'),
  updated_at: instant('When the version last rose; null for a contact that has not changed since this is recorded'),
  emails: z
    .array(z.object({ address: z.string(), primary: z.boolean(), verified: z.boolean() }))
    .describe('As typed, the primary one first; verified: claimed by the account, or confirmed by a proven act'),
  addresses: z.array(z.string()).describe('The same addresses, normalised: lower-case, the domain in ASCII; sorted'),
  first_name: z.string().nullable(),
  last_name: z.string().nullable(),
  country: text('ISO 3166-1 alpha-2, lower-case'),
  lang: text('Lower-case, such as fr or pt-br'),
  format: text('H or T'),
  opted_out: z.boolean().describe('Opted out of all email'),
  opted_out_at: instant('Event time of the opt-out in force; null without one, and if an import did not know it'),
  opt_out_reason: text('The reason that its reader gave, then or later'),
  double_opt_in: z.boolean().describe('The address is proven: by an account, or by a confirmation'),
  mailable: z.boolean().describe('primary_email is set, opted_out is false, and double_opt_in is true'),
  account_profile: z
    .object({
      created_at: instant('The earliest time that the account service or an import gave'),
      first_service: text('The first service that the account was used for'),
      locale: text('As the account has it: an Accept-Language value'),
    })
    .nullable()
    .describe('Of the live account; null without a live account'),
  newsletters: z.record(z.string(), NewsletterBody).describe('By name: every newsletter with a choice'),
});

export type NewsletterBody = z.infer<typeof NewsletterBody>;
export type ContactBody = z.infer<typeof ContactBody>;
