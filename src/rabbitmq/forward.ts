import type { Delivery } from './delivery';
import type { Headers } from './headers';
import { DEAD_LETTERS, HEADERS, RETRY_EXCHANGE } from './names';
import type { OutgoingMessage } from './outgoing';

/**
 * Headers that must not travel on with a message. The broker's own history: kept, it takes a second way through the
 * same queue for a cycle, and drops the message. And `CC`/`BCC`, by which a message would also go elsewhere again.
 */
const LEFT_BEHIND = /^(x-death|x-(first|last)-death-.*|x-delivery-count|x-acquired-count|CC|BCC)$/;

/**
 * The message goes through the retry exchange, waits for the delay of a step of the ladder, and comes back to the queue
 * it came from.
 */
export function toRetry(delivery: Delivery, step: { readonly name: string }, headers: Headers): OutgoingMessage {
  return {
    ...copyOf(delivery, { ...headers, [HEADERS.delay]: step.name }),
    exchange: RETRY_EXCHANGE,
    routingKey: delivery.queue,
  };
}

/** The message goes to the dead letters, directly. `headers` says why. */
export function toDeadLetters(delivery: Delivery, headers: Headers): OutgoingMessage {
  return toQueue(DEAD_LETTERS, delivery, { ...headers, [HEADERS.originQueue]: delivery.queue });
}

/** The message goes to one queue, through the default exchange. */
export function toQueue(queue: string, delivery: Delivery, headers: Headers): OutgoingMessage {
  return { ...copyOf(delivery, headers), exchange: '', routingKey: queue };
}

/**
 * What stays the same: the content byte by byte, id, type, time and foreign headers. Left out are `expiration` (it would
 * die in the dead letters), `userId` (the broker refuses another user's) and the broker's history.
 */
function copyOf(delivery: Delivery, own: Headers): Omit<OutgoingMessage, 'exchange' | 'routingKey'> {
  const { contentType, contentEncoding, correlationId, type, timestamp, appId } = delivery.properties;
  const foreign = Object.entries(delivery.headers).filter(([key]) => !LEFT_BEHIND.test(key));
  return {
    content: delivery.content,
    headers: { ...Object.fromEntries(foreign), ...own },
    ...text('messageId', delivery.messageId),
    ...text('contentType', contentType),
    ...text('contentEncoding', contentEncoding),
    ...text('correlationId', correlationId),
    ...text('type', type),
    ...text('appId', appId),
    ...(Number.isSafeInteger(timestamp) && { timestamp: Number(timestamp) }),
  };
}

const MAX_SHORT_TEXT = 255;

/** AMQP's short texts have 255 bytes at most; one that came with invalid UTF-8 may have more once decoded. */
function text<K extends string>(key: K, value: unknown): { [P in K]?: string } {
  return typeof value === 'string' && Buffer.byteLength(value) <= MAX_SHORT_TEXT
    ? ({ [key]: value } as { [P in K]?: string })
    : {};
}
