/** A contact as JSON: in HTTP answers, `show --json`, the export and notifications, with the same keys in all of them. */
import { TIME_UNKNOWN, type Time } from '../../contacts/facts/event';
import { viewFields } from '../../contacts/profile/canonical';
import type { ContactSnapshot } from '../../contacts/profile/contact-snapshot';
import { isMailable, type Subscription } from '../../contacts/profile/contact-view';
import { iso } from '../../foundation/times';
import type { ContactPart, Newsletters } from './schemas';

/** A contact for its readers. */
export const contactBody = ({ id, token, version, view, primaryAsTyped }: ContactSnapshot) => ({
  contact_id: id,
  account_id: view.account,
  primary_email: primaryAsTyped,
  basket_token: token,
  version,
  emails: view.emails,
  addresses: view.addresses,
  ...viewFields(view),
  newsletters: byName(view.newsletters, stateBody),
});

export type ContactBody = ReturnType<typeof contactBody>;

/** A contact in a notification: no more than a mailer needs. */
export const contactPart = ({ id, token, version, view, primaryAsTyped }: ContactSnapshot): ContactPart => ({
  contact_id: id,
  account_id: view.account,
  primary_email: primaryAsTyped,
  basket_token: token,
  version,
  first_name: view.profile.firstName,
  country: view.profile.country,
  lang: view.profile.lang,
  format: view.profile.format,
  account_profile: view.accountProfile && { locale: view.accountProfile.locale },
  opted_out: view.optedOut,
  double_opt_in: view.doubleOptIn,
  mailable: isMailable(view),
});

/** The newsletters of a contact in a notification. @param which those to list; by default all */
export const newslettersPart = (
  { view }: Pick<ContactSnapshot, 'view'>,
  which: (name: string) => boolean = () => true,
): Newsletters =>
  byName(
    [...view.newsletters].filter(([name]) => which(name)),
    (newsletter) => ({ ...stateBody(newsletter), lang: newsletter.details.lang, format: newsletter.details.format }),
  );

const stateBody = ({ state, since }: Subscription) => ({ state, since: knownTime(since) });

const byName = <T>(
  newsletters: Iterable<[string, Subscription]>,
  bodyOf: (newsletter: Subscription) => T,
): Record<string, T> => Object.fromEntries([...newsletters].map(([name, newsletter]) => [name, bodyOf(newsletter)]));

/** Null for a time that an import did not know. */
export const knownTime = (at: Time): string | null => (at === TIME_UNKNOWN ? null : iso(at));
