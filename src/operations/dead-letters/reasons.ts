/** Why a message became a dead letter, and what to do about it, in plain words. */
import type { DeadLetterReason } from '../../messages/incoming/decoded';
import type { BROKER_REASONS } from '../../rabbitmq/publishing/dead-letter';

export interface ReasonText {
  /** What happened. */
  meaning: string;
  /** What to do. */
  remedy: string;
}

type Reason = DeadLetterReason | 'failed' | 'unknown_exchange' | (typeof BROKER_REASONS)[number];

const FIX_SENDER =
  'Ask the sender to fix it and to send it again, then drop this one. As it is, a replay brings it back here.';

const TEXTS: Record<Reason, ReasonText> = {
  not_json: { meaning: 'The message is not readable JSON.', remedy: FIX_SENDER },
  too_large: { meaning: 'The message is larger than any real one.', remedy: FIX_SENDER },
  invalid_shape: { meaning: 'A field of the message is missing, or is not of the right type.', remedy: FIX_SENDER },
  invalid_address: { meaning: 'The message has no usable email address.', remedy: FIX_SENDER },
  invalid_time: { meaning: 'The time in the message cannot be true.', remedy: FIX_SENDER },
  unknown_event: {
    meaning: 'The message is of a kind that this version does not know.',
    remedy: 'Keep it, because a refusal may be in it. Replay it after an update that knows this kind of message.',
  },
  unknown_token: {
    meaning: 'No contact has the token in the message, perhaps because the person was erased.',
    remedy:
      'Drop it if the person was erased. If there are many, ask the sender whether its tokens are of another system.',
  },
  partial: {
    meaning: 'The message was handled, except for the part that the error names.',
    remedy:
      'Ask the sender what the reader chose, and have it sent again. Then drop this one: a replay helps only after an update that understands it.',
  },
  failed: {
    meaning: 'The message was tried several times, and the database refused each attempt.',
    remedy:
      'Find the cause by the code in the error and fix it, then replay. Handling a message twice changes nothing.',
  },
  unknown_exchange: {
    meaning: 'The message was meant for another system. A wrong setting of the broker sent it here.',
    remedy:
      'Ask the administrator of the broker to correct the policy that sends it here. Then drop it: its destination is unknown, so it cannot be replayed.',
  },
  delivery_limit: {
    meaning: 'Each process that handled the message ended, so the broker removed it from the queue.',
    remedy: 'Report it as a bug, with this message. Replay it after an update that fixes the bug, and not before.',
  },
  rejected: {
    meaning: 'The broker did not let the message be published elsewhere, because it is too large.',
    remedy: 'Ask the administrator of the broker to raise the limit, then replay.',
  },
  expired: {
    meaning: 'The message waited for longer than a setting of the broker allows.',
    remedy:
      'Ask the administrator of the broker to remove the limit on waiting (message-ttl) from the queue, then replay.',
  },
  maxlen: {
    meaning: 'The queue was full: a setting of the broker limits its length.',
    remedy: 'Ask the administrator of the broker to remove the limit on the length of the queue, then replay.',
  },
};

/** By the reason in the message's headers, which may also be another text. */
export const REASONS: ReadonlyMap<string, ReasonText> = new Map(Object.entries(TEXTS));
