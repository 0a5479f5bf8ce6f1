import type {
  ContactEmailChanged,
  ContactMerged,
  ContactReviewNeeded,
  ContactUnmerged,
} from '../messages/outgoing/schemas';

/** The body of each message out, by its type, which is also its routing key. Ignore types that are not listed here. */
export interface ContactEvents {
  'contact.merged': ContactMerged;
  'contact.unmerged': ContactUnmerged;
  'contact.email_changed': ContactEmailChanged;
  'contact.review_needed': ContactReviewNeeded;
}

/** A message out: its type tells which body it has. */
export type ContactEvent = { [T in keyof ContactEvents]: { type: T; body: ContactEvents[T] } }[keyof ContactEvents];
