/** What the baseline reads of a message. */
import { z } from 'zod';

export const NewsletterMessage = z.object({
  ts: z.number(),
  email: z.string(),
  newsletters: z.array(z.string()),
  first_name: z.string(),
  last_name: z.string(),
  lang: z.string(),
  country: z.string(),
  format: z.string(),
  source_url: z.string(),
});
export type NewsletterMessage = z.infer<typeof NewsletterMessage>;

export const AccountMessage = z
  .object({
    event: z.string(),
    uid: z.string(),
    email: z.string(),
    timestamp: z.number(),
    locale: z.string().nullable().default(null),
    countryCode: z.string().nullable().default(null),
    service: z.string().nullable().default(null),
    newsletters: z.array(z.string()).default([]),
  })
  .transform(({ countryCode, ...rest }) => ({ ...rest, country: countryCode?.toLowerCase() ?? null }));
export type AccountMessage = z.infer<typeof AccountMessage>;
