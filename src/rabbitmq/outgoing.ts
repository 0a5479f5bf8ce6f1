import type { Headers } from './headers';

export interface OutgoingMessage {
  /** '' is the default exchange: the routing key is then the name of a queue. */
  readonly exchange: string;
  readonly routingKey: string;
  readonly content: Buffer;
  /** Made up when absent. Two messages with one id are never under way together: the second waits for the first. */
  readonly messageId?: string;
  readonly type?: string;
  readonly contentType?: string;
  readonly contentEncoding?: string;
  readonly correlationId?: string;
  readonly appId?: string;
  /** Seconds since 1970, as AMQP has it. */
  readonly timestamp?: number;
  /** Cut to what can be published: see `fitHeaders`. */
  readonly headers?: Headers;
}

export type PublishResult =
  /** The broker has it, on disk and on a majority, in every queue that it was routed to. */
  | { readonly outcome: 'confirmed' }
  /** No queue wanted it (missing exchange bindings or queue): the broker has thrown it away. */
  | { readonly outcome: 'returned'; readonly reason: string }
  /** A queue refused it: full, or without a majority. */
  | { readonly outcome: 'nacked' }
  /** Unknown: it may have arrived. `retryable` is false when this message can never be published as it is. */
  | { readonly outcome: 'failed'; readonly error: Error; readonly retryable: boolean };

/** See {@link PublishResult}. */
export function failed(reason: string, retryable = true): PublishResult {
  return { outcome: 'failed', error: new Error(reason), retryable };
}
