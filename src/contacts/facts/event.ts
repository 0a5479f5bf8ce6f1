/** The three events of the domain. `messages/incoming` decodes them: all texts are normalised, all times plausible. */
import type { Refused } from './refused';

/** Milliseconds since 1970, UTC: the event's own time, never the time of delivery. */
export type Time = number;

/** Used by an import where the time is unknown: earlier than every event, so it overrides none. Readers see no time. */
export const TIME_UNKNOWN: Time = Date.UTC(1995, 0, 1);

export interface Address {
  /** Normalised by `normaliseAddress`: only this form is compared. */
  key: string;
  /** The address as typed, trimmed: only this form is shown. */
  typed: string;
}

/** W3C Trace Context: the headers `traceparent` and `tracestate`, unchanged. */
export interface Trace {
  parent: string;
  state?: string;
}

/** Where an event came from. The merge ledger stores it, without the trace. */
export interface Trigger {
  source: 'fxa' | 'newsletter';
  /** The event's name in its producer's spelling, such as `primaryEmailChanged`. */
  event: string;
  /** The first usable of jti, MessageId and the AMQP messageId, else a SHA-256 over the event's content. */
  id: string;
  /** Notifications about the event carry the same trace. No decision depends on it. */
  trace?: Trace;
}

/** An account's proof that it owns an address at a time, with other data of the account. */
export interface ClaimEvent {
  kind: 'claim';
  trigger: Trigger;
  at: Time;
  /** 32 lower-case hexadecimal digits. */
  uid: string;
  address: Address;
  /** The raw Accept-Language value; absent if it is missing or cannot be parsed. */
  locale?: string | undefined;
  /** ISO 3166-1 alpha-2, lower-case. */
  country?: string | undefined;
  service?: string | undefined;
  /** When the account was created. */
  createdAt?: Time | undefined;
  /** Newsletters subscribed to in the account; usually none. */
  newsletters: string[];
}

export interface DeletionEvent {
  kind: 'deletion';
  trigger: Trigger;
  at: Time;
  uid: string;
}

/** The reader's details in a sign-up. An absent field has no effect; `null` clears the value. */
export interface Profile {
  firstName?: string | null | undefined;
  lastName?: string | null | undefined;
  country?: string | null | undefined;
  lang?: string | null | undefined;
  format?: string | null | undefined;
}

/**
 * `set`: exactly these newsletters. It subscribes to those that it lists, and refuses others. `reason`: why the reader left, said
 * afterwards. It refuses nothing.
 */
export type Act = 'subscribe' | 'unsubscribe' | 'confirm' | 'opt_out' | 'set' | 'reason';

/** A reader's act at an address, or through a token. Unverified input: it never moves or merges anything. */
export interface NewsletterEvent {
  kind: 'newsletter';
  trigger: Trigger;
  at: Time;
  /**
   * If a message has both, the address. `onlyIfStored`: the address would be refused today, so the event counts only where
   * it is stored already.
   */
  to: { address: Address; onlyIfStored?: true } | { token: string };
  act: Act;
  /**
   * Without repetitions; empty for `opt_out` and `confirm`, and for a sign-up that only leaves an address. For a `set`,
   * those that it subscribes to. For a `reason`, empty means all email.
   */
  newsletters: string[];
  /** What a `set` refuses; absent if it refuses nothing. */
  refused?: Refused | undefined;
  /** Proven by `optin`, or by a confirmation clicked in a mail to the address. */
  proven: boolean;
  profile: Profile;
  /** Further fields that waitlists asked for, by newsletter, as canonical JSON. */
  fields?: ReadonlyMap<string, string> | undefined;
  /** The page on which the reader acted. */
  source?: string | undefined;
  /** Why the reader left. */
  reason?: string | undefined;
}

export type ContactEvent = ClaimEvent | DeletionEvent | NewsletterEvent;
