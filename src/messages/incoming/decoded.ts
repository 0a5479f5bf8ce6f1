import type { z } from 'zod';
import type { ContactEvent, Trace } from '../../contacts/facts/event';

/** The `reason` header of a dead letter. */
export const DEAD_LETTER_REASONS = [
  'not_json',
  'too_large',
  'invalid_shape',
  'invalid_address',
  'invalid_time',
  'unknown_token',
] as const;
export type DeadLetterReason = (typeof DEAD_LETTER_REASONS)[number];

/** The result of decoding a message. */
export type Decoded =
  | { kind: 'event'; event: ContactEvent }
  /** The message does not concern contacts. `type` labels a counter: known types by name, all others as `other`. */
  | { kind: 'ignored'; type: string }
  | Dead;

/** A message for the dead letters. Each problem names a field and what is wrong with it, never a value. */
export interface Dead {
  kind: 'dead';
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

export function dead(reason: DeadLetterReason, ...problems: string[]): Dead {
  return { kind: 'dead', reason, problems };
}

const MAX_PROBLEMS = 20;

/**
 * The problems of a value that does not fit its schema. Zod's messages name types and bounds, never the value; unknown
 * keys are never part of a path, because no schema here is strict.
 *
 * A problem of the value as a whole is one of `record`: an envelope is known to be an object, a record of an import is not.
 *
 * @param names the envelope's names of fields, where they are not the schema's
 */
export function shapeProblems(error: z.ZodError, names: Readonly<Record<string, string>> = {}): string[] {
  const problems = error.issues.slice(0, MAX_PROBLEMS).map(({ path: [field = 'record', ...rest], message }) => {
    const name = String(field);
    return `${[names[name] ?? name, ...rest].join('.')}: ${message}`;
  });
  const more = error.issues.length - MAX_PROBLEMS;
  if (more > 0) problems.push(`and ${more} more`);
  return problems;
}

/** A JSON object as it was sent: any key, with a value of any type. */
export type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The text's value, or undefined if it is not JSON. The parser's own message is dropped because it quotes the text. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
