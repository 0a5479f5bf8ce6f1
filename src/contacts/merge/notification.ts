/** What subscribers are told about a batch: what happened, and the contacts as they are once it is committed. */
import type { Time } from '../facts/event';
import type { Facts } from '../facts/facts';
import { type ConnectedComponent, connectedComponent } from '../identity/connected-component';
import type { Contact, ContactIndex, Token } from '../identity/contact-index';
import type { Cause, EmailChange, Review } from '../identity/primary-address-tracker';
import { type ContactSnapshot, contactSnapshot } from '../profile/contact-snapshot';
import { asTyped, type ContactView } from '../profile/contact-view';
import { type BeforeAndAfter, viewOf } from './before-and-after';
import type { MergePlan } from './merge';
import type { Undone } from './undo';

/** The changes of a batch that lead to notifications. */
export interface NotifiableChanges {
  merges: readonly MergePlan[];
  undone: readonly Undone[];
  emailChanges: readonly EmailChange[];
  reviews: readonly Review[];
}

export interface MergeNotification {
  kind: 'merged';
  plan: MergePlan;
  survivor: ContactSnapshot;
  /** The token that the retired contact had; null when it had none. */
  retiredToken: string | null;
  /** The token that stopped working; null when only one side had a known token. */
  tokenRetired: string | null;
  /** Newsletters that the account is subscribed to now and was not without the event that caused the merge. */
  added: string[];
}

export interface UnmergeNotification {
  kind: 'unmerged';
  merge: MergePlan;
  at: Time;
  survivor: ContactSnapshot;
  restored: ContactSnapshot;
}

/** The primary address of a contact changed, or a live account was left without an address. */
export interface AddressNotification {
  kind: 'email_changed' | 'review_needed';
  contact: ContactSnapshot;
  /** The former primary address as typed; null for an account that had none. */
  former: string | null;
  cause: Cause;
}

export type Notification = MergeNotification | UnmergeNotification | AddressNotification;

/**
 * @param merges those of the batch
 * @param facts all that the views of these contacts depend on, with choices (`componentOf`)
 */
export function notificationsOf(
  { undone, emailChanges, reviews }: Omit<NotifiableChanges, 'merges'>,
  merges: readonly BeforeAndAfter[],
  contactIndex: ContactIndex,
  facts: Facts,
): Notification[] {
  const snapshot = (id: string): ContactSnapshot => {
    const contact = contactIndex.contacts.get(id) as Contact;
    return snapshotAfter(contact, viewOf(contact, contactIndex, facts), facts);
  };
  const aboutAddress =
    (kind: AddressNotification['kind']) =>
    ({ contactId, former, cause }: EmailChange | Review): AddressNotification => ({
      kind,
      contact: snapshot(contactId),
      former: asTyped(facts, former),
      cause,
    });
  return [
    ...merges.filter(({ plan }) => plan.announced).map((merge) => merged(merge, facts)),
    ...undone
      .filter(({ merge }) => merge.announced)
      .map(
        ({ merge, at }): UnmergeNotification => ({
          kind: 'unmerged',
          merge,
          at,
          survivor: snapshot(merge.survivorId),
          restored: snapshot(merge.retiredId),
        }),
      ),
    ...emailChanges.map(aboutAddress('email_changed')),
    ...reviews.map(aboutAddress('review_needed')),
  ];
}

/** The addresses and accounts whose facts the ledger or a notification of these changes may need. */
export function componentOf(
  { merges, undone, emailChanges, reviews }: NotifiableChanges,
  contactIndex: ContactIndex,
  facts: Facts,
): ConnectedComponent {
  const contacts = [...emailChanges, ...reviews].map(
    ({ contactId }) => contactIndex.contacts.get(contactId) as Contact,
  );
  return connectedComponent(facts, {
    addresses: [
      ...[...merges, ...undone.map(({ merge }) => merge)].flatMap(({ addresses }) => addresses),
      ...contacts.flatMap((contact) => contactIndex.addressesOf(contact)),
    ],
    uids: contacts.flatMap((contact) => contactIndex.accountOf(contact) ?? []),
  });
}

function merged({ plan, root, survivor: before, after }: BeforeAndAfter, facts: Facts): MergeNotification {
  const survivor = snapshotAfter(root, after, facts);
  const isSubscribed = ({ newsletters }: ContactView, name: string): boolean =>
    newsletters.get(name)?.state === 'subscribed';
  return {
    kind: 'merged',
    plan,
    survivor,
    retiredToken: plan.token.keep === 'retired' ? plan.tokenKept : plan.tokenRetired,
    // A later merge of the same batch may have retired the token that this one kept.
    tokenRetired: survivor.token === plan.tokenKept ? plan.tokenRetired : plan.tokenKept,
    added: [...after.newsletters.keys()].filter((name) => isSubscribed(after, name) && !isSubscribed(before, name)),
  };
}

/** A contact as saving the batch leaves it: with the next version. */
const snapshotAfter = ({ id, token, version }: Contact, view: ContactView, facts: Facts): ContactSnapshot =>
  contactSnapshot({ id, token: (token as Token).id, version: version + 1 }, view, facts);
