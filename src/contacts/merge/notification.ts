/** What subscribers are told about a batch: what happened, and the contacts as they are once it is committed. */
import type { Time, Trigger } from '../facts/event';
import type { Facts } from '../facts/facts';
import { type ConnectedComponent, connectedComponent } from '../identity/connected-component';
import type { Contact, ContactIndex, Token } from '../identity/contact-index';
import type { Cause, EmailChange, Review } from '../identity/primary-address-tracker';
import { type ContactSnapshot, contactSnapshot } from '../profile/contact-snapshot';
import { asTyped, type ContactView } from '../profile/contact-view';
import { type BeforeAndAfter, viewOf } from './before-and-after';
import type { MergePlan } from './merge';
import type { Closing } from './reconcile';
import type { Undone } from './undo';

/** The changes of a batch that lead to notifications. */
export interface NotifiableChanges {
  merges: readonly MergePlan[];
  undone: readonly Undone[];
  emailChanges: readonly EmailChange[];
  reviews: readonly Review[];
  accountDeletions: readonly AccountDeletion[];
  closings: readonly Closing[];
}

/** An account was deleted, and its stored contact remains. */
export interface AccountDeletion {
  contactId: string;
  uid: string;
  cause: { trigger: Trigger; at: Time };
}

export interface MergeNotification {
  kind: 'merged';
  plan: MergePlan;
  survivor: ContactSnapshot;
  /** The token that stopped working; null when only one side had a known token. */
  tokenRetired: string | null;
  /** Newsletters that the account is subscribed to now, and would not be without the event that caused the merge. */
  added: string[];
  /** Newsletters that either contact would be subscribed to without that event, and the survivor is not. */
  ended: string[];
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
  /** The merge (of this batch, or undone) whose notification also states the new address. */
  mergeId: string | null;
}

/** Ids and the token only. */
export interface ErasureNotification {
  kind: 'erased';
  contactId: string;
  token: string | null;
  /** The contacts that had been merged into it. */
  retiredIds: readonly string[];
}

export interface ConfirmationNotification {
  kind: 'confirmation_needed';
  contact: ContactSnapshot;
  /** The newsletters of the sign-up that the contact is subscribed to. */
  newsletters: readonly string[];
  cause: NonNullable<Cause>;
}

export type Notification =
  | MergeNotification
  | UnmergeNotification
  | AddressNotification
  | (Omit<AccountDeletion, 'contactId'> & { kind: 'account_deleted'; contact: ContactSnapshot })
  | (Closing & { kind: 'closed' })
  | ErasureNotification
  | ConfirmationNotification;

/**
 * @param merges those of the batch
 * @param facts all that the views of these contacts depend on, with choices (`componentOf`)
 */
export function notificationsOf(
  { undone, emailChanges, reviews, accountDeletions, closings }: Omit<NotifiableChanges, 'merges'>,
  merges: readonly BeforeAndAfter[],
  contactIndex: ContactIndex,
  facts: Facts,
): Notification[] {
  const snapshot = (id: string): ContactSnapshot => {
    const contact = contactIndex.contacts.get(id) as Contact;
    return snapshotAfter(contact, viewOf(contact, contactIndex, facts), facts);
  };
  const announced = merges.filter(({ plan }) => plan.announced);
  const restored = undone.filter(({ merge }) => merge.announced);
  const mergeOf = (contactId: string): string | null => {
    const merge = announced.findLast(({ root }) => root.id === contactId)?.plan;
    const isSide = ({ survivorId, retiredId }: MergePlan): boolean => [survivorId, retiredId].includes(contactId);
    return (merge ?? restored.findLast((undo) => isSide(undo.merge))?.merge)?.id ?? null;
  };
  const aboutAddress =
    (kind: AddressNotification['kind']) =>
    ({ contactId, former, cause }: EmailChange | Review): AddressNotification => ({
      kind,
      contact: snapshot(contactId),
      former: asTyped(facts, former),
      cause,
      mergeId: mergeOf(contactId),
    });
  return [
    ...announced.map((merge) => merged(merge, facts)),
    ...restored.map(
      ({ merge, at }): UnmergeNotification => ({
        kind: 'unmerged',
        merge,
        at,
        survivor: snapshot(merge.survivorId),
        restored: snapshot(merge.retiredId),
      }),
    ),
    ...accountDeletions.map(({ contactId, ...deletion }) => ({
      kind: 'account_deleted' as const,
      contact: snapshot(contactId),
      ...deletion,
    })),
    ...closings.map((closing) => ({ kind: 'closed' as const, ...closing })),
    ...emailChanges.map(aboutAddress('email_changed')),
    ...reviews.map(aboutAddress('review_needed')),
  ];
}

/** The addresses and accounts whose facts the ledger or a notification of these changes may need. */
export function componentOf(
  { merges, undone, emailChanges, reviews, accountDeletions }: NotifiableChanges,
  contactIndex: ContactIndex,
  facts: Facts,
): ConnectedComponent {
  const contacts = [...emailChanges, ...reviews, ...accountDeletions].map(
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

function merged({ plan, root, survivor: before, retired, after }: BeforeAndAfter, facts: Facts): MergeNotification {
  const survivor = snapshotAfter(root, after, facts);
  const [own, others, now] = [subscriptionsOf(before), subscriptionsOf(retired), subscriptionsOf(after)];
  return {
    kind: 'merged',
    plan,
    survivor,
    // A later merge of the same batch may have retired the token that this one kept.
    tokenRetired: survivor.token === plan.tokenKept ? plan.tokenRetired : plan.tokenKept,
    added: now.filter((name) => !own.includes(name)),
    ended: [...new Set([...own, ...others])].filter((name) => !now.includes(name)).sort(),
  };
}

const subscriptionsOf = ({ newsletters }: ContactView): string[] =>
  [...newsletters].flatMap(([name, { state }]) => (state === 'subscribed' ? name : []));

/** The contact as it is once the batch is saved: with the next version. */
const snapshotAfter = ({ id, token, version }: Contact, view: ContactView, facts: Facts): ContactSnapshot =>
  contactSnapshot({ id, token: (token as Token).id, version: version + 1 }, view, facts);
