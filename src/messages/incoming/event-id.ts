import { hash } from 'node:crypto';
import { isStorable } from './text';

/** An AMQP short string holds no more bytes. */
const MAX_ID_LENGTH = 255;

/**
 * The event's id for tracing: the first usable candidate, else a SHA-256 (hexadecimal) over what the event says.
 *
 * A candidate that is no text, empty, longer than 255 or impossible to store is passed over rather than refused:
 * nothing depends on the id but who follows an event through logs and ledger.
 *
 * @param content read only when no candidate is usable; JSON values in a fixed order
 */
export function traceId(candidates: readonly unknown[], content: () => unknown[]): string {
  return givenId(candidates) ?? hash('sha256', JSON.stringify(content()));
}

/** The first candidate that is usable. */
export function givenId(candidates: readonly unknown[]): string | undefined {
  return candidates.find(isUsable);
}

function isUsable(id: unknown): id is string {
  return typeof id === 'string' && id !== '' && id.length <= MAX_ID_LENGTH && isStorable(id);
}
