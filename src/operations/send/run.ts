import { randomUUID } from 'node:crypto';
import { OperatorError } from '../../foundation/operator-error';
import { decode } from '../../messages/incoming/decode';
import { readJsonObject } from '../../messages/incoming/decoded';
import { describe } from '../../rabbitmq/errors';
import { FXA_EVENTS, NEWSLETTER_EVENTS } from '../../rabbitmq/names';
import type { PublishResult } from '../../rabbitmq/publishing/outgoing';
import type { Publisher } from '../../rabbitmq/publishing/publisher';

/** How many messages may wait for their confirms. */
const IN_FLIGHT = 100;

/**
 * Publishes each line that the service would understand, in their order.
 *
 * @param report called with each line that is not sent, and why; a problem never quotes a value
 * @throws OperatorError if the broker does not accept a message
 */
export async function sendLines(
  lines: AsyncIterable<string>,
  publisher: Pick<Publisher, 'publish'>,
  report: (line: number, problems: readonly string[]) => void,
): Promise<{ sent: number; refused: number }> {
  let number = 0;
  let refused = 0;
  let sent = 0;
  let inFlight: Promise<PublishResult>[] = [];
  const confirm = async (): Promise<void> => {
    for (const result of await Promise.all(inFlight)) {
      if (result.outcome !== 'confirmed') throw new OperatorError(notTaken(result, sent));
      sent += 1;
    }
    inFlight = [];
  };
  for await (const line of lines) {
    number += 1;
    if (line.trim() === '') continue;
    const content = Buffer.from(line);
    const messageId = randomUUID();
    const source = isNewsletter(line) ? 'newsletter' : 'fxa';
    const decoded = decode(source, content, { messageId, trace: undefined, now: Date.now() });
    if (decoded.kind === 'dead') {
      refused += 1;
      report(number, decoded.problems);
      continue;
    }
    const type = decoded.kind === 'event' ? decoded.event.trigger.event : decoded.type;
    const exchange = source === 'newsletter' ? NEWSLETTER_EVENTS : FXA_EVENTS;
    inFlight.push(
      publisher.publish({ exchange, routingKey: type, content, messageId, contentType: 'application/json' }),
    );
    if (inFlight.length === IN_FLIGHT) await confirm();
  }
  await confirm();
  return { sent, refused };
}

function isNewsletter(line: string): boolean {
  const message = readJsonObject(line, 'message');
  return 'object' in message && String(message.object.event).startsWith('newsletter.');
}

function notTaken(result: Exclude<PublishResult, { outcome: 'confirmed' }>, sent: number): string {
  const reason =
    result.outcome === 'returned'
      ? 'no queue is bound for it; start the service once, or run `onecontact topology --apply`'
      : result.outcome === 'failed'
        ? describe(result.error).reason
        : 'a queue is full or has no majority';
  return `The broker accepted ${sent} messages and then refused one: ${reason}. Sending all of them again is harmless.`;
}
