import type { Channel } from 'amqplib';
import { DEAD_LETTERS, HEADERS } from '../../src/rabbitmq/names';

export interface DeadLetter {
  id: string;
  reason: string;
  error: string;
  attempts: number;
  origin: string;
  bytes: number;
  content: string;
}

/** Takes all dead letters. Nothing else may consume them. */
export async function takeDeadLetters(channel: Channel): Promise<DeadLetter[]> {
  const letters: DeadLetter[] = [];
  for (;;) {
    const message = await channel.get(DEAD_LETTERS, { noAck: true });
    if (!message) return letters;
    const { headers = {}, messageId } = message.properties;
    const text = (name: string): string => String(headers[name] ?? '');
    letters.push({
      id: String(messageId ?? ''),
      // One that the broker itself put there, after too many deliveries, has no reason of ours.
      reason: text(HEADERS.reason) || `by the broker: ${text('x-first-death-reason')}`,
      error: text(HEADERS.error),
      attempts: Number(headers[HEADERS.attempts] ?? 0),
      origin: text(HEADERS.originQueue) || text('x-first-death-queue'),
      bytes: message.content.length,
      content: message.content.toString('utf8', 0, 2_000),
    });
  }
}
