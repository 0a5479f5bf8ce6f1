import { randomUUID } from 'node:crypto';
import type { ConfirmChannel, Message } from 'amqplib';
import type { Logger } from 'pino';
import { Backoff, pause } from '../foundation/retry';
import { type BrokerConnection, closeChannel } from './connection';
import { codeOf, describe } from './errors';
import { fitHeaders } from './headers';
import { failed, type OutgoingMessage, type PublishResult } from './outgoing';

export interface PublisherOptions {
  /** For publishing only: an alarm stops everything on a connection that publishes. */
  readonly connection: BrokerConnection;
  readonly log: Logger;
  /** How long a message may wait for a channel, and again for its confirm. */
  readonly confirmTimeoutMs?: number;
  /** How many messages may await their confirms at once; further messages are queued here. */
  readonly maxInFlight?: number;
  /** The largest content to try, in bytes; it is lowered when the broker reports a smaller limit. */
  readonly maxContentBytes?: number;
}

interface Request {
  readonly id: string;
  readonly message: OutgoingMessage;
  readonly settle: (result: PublishResult) => void;
  deadline: number;
  returned: string | undefined;
}

/** For a larger content RabbitMQ 4 closes the channel, which would fail all other messages in flight as well. */
const MAX_CONTENT_BYTES = 16 * 1_024 * 1_024;
/** The most bytes of messages that await their confirms, unless one has more: amqplib copies what it is to write. */
const MAX_IN_FLIGHT_BYTES = 16 * 1_024 * 1_024;
/** How a broker with a smaller limit reports it. */
const TOO_LARGE = /message size \d+ (?:is )?larger than (?:configured )?max size (\d+)/;
const CONFIRMED: PublishResult = { outcome: 'confirmed' };
const NACKED: PublishResult = { outcome: 'nacked' };

/**
 * Publishes persistent, mandatory messages over one confirm channel at a time, many at once, and reports each one's
 * outcome. It never rejects and never retries, and every call settles within two time limits.
 *
 * States: *opening* <-> *open* (<-> *stalled*), and from each of them *closed*, which is final.
 *
 * - opening: no channel. Requests wait up to the time limit, then fail.
 * - open: requests are written in order, while fewer than `maxInFlight`, and not too many bytes, await a confirm.
 * - stalled: the channel's write buffer is full. Requests wait for it to drain.
 * - If the channel closes, or a confirm does not come in time, everything in flight has *failed* (it may have arrived;
 *   publish it again with the same id), and another channel is opened.
 * - closed: every request fails at once.
 *
 * An unroutable message is returned *and* confirmed, the return first. A return does not tell which publish it belongs to,
 * and producers may give all their messages one id, so it is matched by id, route and content. Confusing two messages that
 * are equal in all of these does no harm.
 */
export class Publisher {
  readonly #connection: BrokerConnection;
  readonly #log: Logger;
  readonly #timeoutMs: number;
  readonly #maxInFlight: number;
  #maxContentBytes: number;
  readonly #backoff = new Backoff(100, 15_000);
  readonly #stopping = new AbortController();
  readonly #queued = new Set<Request>(); // both are in the order of their deadlines
  readonly #inFlight = new Set<Request>();
  #inFlightBytes = 0;
  #channel: ConfirmChannel | undefined;
  #stalled = false;
  /** Gives up the current channel: a channel that closed before its listeners were added emits nothing. */
  #over = (): void => undefined;
  #timer: NodeJS.Timeout | undefined;
  #drained = (): void => undefined;
  #closing: Promise<void> | undefined;

