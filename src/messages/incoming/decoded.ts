import type { z } from 'zod';
import type { ContactEvent, Trace } from '../../contacts/facts/event';

/** The `reason` header of a dead letter. */
export const DEAD_LETTER_REASONS = [
  'not_json',
  'too_large',
  'invalid_shape',
  'invalid_address',
  'invalid_time',
  'unknown_event',
  'unknown_token',
  /** The message was handled, except for a part of its choice that could not be understood. */
  'partial',
] as const;
export type DeadLetterReason = (typeof DEAD_LETTER_REASONS)[number];

/** The fields without which a message can still be understood. They are labels of a counter. */
export const DETAIL_FIELDS = [
  'id',
  'email',
  'token',
  'optin',
  'lang',
  'country',
  'format',
  'first_name',
  'last_name',
  'source_url',
  'reason',
  'fields',
  'ts',
  'timestamp',
  'locale',
  'countryCode',
  'service',
  'createDate',
] as const;
export type DetailField = (typeof DETAIL_FIELDS)[number];

/** The result of decoding a message. */
export type Decoded =
  | Understood
  /** The message does not concern contacts. `type` is the label of a counter: the name of a known type, or `other`. */
  | { kind: 'ignored'; type: string }
  | Dead;

/** A message that is an event of the domain, at least in part. */
export interface Understood {
  kind: 'event';
  event: ContactEvent;
  /** The details that could not be used and were left out; usually none. */
  dropped: readonly DetailField[];
  /**
   * The parts of the reader's choice that could not be understood. If there are any, the message is also kept as a dead
   * letter.
   */
  partial: readonly string[];
}

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

/**
 * Several faults of one message as one dead letter. A wrong shape gives the reason, because it may have caused the
 * others.
 */
export function allDead(faults: readonly [Dead, ...Dead[]]): Dead {
  const { reason } = faults.find((fault) => fault.reason === 'invalid_shape') ?? faults[0];
  return dead(reason, ...listed(faults.flatMap(({ problems }) => problems)));
}

/** Whether reading failed. Not for received objects, which may have any field. */
export const isDead = <T>(read: T | Dead): read is Dead => typeof read === 'object' && read !== null && 'kind' in read;

/** How many problems of a message are shown. */
export const MAX_PROBLEMS = 20;

/** The first problems, and how many more there are. */
export function listed(problems: readonly string[]): string[] {
  const more = problems.length - MAX_PROBLEMS;
  return more > 0 ? [...problems.slice(0, MAX_PROBLEMS), `and ${more} more`] : [...problems];
}

const KINDS: Record<string, string> = {
  object: 'an object',
  array: 'a list',
  string: 'a string',
  number: 'a number',
  boolean: 'true or false',
};

/** Most schemas have a message of their own. For the others, Zod would name types of JavaScript. */
const problemIn = (issue: z.core.$ZodIssue): string =>
  issue.code === 'invalid_type' && issue.message.startsWith('Invalid input')
    ? `must be ${KINDS[issue.expected] ?? issue.expected}`
    : issue.message;

/**
 * The problems of a value that does not fit its schema. They name types and bounds, never the value; unknown keys are
 * never part of a path, because no schema here is strict.
 *
 * A problem of the value as a whole is named `record`. Only an import has such problems: an envelope is known to be an
 * object.
 */
export function shapeProblems(error: z.ZodError): string[] {
  return listed(
    error.issues.map((issue) => {
      const [field = 'record', ...rest] = issue.path;
      return `${[field, ...rest].join('.')}: ${problemIn(issue)}`;
    }),
  );
}

/** A JSON object as it was sent: any key, with a value of any type. */
export type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** How deep JSON from outside may be nested; real messages have four levels. */
export const MAX_DEPTH = 64;

/**
 * Reads a JSON object. The result is safe to walk recursively, and to write as JSON: V8 parses any depth, but a recursive
 * walk of 10,000 levels ends the process. The parser's own message is dropped because it quotes the text.
 *
 * @param name the text's name in problems
 */
export function readJsonObject(
  text: string,
  name: string,
  must = 'must be a JSON object',
): { object: JsonObject } | Dead {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return dead('not_json', `${name}: is not JSON`);
  }
  if (isDeeperThan(MAX_DEPTH, value))
    return dead('invalid_shape', `${name}: is nested deeper than ${MAX_DEPTH} levels`);
  return isJsonObject(value) ? { object: value } : dead('invalid_shape', `${name}: ${must}`);
}

/** Walks no deeper than `levels`, whatever the value. */
export function isDeeperThan(levels: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  for (const inner of Object.values(value)) if (isDeeperThan(levels - 1, inner)) return true;
  return false;
}
