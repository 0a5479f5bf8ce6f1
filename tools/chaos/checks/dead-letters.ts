import type { Channel } from 'amqplib';
import { DEAD_LETTERS, HEADERS } from '../../../src/rabbitmq/names';

export interface DeadLetter {
  id: string;
  reason: string;
  error: string;
  attempts: number;
  origin: string;
  bytes: number;
  content: string;
}

/** Takes all dead letters; the queue must have no other consumer. */
export async function takeDeadLetters(channel: Channel): Promise<DeadLetter[]> {
  const letters: DeadLetter[] = [];
  for (;;) {
    const message = await channel.get(DEAD_LETTERS, { noAck: true });
    if (!message) return letters;
    const { headers = {}, messageId } = message.properties;
    const text = (name: string): string => String(headers[name] ?? '');
    letters.push({
      id: String(messageId ?? ''),
      // The broker itself dead-letters at the delivery limit, without our headers.
      reason: text(HEADERS.reason) || `by the broker: ${text('x-first-death-reason')}`,
      error: text(HEADERS.error),
      attempts: Number(headers[HEADERS.attempts] ?? 0),
      origin: text(HEADERS.originQueue) || text('x-first-death-queue'),
      bytes: message.content.length,
      content: message.content.toString('utf8', 0, 2_000),
    });
  }
}

/** Compares dead letters with the expected reasons by message id. */
export function deadLetterProblems(expected: ReadonlyMap<string, string>, letters: readonly DeadLetter[]): string[] {
  const found = new Set(letters.map(({ id }) => id));
  return [
    ...[...expected].filter(([id]) => !found.has(id)).map(([id, reason]) => `${id} (${reason}) is missing`),
    ...letters
      .filter(({ id, reason }) => expected.get(id) !== reason)
      .map(({ id, reason, error }) => `${id} is there as ${reason} ${error}, not as ${expected.get(id) ?? 'anything'}`),
  ];
}
