/**
 * The mails for each message, in both schema versions: pure, so that it can be tested without a server. The bodies are those
 * of contracts/; docs/messages-out.md says what a consumer can rely on.
 */
import type { ContactEvents } from '../../src/client'; // in a project of your own: 'onecontact/client'

type ContactMerged = ContactEvents['contact.merged'];
type ContactUnmerged = ContactEvents['contact.unmerged'];
type ContactEmailChanged = ContactEvents['contact.email_changed'];
type ContactReviewNeeded = ContactEvents['contact.review_needed'];
type ContactPart = ContactEmailChanged['contact'];

export interface Message {
  id: string;
  type: string;
  /** The header `schema-version`. */
  version: number;
  body: unknown;
}

export interface Mail {
  to: string;
  subject: string;
  text: string;
}

export interface Site {
  /** Where preference centres are, without the token. */
  preferences: string;
  /** The address of those who look into what no program can decide. */
  staff: string;
}

/** Version 2 says more than version 1 did: what was added may be absent. */
type Since2<T, Added extends keyof T> = Omit<T, Added> & Partial<Pick<T, Added>>;
type Contact = Since2<ContactPart, 'first_name' | 'country' | 'account_profile' | 'double_opt_in' | 'mailable'>;
type Merged = Since2<Omit<ContactMerged, 'survivor'>, 'newsletters_ended'> & { survivor: Contact };
type Side = Contact & Pick<ContactUnmerged['survivor'], 'newsletters'>;
type Unmerged = Omit<ContactUnmerged, 'survivor' | 'restored'> & { survivor: Side; restored: Side };
type EmailChanged = Since2<Omit<ContactEmailChanged, 'contact'>, 'former_addresses' | 'newsletters' | 'merge_id'> & {
  contact: Contact;
};

export const NEWEST_VERSION = 2;

/**
 * @param isToldByMerge whether a mail about a merge has told this change of the address already. Only asked for messages of
 *   version 1: later ones say it.
 */
export function mailsFor({ type, version, body }: Message, site: Site, isToldByMerge: boolean): Mail[] {
  if (version > NEWEST_VERSION) throw new UnknownVersionError(version);
  switch (type) {
    case 'contact.merged':
      return merged(body as Merged, site);
    case 'contact.unmerged':
      return unmerged(body as Unmerged, site);
    case 'contact.email_changed':
      return emailChanged(body as EmailChanged, site, isToldByMerge);
    case 'contact.review_needed':
      return reviewNeeded(body as ContactReviewNeeded, site);
    // A site sends its own confirmation mail, because the link leads to a page of the site, which publishes
    // newsletter.confirm when the reader clicks it. This mailer acknowledges the message and sends nothing.
    case 'contact.confirmation_needed':
      return [];
    // These concern copies of contacts: main.ts shows where a mailing list would be kept in step. Other types are new ones.
    default:
      return [];
  }
}

/** A field has gone or means something else: a mail could be wrong, so the message waits for a newer mailer. */
export class UnknownVersionError extends Error {
  constructor(version: number) {
    super(`schema-version is ${version}, and this mailer knows ${NEWEST_VERSION}: install a newer one`);
  }
}

function merged({ survivor, former_addresses, newsletters, ...body }: Merged, site: Site): Mail[] {
  const [added, ended] = [body.newsletters_added, body.newsletters_ended ?? []];
  return toReader(survivor, 'Your subscriptions are in one place now', [
    'We had two records of you. They are one now, with one preference centre.',
    `We write to you at ${survivor.primary_email}.`,
    former_addresses.length > 0 && `We also know you by ${former_addresses.join(', ')}.`,
    `Your newsletters: ${subscribed(newsletters)}.`,
    added.length > 0 && `From your other record: ${added.join(', ')}.`,
    ended.length > 0 &&
      `You had unsubscribed from these in one of your records, so they have ended: ${ended.join(', ')}.`,
    preferences(survivor, site),
  ]);
}

function unmerged({ survivor, restored }: Unmerged, site: Site): Mail[] {
  return [survivor, restored].flatMap((contact) =>
    toReader(contact, 'Your subscriptions are as they were', [
      'We merged your record with another one by mistake. We have undone that.',
      `Your newsletters: ${subscribed(contact.newsletters)}.`,
      preferences(contact, site),
    ]),
  );
}

function emailChanged(body: EmailChanged, site: Site, isToldByMerge: boolean): Mail[] {
  const { contact, former_email: former, former_addresses = [], merge_id } = body;
  const isTold = merge_id === undefined ? isToldByMerge : merge_id !== null;
  // Another person may have the former mailbox by now, and may have opted out. It gets no link and no new address.
  const isStillTheirs = former !== null && former_addresses.includes(former);
  return [
    ...(isTold
      ? []
      : toReader(contact, 'We write to this address from now on', [
          former !== null && `Until now we wrote to ${former}.`,
          preferences(contact, site),
        ])),
    ...(isStillTheirs
      ? toReader({ ...contact, primary_email: former }, 'We do not write to this address any more', [
          'Your account has another address now, and we write to that one.',
          `If you did not change it, please tell us: ${site.staff}.`,
        ])
      : []),
  ];
}

const reviewNeeded = ({ contact, former_email }: ContactReviewNeeded, { staff }: Site): Mail[] => [
  {
    to: staff,
    subject: 'An account is left without an address',
    text: `Contact ${contact.contact_id}: another account has proved to own ${former_email ?? 'its only address'}.\n`,
  },
];

/** A mail to a reader, if the contact may be written to. */
function toReader(contact: Contact, subject: string, lines: readonly (string | false)[]): Mail[] {
  const { primary_email: to, first_name } = contact;
  if (to === null || !isMailable(contact)) return [];
  const text = [`Hello${first_name ? ` ${first_name}` : ''},`, ...lines.filter((line) => line !== false)].join('\n\n');
  return [{ to, subject, text: `${text}\n` }];
}

/** Version 1 does not say whether the address is confirmed. An account's is. */
const isMailable = ({ mailable, opted_out, account_id }: Contact): boolean =>
  mailable ?? (!opted_out && account_id !== null);

const subscribed = (newsletters: Side['newsletters']): string =>
  Object.keys(newsletters)
    .filter((name) => newsletters[name]?.state === 'subscribed')
    .join(', ') || 'none';

const preferences = ({ basket_token }: Contact, site: Site): string =>
  `Change your newsletters here: ${site.preferences}${basket_token}`;
