/** A contact as JSON: in HTTP answers, `show --json`, the export and notifications, with the same keys in all of them. */
import { TIME_UNKNOWN, type Time } from '../../contacts/facts/event';
import type { ContactSnapshot, StoredContact } from '../../contacts/profile/contact-snapshot';
import { type ContactView, isMailable, type Subscription } from '../../contacts/profile/contact-view';
import { iso } from '../../foundation/times';
import type { ContactBody, NewsletterBody } from './contact-schema';
import type { ContactPart, Newsletters } from './schemas';

/** A contact for its readers. */
export const contactBody = (contact: StoredContact): ContactBody => {
  const { id, token, version, createdAt, updatedAt, view, primaryAsTyped } = contact;
  const { profile, optOut } = view;
  return {
    contact_id: id,
    account_id: view.account,
    primary_email: primaryAsTyped,
    basket_token: token,
    version,
    created_at: createdAt.toISOString(),
    updated_at: updatedAt?.toISOString() ?? null,
    emails: view.emails,
    addresses: view.addresses,
    first_name: profile.firstName,
    last_name: profile.lastName,
    country: profile.country,
    lang: profile.lang,
    format: profile.format,
    opted_out: view.optedOut,
    opted_out_at: optOut && knownTime(optOut.at),
    opt_out_reason: optOut?.reason ?? null,
    double_opt_in: view.doubleOptIn,
    mailable: isMailable(view),
    account_profile: accountProfileBody(view),
    newsletters: byName(view.newsletters, newsletterBody),
  };
};

const accountProfileBody = ({ accountProfile }: ContactView): ContactBody['account_profile'] =>
  accountProfile && {
    created_at: accountProfile.createdAt === null ? null : knownTime(accountProfile.createdAt),
    first_service: accountProfile.firstService,
    locale: accountProfile.locale,
  };

const newsletterBody = ({ by, details, ...newsletter }: Subscription): NewsletterBody => ({
  ...stateBody(newsletter),
  pending: by === 'unconfirmed',
  source: details.source,
  lang: details.lang,
  format: details.format,
  reason: details.reason,
  fields: details.fields === null ? null : JSON.parse(details.fields),
});

/** A contact in a notification, with no more than a mailer needs. */
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

/** The newsletters of a contact in a notification. @param which the newsletters to list; by default all */
export const newslettersPart = (
  { view }: Pick<ContactSnapshot, 'view'>,
  which: (name: string) => boolean = () => true,
): Newsletters =>
  byName(
    [...view.newsletters].filter(([name]) => which(name)),
    (newsletter) => ({ ...stateBody(newsletter), lang: newsletter.details.lang, format: newsletter.details.format }),
  );

const stateBody = ({ state, since }: Pick<Subscription, 'state' | 'since'>) => ({ state, since: knownTime(since) });

const byName = <T>(
  newsletters: Iterable<[string, Subscription]>,
  bodyOf: (newsletter: Subscription) => T,
): Record<string, T> => Object.fromEntries([...newsletters].map(([name, newsletter]) => [name, bodyOf(newsletter)]));

/** Null for a time that an import did not know. */
export const knownTime = (at: Time): string | null => (at === TIME_UNKNOWN ? null : iso(at));
