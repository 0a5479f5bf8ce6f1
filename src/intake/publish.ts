import type { Logger } from 'pino';
import { describe } from '../rabbitmq/errors';
import type { OutgoingMessage, PublishResult } from '../rabbitmq/publishing/outgoing';
import type { Publisher } from '../rabbitmq/publishing/publisher';

/** `away`: try again later; some messages may have been accepted. `too_large`: the broker will never accept a message. */
export type Published = 'confirmed' | 'away' | 'too_large';

/** Publishes all messages and waits for all confirms. Publishes nothing if the broker is known to be away. */
export async function publishAll(
  publisher: Pick<Publisher, 'ready' | 'publish'>,
  messages: readonly OutgoingMessage[],
  log: Logger,
): Promise<Published> {
  if (!publisher.ready) return 'away';
  const results = await Promise.all(messages.map((message) => publisher.publish(message)));
  const refused = results.filter(({ outcome }) => outcome !== 'confirmed');
  const [first] = refused;
  if (first === undefined) return 'confirmed';
  const { exchange } = messages[0] as OutgoingMessage;
  log.warn({ exchange, reason: reasonOf(first), left: refused.length }, 'messages of a request were not published');
  return refused.every((result) => result.outcome === 'failed' && !result.retryable) ? 'too_large' : 'away';
}

function reasonOf(result: PublishResult): string {
  if (result.outcome === 'returned') return result.reason;
  return result.outcome === 'failed' ? describe(result.error).reason : 'a queue refused it';
}
