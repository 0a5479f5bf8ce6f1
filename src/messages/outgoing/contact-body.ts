/** A contact as JSON: in HTTP answers, `show --json`, the export and notifications. */
import { TIME_UNKNOWN, type Time } from '../../contacts/facts/event';
import { viewFields } from '../../contacts/profile/canonical';
import type { ContactSnapshot } from '../../contacts/profile/contact-snapshot';
import { iso } from '../../foundation/times';
import type { ContactPart, NewsletterStates } from './schemas';

/** A contact for its readers. */
export const contactBody = ({ id, token, version, view }: ContactSnapshot) => ({
  id,
  basket_token: token,
  version,
  emails: view.emails,
  addresses: view.addresses,
  account: view.account,
  ...viewFields(view),
  newsletters: newslettersBody({ view }),
});

export type ContactBody = ReturnType<typeof contactBody>;

/** A contact in a notification. */
export const contactPart = ({ id, token, version, view, primaryAsTyped }: ContactSnapshot): ContactPart => ({
  contact_id: id,
  primary_email: primaryAsTyped,
  basket_token: token,
  lang: view.profile.lang,
  format: view.profile.format,
  account_id: view.account,
  opted_out: view.optedOut,
  version,
});

export const newslettersBody = ({ view }: Pick<ContactSnapshot, 'view'>): NewsletterStates =>
  Object.fromEntries(
    [...view.newsletters].map(([name, { state, since }]) => [name, { state, since: knownTime(since) }]),
  );

/** Null for a time that an import did not know. */
export const knownTime = (at: Time): string | null => (at === TIME_UNKNOWN ? null : iso(at));