  constructor(options: PublisherOptions) {
    this.#connection = options.connection;
    this.#log = options.log;
    this.#timeoutMs = options.confirmTimeoutMs ?? 10_000;
    this.#maxInFlight = options.maxInFlight ?? 1_000;
    this.#maxContentBytes = options.maxContentBytes ?? MAX_CONTENT_BYTES;
    this.#connection.once('closed', this.#onConnectionClosed);
    if (this.#connection.closed) this.#stopping.abort();
    void this.#run();
  }

  /** Whether there is a channel. */
  get open(): boolean {
    return this.#channel !== undefined;
  }

  /** Why nothing can be published, for the health check. */
  problems(): string[] {
    const { blocked } = this.#connection;
    if (blocked !== undefined) {
      return [`The broker blocks publishing (${blocked}): free its memory or disk.`];
    }
    if (this.open) return [];
    return this.#connection.connected ? ['The publishing channel is not open yet.'] : this.#connection.problems();
  }

  /** Written messages that await their confirm. */
  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** All messages without an outcome. */
  get pending(): number {
    return this.#queued.size + this.#inFlight.size;
  }

  publish(message: OutgoingMessage): Promise<PublishResult> {
    const closed = this.#closing !== undefined || this.#stopping.signal.aborted;
    if (closed) return Promise.resolve(failed('publisher closed'));
    if (message.content.length > this.#maxContentBytes) {
      return Promise.resolve(failed(`the message is larger than ${this.#maxContentBytes} bytes`, false));
    }
    return new Promise((settle) => {
      const deadline = performance.now() + this.#timeoutMs;
      this.#queued.add({ id: message.messageId ?? randomUUID(), message, settle, deadline, returned: undefined });
      this.#pump();
      this.#scheduleExpiry();
    });
  }

  /** Final: accepts no more, and waits for all pending messages, which the time limits bound. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.pending > 0) await new Promise<void>((resolve) => (this.#drained = resolve));
    this.#connection.off('closed', this.#onConnectionClosed);
    this.#stopping.abort();
    const channel = this.#channel;
    this.#lose(channel, 'publisher closed');
    if (channel !== undefined) await closeChannel(channel);
  }

  readonly #onConnectionClosed = (): void => {
    this.#stopping.abort();
    this.#lose(this.#channel, 'connection closed');
    for (const request of this.#queued) this.#settle(request, failed('connection closed'));
  };

  async #run(): Promise<void> {
    const stopping = this.#stopping.signal;
    while (!stopping.aborted) {
      try {
        const channel = await this.#connection.createConfirmChannel();
        if (stopping.aborted) return void closeChannel(channel);
        await this.#serve(channel);
      } catch (error) {
        if (!stopping.aborted) this.#log.warn(describe(error), 'publishing channel could not be opened, trying again');
      }
      await pause(this.#backoff.next(), stopping);
    }
  }

  /** Resolves when the channel is lost or given up. */
  #serve(channel: ConfirmChannel): Promise<void> {
    return new Promise((over) => {
      channel.on('error', (error: Error) => {
        this.#log.warn(describe(error), 'publishing channel closed by the broker');
        if (codeOf(error) === 404) void this.#connection.restoreTopology();
        const limit = Number(TOO_LARGE.exec(error.message)?.[1]);
        if (limit > 0) this.#maxContentBytes = Math.min(this.#maxContentBytes, limit);
      });
      channel.on('handler-error', (error: Error) => this.#log.error(describe(error), 'a channel listener threw'));
      channel.on('return', (message: Message) => this.#onReturn(channel, message));
      channel.on('drain', () => {
        if (channel !== this.#channel) return;
        this.#stalled = false;
        this.#pump();
      });
      // Before amqplib's own listener, which calls every confirm callback as if nacked.
      channel.prependListener('close', () => {
        this.#lose(channel, 'channel closed');
        over();
      });
      this.#over = over;
      this.#channel = channel;
      this.#stalled = false;
      this.#pump();
    });
  }

  #onReturn(channel: ConfirmChannel, { fields, properties, content }: Message): void {
    void this.#connection.restoreTopology();
    if (channel !== this.#channel) return;
    const { replyText } = fields as { replyText?: unknown }; // missing in amqplib's types
    for (const request of this.#inFlight) {
      const { exchange, routingKey } = request.message;
      if (request.returned !== undefined || request.id !== (properties.messageId ?? '')) continue;
      if (exchange !== fields.exchange || routingKey !== fields.routingKey) continue;
      if (!content.equals(request.message.content)) continue;
      request.returned = typeof replyText === 'string' ? replyText : 'returned';
      return;
    }
  }

  #pump(): void {
    for (const request of this.#queued) {
      if (this.#channel === undefined || this.#stalled || this.#isFull) return;
      this.#queued.delete(request);
      this.#write(this.#channel, request);
    }
  }

  get #isFull(): boolean {
    return this.#inFlight.size >= this.#maxInFlight || this.#inFlightBytes >= MAX_IN_FLIGHT_BYTES;
  }

  #write(channel: ConfirmChannel, request: Request): void {
    const { exchange, routingKey, content, headers, ...properties } = request.message;
    request.deadline = performance.now() + this.#timeoutMs;
    this.#inFlight.add(request);
    this.#inFlightBytes += content.length;
    try {
      const options = {
        ...properties,
        messageId: request.id,
        headers: fitHeaders(headers ?? {}),
        persistent: true,
        mandatory: true,
      };
      const room = channel.publish(exchange, routingKey, content, options, (error: unknown) => {
        if (!this.#inFlight.has(request)) return; // its channel was given up
        this.#backoff.reset();
        const { returned } = request;
        if (error) this.#settle(request, NACKED);
        else this.#settle(request, returned === undefined ? CONFIRMED : { outcome: 'returned', reason: returned });
        this.#pump();
      });
      if (!room) this.#stalled = true;
    } catch (error) {
      // Nothing was written: the channel is closing, or amqplib cannot encode this (an id over 255 bytes).
      const closing = error instanceof Error && error.name === 'IllegalOperationError';
      this.#settle(request, failed(describe(error).reason, closing));
      if (closing) {
        this.#lose(channel, 'channel closing');
        this.#over();
      }
    }
  }

  #settle(request: Request, result: PublishResult): void {
    this.#queued.delete(request);
    if (this.#inFlight.delete(request)) this.#inFlightBytes -= request.message.content.length;
    request.settle(result);
    if (this.pending === 0) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#drained();
    }
  }

  /** Gives up the channel. What is in flight on it fails, because its confirms can no longer arrive. */
  #lose(channel: ConfirmChannel | undefined, reason: string): void {
    if (channel !== this.#channel) return;
    this.#channel = undefined;
    for (const request of this.#inFlight) this.#settle(request, failed(reason));
  }

  /** One timer for the oldest request instead of one for each. */
  #scheduleExpiry(): void {
    if (this.#timer !== undefined || this.pending === 0) return;
    const [queued] = this.#queued;
    const [inFlight] = this.#inFlight;
    const next = Math.min(queued?.deadline ?? Number.POSITIVE_INFINITY, inFlight?.deadline ?? Number.POSITIVE_INFINITY);
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#expire(performance.now());
        this.#scheduleExpiry();
      },
      Math.max(1, next - performance.now()),
    );
  }

  #expire(now: number): void {
    const why = this.#connection.blocked === undefined ? '' : ': the broker blocks publishing';
    const [oldest] = this.#inFlight;
    const channel = this.#channel;
    if (oldest !== undefined && channel !== undefined && oldest.deadline <= now) {
      this.#log.warn({ inFlight: this.#inFlight.size }, `no confirm within ${this.#timeoutMs} ms${why}`);
      this.#lose(channel, `no confirm in time${why}`);
      void closeChannel(channel);
    }
    for (const request of this.#queued) {
      if (request.deadline > now) break;
      this.#settle(request, failed(`not written in time${why}`));
    }
  }
}
