/**
 * What the domain understands: every message that came in, whatever its envelope, as one of three events.
 * Decoders (src/events) make them, `decide` consumes them. All texts are normalised, all times plausible.
 */

/** Milliseconds since 1970, UTC: the event's own time, never the time of delivery. */
export type Time = number;

export interface Address {
  /** Normalised by `normaliseAddress`: the only form that is compared. */
  key: string;
  /** As its reader typed it, trimmed: the only form that is shown. */
  typed: string;
}

/** W3C Trace Context: the headers `traceparent` and `tracestate`, as they came. */
export interface Trace {
  parent: string;
  state?: string;
}

/** Where an event came from: written into the ledger of the merge that it causes, but for the trace. */
export interface Trigger {
  source: 'fxa' | 'newsletter';
  /** The event's name as its producer spells it, such as `primaryEmailChanged`. */
  event: string;
  /** See `event-shapes`: jti, MessageId, messageId or a SHA-256 over what the event says. */
  id: string;
  /** What is told because of the event belongs to the same trace. Nothing is decided by it. */
  trace?: Trace;
}

/** An account's proof that it owns an address at a time, with what else the event says of the account. */
export interface ClaimEvent {
  kind: 'claim';
  trigger: Trigger;
  at: Time;
  /** 32 lower-case hexadecimal digits. */
  uid: string;
  address: Address;
  /** The raw Accept-Language value; absent when the event has none or one that cannot be parsed. */
  locale?: string;
  /** ISO 3166-1 alpha-2, lower-case. */
  country?: string;
  service?: string;
  /** Newsletters subscribed to in the account; none is the common case. */
  newsletters: string[];
}

export interface DeletionEvent {
  kind: 'deletion';
  trigger: Trigger;
  at: Time;
  uid: string;
}

/** What a sign-up says of its reader. Absent says nothing; `null` says "clear it". */
export interface Profile {
  firstName?: string | null;
  lastName?: string | null;
  country?: string | null;
  lang?: string | null;
  format?: string | null;
}

/** A reader's act at an address, or through a token. Unverified input: it never moves or merges anything. */
export interface NewsletterEvent {
  kind: 'newsletter';
  trigger: Trigger;
  at: Time;
  /** `email` counts when a message has both. */
  to: { address: Address } | { token: string };
  /** `opt_out` and `confirm` are about all email and name no newsletter. */
  act: 'subscribe' | 'unsubscribe' | 'opt_out' | 'confirm';
  /** Without repetitions; may be empty for a sign-up that only leaves an address. */
  newsletters: string[];
  /** The caller vouches for it: `optin`, or a confirmation clicked in a mail to the address. */
  proven: boolean;
  profile: Profile;
  /** The page it was made on. */
  source?: string;
  /** Why the reader left. */
  reason?: string;
}

export type ContactEvent = ClaimEvent | DeletionEvent | NewsletterEvent;
