import type { Time, Trace } from '../../contacts/facts/event';
import { shownKey } from '../../contacts/facts/pseudonym';
import type {
  AddressNotification,
  MergeNotification,
  Notification,
  UnmergeNotification,
} from '../../contacts/merge/notification';
import type { ChangedPart } from '../../contacts/profile/changed-parts';
import { formerAddresses } from '../../contacts/profile/contact-view';
import { iso } from '../../foundation/times';
import { contactPart, newslettersPart } from './contact-body';
import { triggerBody } from './merge-body';
import type * as Body from './schemas';
import { SCHEMA_VERSION } from './schemas';

export const NOTIFICATION_TYPES = [
  'contact.merged',
  'contact.unmerged',
  'contact.email_changed',
  'contact.review_needed',
  'contact.account_deleted',
  'contact.closed',
  'contact.erased',
  'contact.confirmation_needed',
  'contact.changed',
] as const satisfies `contact.${Notification['kind'] | 'changed'}`[];

/** A notification as the outbox holds it. */
export interface NotificationMessage {
  messageId: string;
  /** Messages about one contact keep their order. */
  contactId: string;
  /** The type of the message, which is also its routing key. */
  type: (typeof NOTIFICATION_TYPES)[number];
  schemaVersion: number;
  body: object;
  /** The trace of the message that caused it; absent if an operator caused it. */
  trace?: Trace | undefined;
}

/** @param newId makes message ids; `contact.merged` has the id of its merge in the ledger */
export function toMessage(notification: Notification, now: Time, newId: () => string): NotificationMessage {
  return {
    messageId: notification.kind === 'merged' ? notification.plan.id : newId(),
    contactId: contactIdOf(notification),
    type: `contact.${notification.kind}`,
    schemaVersion: SCHEMA_VERSION,
    body: bodyOf(notification, iso(now)),
    trace: causeOf(notification)?.trigger.trace,
  };
}

function contactIdOf(notification: Notification): string {
  if ('contactId' in notification) return notification.contactId;
  return 'contact' in notification ? notification.contact.id : notification.survivor.id;
}

function causeOf(notification: Notification) {
  if (notification.kind === 'merged') return notification.plan;
  return 'cause' in notification ? notification.cause : null;
}

/** @param now the time of writing; the event time is in the trigger */
function bodyOf(notification: Notification, now: string): object {
  switch (notification.kind) {
    case 'merged':
      return contactMerged(notification, now);
    case 'unmerged':
      return contactUnmerged(notification);
    case 'email_changed':
    case 'review_needed':
      return addressBody(notification, now);
    case 'account_deleted': {
      const { cause, uid, contact } = notification;
      return {
        deleted_at: now,
        trigger: triggerBody(cause),
        account_id: uid,
        contact: contactPart(contact),
        newsletters: newslettersPart(contact),
      } satisfies Body.ContactAccountDeleted;
    }
    case 'closed': {
      const { cause, contactId, token, uid, version } = notification;
      return {
        closed_at: now,
        trigger: cause && triggerBody(cause),
        contact_id: contactId,
        basket_token: token,
        account_id: shownKey(uid),
        version,
      } satisfies Body.ContactClosed;
    }
    case 'erased': {
      const { contactId, token, retiredIds } = notification;
      return {
        erased_at: now,
        contact_id: contactId,
        basket_token: token,
        retired_contact_ids: [...retiredIds],
      } satisfies Body.ContactErased;
    }
    case 'confirmation_needed': {
      const { cause, contact, newsletters } = notification;
      return {
        needed_at: now,
        trigger: triggerBody(cause),
        contact: contactPart(contact),
        newsletters: newslettersPart(contact, (name) => newsletters.includes(name)),
      } satisfies Body.ContactConfirmationNeeded;
    }
  }
}

/** The body of `contact.changed`, which is made when it is published: `SCHEMA_VERSION` is its version. */
export const contactChanged = (
  contactId: string,
  version: number,
  parts: readonly ChangedPart[],
): Body.ContactChanged => ({
  contact_id: contactId,
  version,
  changed: [...parts],
});

function contactMerged(
  { plan, survivor, tokenRetired, added, ended }: MergeNotification,
  now: string,
): Body.ContactMerged {
  return {
    merge_id: plan.id,
    merged_at: now,
    reason: plan.reason,
    trigger: triggerBody(plan),
    survivor: contactPart(survivor),
    retired: { contact_id: plan.retiredId, account_id: shownKey(plan.claimant), addresses: plan.addresses },
    former_addresses: formerAddresses(survivor.view),
    newsletters: newslettersPart(survivor),
    newsletters_added: added,
    newsletters_ended: ended,
    token: { kept: survivor.token, retired: tokenRetired, policy: plan.token.policy, reason: plan.token.reason },
  };
}

const contactUnmerged = ({ merge, at, survivor, restored }: UnmergeNotification): Body.ContactUnmerged => ({
  merge_id: merge.id,
  unmerged_at: iso(at),
  survivor: { ...contactPart(survivor), newsletters: newslettersPart(survivor) },
  restored: { ...contactPart(restored), newsletters: newslettersPart(restored) },
  addresses: [...merge.addresses],
});

function addressBody(
  { kind, contact, former, cause, mergeId }: AddressNotification,
  now: string,
): Body.ContactEmailChanged | Body.ContactReviewNeeded {
  const common = { trigger: cause && triggerBody(cause), contact: contactPart(contact), former_email: former };
  if (kind === 'review_needed') return { needed_at: now, reason: 'no_address', ...common };
  return {
    changed_at: now,
    ...common,
    former_addresses: formerAddresses(contact.view),
    newsletters: newslettersPart(contact),
    merge_id: mergeId,
  };
}
