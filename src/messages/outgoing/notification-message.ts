import type { Time, Trace } from '../../contacts/facts/event';
import type {
  AddressNotification,
  MergeNotification,
  Notification,
  UnmergeNotification,
} from '../../contacts/merge/notification';
import { iso } from '../../foundation/times';
import { contactPart, newslettersBody } from './contact-body';
import { triggerBody } from './merge-body';
import type { ContactEmailChanged, ContactMerged, ContactReviewNeeded, ContactUnmerged } from './schemas';

export const NOTIFICATION_TYPES = [
  'contact.merged',
  'contact.unmerged',
  'contact.email_changed',
  'contact.review_needed',
] as const satisfies `contact.${Notification['kind']}`[];

/** A notification as the outbox holds it. */
export interface NotificationMessage {
  messageId: string;
  /** Messages about one contact keep their order. */
  contactId: string;
  /** Also the routing key. */
  type: (typeof NOTIFICATION_TYPES)[number];
  body: ContactMerged | ContactUnmerged | ContactEmailChanged | ContactReviewNeeded;
  /** The trace of the message that caused it; absent where an operator decided. */
  trace?: Trace | undefined;
}

/** @param newId makes message ids; `contact.merged` has the id of its merge in the ledger */
export function toMessage(notification: Notification, now: Time, newId: () => string): NotificationMessage {
  const type = `contact.${notification.kind}` as const;
  switch (notification.kind) {
    case 'merged': {
      const { plan, survivor } = notification;
      const body = contactMerged(notification, now);
      return { messageId: plan.id, contactId: survivor.id, type, body, trace: plan.trigger.trace };
    }
    case 'unmerged':
      return { messageId: newId(), contactId: notification.survivor.id, type, body: contactUnmerged(notification) };
    case 'email_changed':
    case 'review_needed': {
      const { contact, cause } = notification;
      const body = addressBody(notification, now);
      return { messageId: newId(), contactId: contact.id, type, body, trace: cause?.trigger.trace };
    }
  }
}

function contactMerged(
  { plan, survivor, retiredToken, tokenRetired, added }: MergeNotification,
  now: Time,
): ContactMerged {
  return {
    merge_id: plan.id,
    merged_at: iso(now),
    reason: plan.reason,
    trigger: triggerBody(plan),
    survivor: contactPart(survivor),
    retired: { contact_id: plan.retiredId, basket_token: retiredToken, addresses: plan.addresses },
    former_addresses: survivor.view.addresses.filter((address) => address !== survivor.view.primary),
    newsletters: newslettersBody(survivor),
    newsletters_added: added,
    token: { policy: plan.token.policy, reason: plan.token.reason, kept: survivor.token, retired: tokenRetired },
  };
}

const contactUnmerged = ({ merge, at, survivor, restored }: UnmergeNotification): ContactUnmerged => ({
  merge_id: merge.id,
  unmerged_at: iso(at),
  survivor: { ...contactPart(survivor), newsletters: newslettersBody(survivor) },
  restored: { ...contactPart(restored), newsletters: newslettersBody(restored) },
  addresses: [...merge.addresses],
});

function addressBody(
  { kind, contact, former, cause }: AddressNotification,
  now: Time,
): ContactEmailChanged | ContactReviewNeeded {
  const common = { trigger: cause && triggerBody(cause), contact: contactPart(contact), former_email: former };
  return kind === 'email_changed'
    ? { changed_at: iso(now), ...common }
    : { needed_at: iso(now), reason: 'no_address', ...common };
}
