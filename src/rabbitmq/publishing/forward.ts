import type { Delivery } from '../consuming/delivery';
import type { Headers } from '../headers';
import { DEAD_LETTERS, HEADERS, RETRY_EXCHANGE } from '../names';
import type { OutgoingMessage } from './outgoing';

/**
 * Headers that must not travel on. With its own history in a message, the broker would take a second pass through the same
 * queue for a cycle, and drop the message; `CC`/`BCC` would route a copy elsewhere again.
 */
const LEFT_BEHIND = /^(x-death|x-(first|last)-death-.*|x-delivery-count|x-acquired-count|CC|BCC)$/;

/**
 * The message for a retry queue, through the retry exchange. After the delay it returns to the queue it came from.
 */
export function toRetry(delivery: Delivery, step: { readonly name: string }, headers: Headers): OutgoingMessage {
  return {
    ...copyOf(delivery, { ...headers, [HEADERS.delay]: step.name }),
    exchange: RETRY_EXCHANGE,
    routingKey: delivery.queue,
  };
}

/** The message for the dead letters. `headers` says why. */
export function toDeadLetters(delivery: Delivery, headers: Headers): OutgoingMessage {
  return toQueue(DEAD_LETTERS, delivery, { ...headers, [HEADERS.originQueue]: delivery.queue });
}

/** The message for one queue, through the default exchange. */
export function toQueue(queue: string, delivery: Delivery, headers: Headers): OutgoingMessage {
  return { ...copyOf(delivery, headers), exchange: '', routingKey: queue };
}

/**
 * Copies the content (byte by byte), id, type, time and foreign headers. Leaves out `expiration` (the message would expire
 * in the dead letters), `userId` (the broker refuses another user's) and the broker's history.
 */
function copyOf(delivery: Delivery, own: Headers): Omit<OutgoingMessage, 'exchange' | 'routingKey'> {
  const { contentType, contentEncoding, correlationId, type, timestamp, appId } = delivery.properties;
  const foreign = Object.entries(delivery.headers).filter(([key]) => !LEFT_BEHIND.test(key));
  const texts = { messageId: delivery.messageId, contentType, contentEncoding, correlationId, type, appId };
  return {
    content: delivery.content,
    headers: { ...Object.fromEntries(foreign), ...own },
    ...Object.fromEntries(Object.entries(texts).filter(([, text]) => isShortString(text))),
    ...(Number.isSafeInteger(timestamp) && { timestamp: Number(timestamp) }),
  };
}

const MAX_SHORT_STRING = 255;

/** AMQP short strings have at most 255 bytes; invalid UTF-8 may exceed that once decoded. */
const isShortString = (value: unknown): boolean =>
  typeof value === 'string' && Buffer.byteLength(value) <= MAX_SHORT_STRING;
