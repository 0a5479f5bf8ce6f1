import type { ContactEvent } from '../contacts/facts/event';
import type { DeadLetterReason } from '../messages/incoming/decoded';

/** The message is done here and can be acknowledged. */
export type Done =
  /** The facts of the message are committed. */
  | { kind: 'ok'; type: string }
  /** Nothing in it concerns a contact. */
  | { kind: 'ignored'; type: string }
  /** It names a person who was erased after it, so it is dropped. */
  | { kind: 'erased'; type: string };

/** The message goes to another queue, and is acknowledged once the broker has confirmed it there. */
export type Forwarded =
  /** It can never succeed: it goes to the dead letters, with a reason and the list of problems. */
  | { kind: 'dead'; reason: DeadLetterReason | 'failed'; problems: string[] }
  /** Another transaction holds rows that it needs: it is retried later, as often as necessary; no attempt is counted. */
  | { kind: 'deferred'; error: string }
  /** It failed alone, for a reason that may pass: it goes through the retry delays, then to the dead letters. */
  | { kind: 'retry'; error: string };

export type Outcome = Done | Forwarded;

/** The outcome of an event whose facts are committed. An event that was understood in part is also kept as a dead letter. */
export function committed(event: ContactEvent, partial: readonly string[] = []): Outcome {
  if (partial.length === 0) return ok(event.trigger.event);
  return { kind: 'dead', reason: 'partial', problems: [...partial] };
}

/** One shared object for each of the few types. */
const OK = new Map<string, Outcome>();

function ok(type: string): Outcome {
  let outcome = OK.get(type);
  if (!outcome) {
    outcome = { kind: 'ok', type };
    OK.set(type, outcome);
  }
  return outcome;
}

export const UNKNOWN_TOKEN: Outcome = {
  kind: 'dead',
  reason: 'unknown_token',
  problems: ['token: no contact has this token'],
};
/** The outcome of a refusal that counts only at a stored address, if the address is not stored. */
export const NOT_STORED: Outcome = {
  kind: 'dead',
  reason: 'invalid_address',
  problems: ['email: has mail-header syntax in its local part'],
};

export const isForwarded = (outcome: Outcome): outcome is Forwarded => 'reason' in outcome || 'error' in outcome;

/** The label `type` of the messages metric: the event type, the dead letter's reason, or the error code. */
export const typeOf = (outcome: Outcome): string =>
  'type' in outcome ? outcome.type : 'reason' in outcome ? outcome.reason : outcome.error;
