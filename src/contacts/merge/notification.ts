/** What is told to others: contacts as they are once the batch is committed, and what happened to them. */
import type { ChangeSet } from '../change-recorder';
import type { Facts } from '../facts/facts';
import { type ConnectedComponent, connectedComponent } from '../identity/connected-component';
import type { Contact, ContactIndex, Token } from '../identity/contact-index';
import type { Cause } from '../identity/primary-address-tracker';
import type { ContactView } from '../profile/contact-view';
import { type BeforeAndAfter, viewOf } from './before-and-after';
import type { MergePlan, MergeRecord } from './merge';

/** A live contact, as a mailer has to know it. */
export interface ContactSnapshot {
  id: string;
  token: string;
  version: number;
  view: ContactView;
  /** As typed, for mailing; null for an account that has no address. */
  primary: string | null;
}

export interface MergeNotification {
  kind: 'merged';
  plan: MergePlan;
  survivor: ContactSnapshot;
  retired: { id: string; token: string | null };
  /** The token that stopped to work; null when only one side had a token that anybody knew. */
  tokenRetired: string | null;
  /** Newsletters that the account is subscribed to now, and was not without the event that caused the merge. */
  added: string[];
}

export interface UnmergeNotification {
  kind: 'unmerged';
  merge: MergeRecord;
  /** Milliseconds since 1970. */
  at: number;
  survivor: ContactSnapshot;
  restored: ContactSnapshot;
}

export interface EmailChangeNotification {
  kind: 'email_changed';
  contact: ContactSnapshot;
  /** As typed; null for an account that had no address. */
  former: string | null;
  cause: Cause;
}

export interface ReviewNotification {
  kind: 'review_needed';
  contact: ContactSnapshot;
  /** As typed; null for an account that never had an address. */
  former: string | null;
  cause: Cause;
}

export type Notification = MergeNotification | UnmergeNotification | EmailChangeNotification | ReviewNotification;

/**
 * @param sides of each merge.
 * @param facts all that is known of the people concerned (`concernedBy`), consent ledger included.
 */
export function notificationsOf(
  changes: ChangeSet,
  sides: readonly BeforeAndAfter[],
  contactIndex: ContactIndex,
  facts: Facts,
): Notification[] {
  const told = (id: string): ContactSnapshot =>
    snapshotOf(contactIndex.contacts.get(id) as Contact, contactIndex, facts);
  const typed = (address: string | null): string | null => facts.addresses.get(address ?? '')?.typed.value ?? null;
  return [
    ...sides.filter(({ plan }) => plan.announced).map((merge) => merged(merge, facts)),
    ...changes.undone
      .filter(({ merge }) => merge.announced)
      .map(
        ({ merge, at }): UnmergeNotification => ({
          kind: 'unmerged',
          merge,
          at,
          survivor: told(merge.survivorId),
          restored: told(merge.retiredId),
        }),
      ),
    ...changes.emailChanges.map(
      ({ contactId, former, cause }): EmailChangeNotification => ({
        kind: 'email_changed',
        contact: told(contactId),
        former: typed(former),
        cause,
      }),
    ),
    ...changes.reviews.map(
      ({ contactId, former, cause }): ReviewNotification => ({
        kind: 'review_needed',
        contact: told(contactId),
        former: typed(former),
        cause,
      }),
    ),
  ];
}

/** Everybody whose facts the ledger or a notification of these changes may need: over all claims, as far as these lead. */
export function componentOf(changes: ChangeSet, contactIndex: ContactIndex, facts: Facts): ConnectedComponent {
  const contacts = [...changes.emailChanges, ...changes.reviews].map(
    ({ contactId }) => contactIndex.contacts.get(contactId) as Contact,
  );
  return connectedComponent(facts, {
    addresses: [
      ...changes.merges.flatMap((plan) => plan.addresses),
      ...changes.undone.flatMap(({ merge }) => merge.addresses),
      ...contacts.flatMap((contact) => contactIndex.addressesOf(contact)),
    ],
    uids: contacts.flatMap((contact) => contactIndex.accountOf(contact) ?? []),
  });
}

function merged({ plan, root, survivor: before, after }: BeforeAndAfter, facts: Facts): MergeNotification {
  const survivor = snapshotAs(root, after, facts);
  const subscribed = (seen: ContactView, name: string): boolean => seen.newsletters.get(name)?.state === 'subscribed';
  return {
    kind: 'merged',
    plan,
    survivor,
    retired: { id: plan.retiredId, token: plan.token.keep === 'retired' ? plan.tokenKept : plan.tokenRetired },
    // A survivor that was merged on in the same batch may have lost the token that it had just kept.
    tokenRetired: survivor.token === plan.tokenKept ? plan.tokenRetired : plan.tokenKept,
    added: [...after.newsletters.keys()].filter((name) => subscribed(after, name) && !subscribed(before, name)),
  };
}

const snapshotOf = (contact: Contact, contactIndex: ContactIndex, facts: Facts): ContactSnapshot =>
  snapshotAs(contact, viewOf(contact, contactIndex, facts), facts);

const snapshotAs = (contact: Contact, view: ContactView, facts: Facts): ContactSnapshot => ({
  id: contact.id,
  token: (contact.token as Token).id,
  version: contact.version + 1,
  view,
  primary: facts.addresses.get(view.primary ?? '')?.typed.value ?? null,
});
