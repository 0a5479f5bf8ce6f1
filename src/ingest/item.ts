import type { ContactEvent } from '../contacts/facts/event';
import { decode, idIn } from '../messages/incoming/decode';
import type { DetailField } from '../messages/incoming/decoded';
import { traceOf } from '../messages/trace';
import { isTooSlow } from '../postgres/errors';
import type { Delivery } from '../rabbitmq/consuming/delivery';
import { HEADERS } from '../rabbitmq/names';
import type { Outcome } from './outcome';

/** One message on its way through a worker, from receipt to ack. */
export interface Item {
  readonly delivery: Delivery;
  /** Null if the message is ignored, or cannot be understood. */
  readonly event: ContactEvent | null;
  /** The event's id, for the log. */
  readonly eventId: string | undefined;
  /** The details of the event that could not be used. */
  readonly dropped: readonly DetailField[];
  /** The parts of the event's choice that could not be understood. */
  readonly partial: readonly string[];
  /** Null until decided. A message without an outcome is not acknowledged, and is delivered again. */
  outcome: Outcome | null;
}

/** An item that the database has to decide. */
export type PendingItem = Item & { readonly event: ContactEvent };

/** An item that is decided. */
export type DecidedItem<O extends Outcome = Outcome> = Item & { outcome: O };

/** Whether the database took too long for this message alone: it must not hold up other messages again. */
export const wasTooSlow = ({ delivery }: Item): boolean => isTooSlow(delivery.headers[HEADERS.error]);

export const isPending = (item: Item): item is PendingItem => item.event !== null;

/**
 * @param source the producer of the queue's messages, which decides how they are read
 * @param now milliseconds since 1970, UTC
 */
export function makeItem(source: 'fxa' | 'newsletter', delivery: Delivery, now: number): Item {
  const { content, messageId, headers } = delivery;
  const decoded = decode(source, content, { messageId, trace: traceOf(headers), now });
  if (decoded.kind === 'event') {
    const { event, dropped, partial } = decoded;
    return { delivery, event, eventId: event.trigger.id, dropped, partial, outcome: null };
  }
  const eventId = decoded.kind === 'dead' ? (idIn(content) ?? messageId) : undefined;
  return { delivery, event: null, eventId, dropped: [], partial: [], outcome: decoded };
}

/**
 * When the message was published, in milliseconds since 1970; Infinity if unknown. RabbitMQ's interceptor
 * `set_header_timestamp` writes the header; a producer may set the property, in seconds.
 */
export function publishedAt({ headers, properties }: Delivery): number {
  const { timestamp_in_ms: exact } = headers;
  if (typeof exact === 'number' && exact > 0) return exact;
  const { timestamp } = properties as { timestamp?: unknown };
  return typeof timestamp === 'number' && timestamp > 0 ? timestamp * 1_000 : Number.POSITIVE_INFINITY;
}
