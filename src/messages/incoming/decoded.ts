import type { z } from 'zod';
import type { ContactEvent, Trace } from '../../contacts/facts/event';

/** Why a message is set aside: the `reason` header of the dead letter. */
export const DEAD_LETTER_REASONS = [
  'not_json',
  'too_large',
  'invalid_shape',
  'invalid_address',
  'invalid_time',
  'unknown_token',
] as const;
export type DeadLetterReason = (typeof DEAD_LETTER_REASONS)[number];

/** What became of a message. */
export type Decoded =
  | { kind: 'event'; event: ContactEvent }
  /** Nothing of it concerns a contact. `type` labels a counter: the known types by name, all others `other`. */
  | { kind: 'ignored'; type: string }
  /** For the dead letters. Each problem names a field and what is wrong with it, never a value. */
  | Invalid;

export interface Invalid {
  kind: 'invalid';
  reason: DeadLetterReason;
  problems: string[];
}

/** What the broker and the clock add to a message's content. */
export interface DecodeContext {
  /** The AMQP property `messageId`. */
  messageId?: string | undefined;
  /** The trace that the message's headers name. */
  trace?: Trace | undefined;
  /** Milliseconds since 1970, UTC. */
  now: number;
}

const MAX_PROBLEMS = 20;

export function invalid(reason: DeadLetterReason, ...problems: string[]): Invalid {
  return { kind: 'invalid', reason, problems };
}

export function ignored(type: string): Decoded {
  return { kind: 'ignored', type };
}

/**
 * A schema's complaints as one invalid shape. Zod's messages name types and bounds, never the value; unknown keys are
 * never part of a path, because no schema here is strict.
 *
 * An envelope is an object when it comes here; what is none is a record of an import.
 *
 * @param names what the envelope calls a field, where that is not the schema's name
 */
export function misshapen(error: z.ZodError, names: Readonly<Record<string, string>> = {}): Invalid {
  const problems = error.issues.slice(0, MAX_PROBLEMS).map(({ path: [field = 'record', ...rest], message }) => {
    const name = String(field);
    return `${[names[name] ?? name, ...rest].join('.')}: ${message}`;
  });
  const more = error.issues.length - MAX_PROBLEMS;
  if (more > 0) problems.push(`and ${more} more`);
  return invalid('invalid_shape', ...problems);
}
