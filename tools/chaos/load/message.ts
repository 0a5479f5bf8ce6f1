import type { DeadLetterReason } from '../../../src/messages/incoming/decoded';

/** A message that a producer sends, and its expected outcome. */
export interface Message {
  /** The AMQP message id. It stays the same when a producer publishes again. */
  id: string;
  exchange: string;
  key: string;
  content: string;
  headers?: Record<string, unknown>;
  /** `event`: changes facts; `ignored`: acknowledged without effect; `invalid`: becomes a dead letter. */
  is: 'event' | 'ignored' | 'invalid';
  /** The reason of an invalid message's dead letter. */
  reason?: DeadLetterReason;
  /** For people: the event's name, or the reason. */
  kind: string;
}
