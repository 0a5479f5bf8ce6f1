import type { Trace } from '../contacts/event';
import type { EmailNotice, MergeNotice, Notice, ReviewNotice, Told, UnmergeNotice } from '../contacts/notice';
import type { Cause } from '../contacts/watch';
import type { ContactEmailChanged, ContactMerged, ContactReviewNeeded, ContactUnmerged } from './out';

/** What the outbox holds of a notification. */
export interface Notification {
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
 * A notice as a message.
 *
 * @param now milliseconds since 1970
 * @param newId an id for a message that has none of its own; that of `contact.merged` is the ledger's
 */
export function notificationOf(notice: Notice, now: number, newId: () => string): Notification {
  switch (notice.kind) {
    case 'merged':
      return {
        messageId: notice.plan.id,
        contactId: notice.survivor.id,
        type: 'contact.merged',
        body: contactMerged(notice, now),
        trace: notice.plan.trigger.trace,
      };
    case 'unmerged':
      return {
        messageId: newId(),
        contactId: notice.survivor.id,
        type: 'contact.unmerged',
        body: contactUnmerged(notice),
      };
    case 'email_changed':
      return {
        messageId: newId(),
        contactId: notice.contact.id,
        type: 'contact.email_changed',
        body: contactEmailChanged(notice, now),
        trace: notice.cause?.trigger.trace,
      };
    case 'review_needed':
      return {
        messageId: newId(),
        contactId: notice.contact.id,
        type: 'contact.review_needed',
        body: contactReviewNeeded(notice, now),
        trace: notice.cause?.trigger.trace,
      };
  }
}

const iso = (time: number): string => new Date(time).toISOString();

const triggerBody = ({ trigger, at }: NonNullable<Cause>) => ({
  source: trigger.source,
  event: trigger.event,
  event_id: trigger.id,
  event_time: iso(at),
});

const contactPart = ({ id, token, version, view, primary }: Told) => ({
  contact_id: id,
  primary_email: primary,
  basket_token: token,
  lang: view.profile.lang,
  format: view.profile.format,
  account_id: view.account,
  opted_out: view.optedOut,
  version,
});

const newslettersBody = ({ view }: Told): ContactMerged['newsletters'] =>
  Object.fromEntries([...view.newsletters].map(([name, { state, since }]) => [name, { state, since: iso(since) }]));

function contactMerged({ plan, survivor, retired, tokenRetired, added }: MergeNotice, now: number): ContactMerged {
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

const contactUnmerged = ({ merge, at, survivor, restored }: UnmergeNotice): ContactUnmerged => ({
  merge_id: merge.id,
  unmerged_at: iso(at),
  survivor: { ...contactPart(survivor), newsletters: newslettersBody(survivor) },
  restored: { ...contactPart(restored), newsletters: newslettersBody(restored) },
  addresses: [...merge.addresses],
});

const contactEmailChanged = ({ contact, former, cause }: EmailNotice, now: number): ContactEmailChanged => ({
  changed_at: iso(now),
  trigger: cause && triggerBody(cause),
  contact: contactPart(contact),
  former_email: former,
});

const contactReviewNeeded = ({ contact, former, cause }: ReviewNotice, now: number): ContactReviewNeeded => ({
  needed_at: iso(now),
  reason: 'no_address',
  trigger: cause && triggerBody(cause),
  contact: contactPart(contact),
  former_email: former,
});
