import type { Message, Options } from 'amqplib';
import { fitHeaders, type Headers } from '../headers';

export interface OutgoingMessage {
  /** '' is the default exchange; the routing key is then the name of a queue. */
  readonly exchange: string;
  readonly routingKey: string;
  readonly content: Buffer;
  /** Generated if absent. Messages in flight may share an id. */
  readonly messageId?: string;
  readonly type?: string;
  readonly contentType?: string;
  readonly contentEncoding?: string;
  readonly correlationId?: string;
  readonly appId?: string;
  /** Seconds since 1970, as in AMQP. */
  readonly timestamp?: number;
  /** Reduced to what can be published: see `fitHeaders`. */
  readonly headers?: Headers;
}

export type PublishResult =
  /** The message is on disk, on a majority of nodes, in every queue that it was routed to. */
  | { readonly outcome: 'confirmed' }
  /** Unroutable (a missing binding or queue): the broker has dropped it. */
  | { readonly outcome: 'returned'; readonly reason: string }
  /** A queue refused it: the queue is full or has no majority. */
  | { readonly outcome: 'nacked' }
  /** Unknown: it may have arrived. `retryable` is false if this message can never be published as it is. */
  | { readonly outcome: 'failed'; readonly error: Error; readonly retryable: boolean };

export const OUTCOMES = ['confirmed', 'returned', 'nacked', 'failed'] as const satisfies PublishResult['outcome'][];

/** See {@link PublishResult}. */
export function failed(reason: string, retryable = true): PublishResult {
  return { outcome: 'failed', error: new Error(reason), retryable };
}

/** Persistent, and returned if no queue takes it. */
export function optionsOf(message: OutgoingMessage, messageId: string): Options.Publish {
  const { exchange: _, routingKey: __, content: ___, headers = {}, ...properties } = message;
  return { ...properties, messageId, headers: fitHeaders(headers), persistent: true, mandatory: true };
}

/**
 * Whether the broker returned this message. A return does not tell which publish it belongs to, and producers may give all
 * their messages one id, so it is matched by id, route and content. Confusing two messages that are equal in all of these
 * does no harm.
 */
export function isReturn({ fields, properties, content }: Message, message: OutgoingMessage, id: string): boolean {
  return (
    id === (properties.messageId ?? '') &&
    message.exchange === fields.exchange &&
    message.routingKey === fields.routingKey &&
    content.equals(message.content)
  );
}
