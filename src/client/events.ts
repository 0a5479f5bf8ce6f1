/** The types of incoming and outgoing messages. */
import type {
  AccountAddress,
  AccountDeletion,
  AccountProfile,
  AccountSubscriptions,
  NewsletterConfirm,
  NewsletterReason,
  NewsletterSet,
  NewsletterSubscribe,
  NewsletterUnsubscribe,
} from '../messages/incoming/published';
import type {
  ContactAccountDeleted,
  ContactChanged,
  ContactClosed,
  ContactConfirmationNeeded,
  ContactEmailChanged,
  ContactErased,
  ContactMerged,
  ContactReviewNeeded,
  ContactUnmerged,
} from '../messages/outgoing/schemas';

/** The body of each outgoing message, by its type, which is also its routing key. Ignore types that are not listed here. */
export interface ContactEvents {
  'contact.merged': ContactMerged;
  'contact.unmerged': ContactUnmerged;
  'contact.email_changed': ContactEmailChanged;
  'contact.review_needed': ContactReviewNeeded;
  'contact.account_deleted': ContactAccountDeleted;
  'contact.closed': ContactClosed;
  'contact.erased': ContactErased;
  'contact.confirmation_needed': ContactConfirmationNeeded;
  'contact.changed': ContactChanged;
}

/** An outgoing message: its type says which body it has. */
export type ContactEvent = { [T in keyof ContactEvents]: { type: T; body: ContactEvents[T] } }[keyof ContactEvents];

/** An incoming newsletter message. It needs `email` or `token`; an unsubscription `newsletters` or `all`. */
export type NewsletterEvent =
  | NewsletterSubscribe
  | NewsletterUnsubscribe
  | NewsletterSet
  | NewsletterReason
  | NewsletterConfirm;

/** An incoming account message, in the flat envelope. It needs `ts` or `timestamp`. */
export type AccountEvent = AccountSubscriptions | AccountAddress | AccountProfile | AccountDeletion;
