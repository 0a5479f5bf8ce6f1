import type { DeadLetterReason } from '../messages/incoming/decoded';

/** What becomes of one message. */
export type Outcome =
  /** Its facts are committed. */
  | { kind: 'ok'; type: string }
  /** Nothing of it concerns a contact. */
  | { kind: 'ignored'; type: string }
  /** It names somebody who was erased since: dropped. */
  | { kind: 'erased'; type: string }
  /** It will never be of use: to the dead letters, with a reason and the list of problems. */
  | { kind: 'dead'; reason: DeadLetterReason | 'failed'; problems: string[] }
  /** What it needs is held by somebody: it comes again, as often as it takes, and no attempt is counted. */
  | { kind: 'deferred'; error: string }
  /** It failed alone, for a reason that may pass: up the retry delays. */
  | { kind: 'retry'; error: string };
