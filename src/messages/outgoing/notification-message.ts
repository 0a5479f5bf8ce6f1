import type { Trace } from '../../contacts/facts/event';
import type { Cause } from '../../contacts/identity/primary-address-tracker';
import type {
  ContactSnapshot,
  EmailChangeNotification,
  MergeNotification,
  Notification,
  ReviewNotification,
  UnmergeNotification,
} from '../../contacts/merge/notification';
import { iso } from '../../foundation/times';
import type { ContactEmailChanged, ContactMerged, ContactReviewNeeded, ContactUnmerged } from './schemas';

/** What the outbox holds of a notification. */
export interface NotificationMessage {
  messageId: string;
  /** Of whom it tells: messages of one contact keep their order. */
  contactId: string;
  /** Also the routing key. */
  type: 'contact.merged' | 'contact.unmerged' | 'contact.email_changed' | 'contact.review_needed';
  body: ContactMerged | ContactUnmerged | ContactEmailChanged | ContactReviewNeeded;
  /** That of the message which caused it; none where a person decided. */
  trace?: Trace | undefined;
}

/**
 * A notification as a message.
 *
 * @param now milliseconds since 1970
 * @param newId an id for a message that has none of its own; that of `contact.merged` is the ledger's
 */
export function toMessage(notification: Notification, now: number, newId: () => string): NotificationMessage {
  switch (notification.kind) {
    case 'merged':
      return {
        messageId: notification.plan.id,
        contactId: notification.survivor.id,
        type: 'contact.merged',
        body: contactMerged(notification, now),
        trace: notification.plan.trigger.trace,
      };
    case 'unmerged':
      return {
        messageId: newId(),
        contactId: notification.survivor.id,
        type: 'contact.unmerged',
        body: contactUnmerged(notification),
      };
    case 'email_changed':
      return {
        messageId: newId(),
        contactId: notification.contact.id,
        type: 'contact.email_changed',
        body: contactEmailChanged(notification, now),
        trace: notification.cause?.trigger.trace,
      };
    case 'review_needed':
      return {
        messageId: newId(),
        contactId: notification.contact.id,
        type: 'contact.review_needed',
        body: contactReviewNeeded(notification, now),
        trace: notification.cause?.trigger.trace,
      };
  }
}

const triggerBody = ({ trigger, at }: NonNullable<Cause>) => ({
  source: trigger.source,
  event: trigger.event,
  event_id: trigger.id,
  event_time: iso(at),
});

const contactPart = ({ id, token, version, view, primary }: ContactSnapshot) => ({
  contact_id: id,
  primary_email: primary,
  basket_token: token,
  lang: view.profile.lang,
  format: view.profile.format,
  account_id: view.account,
  opted_out: view.optedOut,
  version,
});

const newslettersBody = ({ view }: ContactSnapshot): ContactMerged['newsletters'] =>
  Object.fromEntries([...view.newsletters].map(([name, { state, since }]) => [name, { state, since: iso(since) }]));

function contactMerged(
  { plan, survivor, retired, tokenRetired, added }: MergeNotification,
  now: number,
): ContactMerged {
  return {
    merge_id: plan.id,
    merged_at: iso(now),
    reason: plan.reason,
    trigger: triggerBody(plan),
    survivor: contactPart(survivor),
    retired: { contact_id: retired.id, basket_token: retired.token, addresses: plan.addresses },
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

const contactEmailChanged = (
  { contact, former, cause }: EmailChangeNotification,
  now: number,
): ContactEmailChanged => ({
  changed_at: iso(now),
  trigger: cause && triggerBody(cause),
  contact: contactPart(contact),
  former_email: former,
});

const contactReviewNeeded = ({ contact, former, cause }: ReviewNotification, now: number): ContactReviewNeeded => ({
  needed_at: iso(now),
  reason: 'no_address',
  trigger: cause && triggerBody(cause),
  contact: contactPart(contact),
  former_email: former,
});
