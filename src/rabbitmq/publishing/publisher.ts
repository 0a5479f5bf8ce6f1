import { randomUUID } from 'node:crypto';
import type { ConfirmChannel, Message } from 'amqplib';
import type { Logger } from 'pino';
import { Backoff, pause } from '../../foundation/retry';
import { type BrokerConnection, closeChannel } from '../connection';
import { codeOf, describe } from '../errors';
import { failed, isReturn, type OutgoingMessage, optionsOf, type PublishResult } from './outgoing';

export interface PublisherOptions {
  /** Used only for publishing: an alarm stops everything on a connection that publishes. */
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
  readonly patience: AbortSignal | undefined;
  deadline: number;
  returned: string | undefined;
}

/** RabbitMQ 4 closes the channel when a content is larger, which would fail all other messages in flight as well. */
const MAX_CONTENT_BYTES = 16 * 1_024 * 1_024;
/**
 * The limit for the bytes of messages that await their confirms; a single one may be larger. amqplib copies what it
 * writes.
 */
const MAX_IN_FLIGHT_BYTES = 16 * 1_024 * 1_024;
/** How a broker with a smaller limit reports it. */
const TOO_LARGE = /message size \d+ (?:is )?larger than (?:configured )?max size (\d+)/;
/** How a broker says that the user may not write to an exchange. */
const NOT_PERMITTED = /write access to exchange '([^']*)'/;
const CONFIRMED: PublishResult = { outcome: 'confirmed' };
const NACKED: PublishResult = { outcome: 'nacked' };

/**
 * Publishes persistent, mandatory messages over one confirm channel at a time, many at once, and reports each one's
 * outcome. It never rejects and never retries, and every call settles within two time limits, unless it has patience.
 *
 * States: *opening* <-> *open* (<-> *stalled*, *blocked*), and from each of them *closed*, which is final.
 *
 * - opening: no channel. Requests wait up to the time limit, then fail.
 * - open: requests are written in order, while fewer than `maxInFlight`, and not too many bytes, await a confirm.
 * - stalled: the channel's write buffer is full. Requests wait for it to drain.
 * - blocked: the broker reads nothing. Requests fail at once, except those with patience: they wait without a time limit,
 *   on the same channel, because the broker will read what was written before.
 * - If the channel closes, or a confirm does not come in time, everything in flight has *failed* (it may have arrived;
 *   publish it again with the same id), and another channel is opened.
 * - closed: every request fails at once.
 *
 * An unroutable message is returned *and* confirmed, the return first.
 */
export class Publisher {
  readonly #connection: BrokerConnection;
  readonly #log: Logger;
  readonly #timeoutMs: number;
  readonly #maxInFlight: number;
  #maxContentBytes: number;
  /** The exchange that the broker did not let this user write to when it was last tried. */
  #forbidden: string | undefined;
  readonly #backoff = new Backoff(100, 15_000);
  readonly #stopping = new AbortController();
  readonly #queued = new Set<Request>(); // both are in the order of their deadlines
  readonly #inFlight = new Set<Request>();
  #inFlightBytes = 0;
  #channel: ConfirmChannel | undefined;
  #stalled = false;
  /** Gives up the current channel. Needed because a channel that closed before its listeners were added emits nothing. */
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
    this.#connection.on('blocked', this.#giveUp).on('unblocked', this.#onUnblocked);
    if (this.#connection.closed) this.#stopping.abort();
    void this.#run();
  }

  /** Whether there is a channel. */
  get open(): boolean {
    return this.#channel !== undefined;
  }

  /** Whether the broker would accept a message now, as far as is known without trying. */
  get ready(): boolean {
    return this.open && !this.#isBlocked;
  }

  /** Why nothing, or not everything, can be published, for the health check. */
  problems(): string[] {
    const { blocked } = this.#connection;
    if (blocked !== undefined) {
      return [`The broker blocks publishing (${blocked}): free its memory or disk.`];
    }
    if (this.#forbidden !== undefined) {
      return [
        `The broker does not let the user in AMQP_URL publish to the exchange ${this.#forbidden}: give the user the right to write there.`,
      ];
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

  /** @param patience makes the message wait while the broker blocks publishing, until the signal is aborted */
  publish(message: OutgoingMessage, patience?: AbortSignal): Promise<PublishResult> {
    const closed = this.#closing !== undefined || this.#stopping.signal.aborted;
    if (closed) return Promise.resolve(failed('publisher closed'));
    if (message.content.length > this.#maxContentBytes) {
      return Promise.resolve(failed(`the message is larger than ${this.#maxContentBytes} bytes`, false));
    }
    if (!this.#mayWait(patience)) return Promise.resolve(this.#givenUp);
    patience?.addEventListener('abort', this.#giveUp); // once per signal, however many messages share it
    return new Promise((settle) => {
      const deadline = performance.now() + this.#timeoutMs;
      const id = message.messageId ?? randomUUID();
      this.#queued.add({ id, message, settle, patience, deadline, returned: undefined });
      this.#pump();
      this.#scheduleExpiry();
    });
  }

  /** Final: accepts no more, and waits for all pending messages, which the time limits bound. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    this.#giveUp();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.pending > 0) await new Promise<void>((resolve) => (this.#drained = resolve));
    this.#connection.off('closed', this.#onConnectionClosed);
    this.#connection.off('blocked', this.#giveUp).off('unblocked', this.#onUnblocked);
    this.#stopping.abort();
    const channel = this.#channel;
    this.#lose(channel, 'publisher closed');
    if (channel === undefined) return;
    const closed = closeChannel(channel);
    if (!this.#isBlocked) await closed; // a blocked broker does not read the request; then the end of the connection closes the channel
  }

  readonly #onConnectionClosed = (): void => {
    this.#stopping.abort();
    this.#lose(this.#channel, 'connection closed');
    for (const request of this.#queued) this.#settle(request, failed('connection closed'));
  };

  get #isBlocked(): boolean {
    return this.#connection.blocked !== undefined;
  }

  /** Whether a message may wait now, if need be. */
  #mayWait(patience: AbortSignal | undefined): boolean {
    if (!this.#isBlocked) return this.#channel !== undefined || !patience?.aborted;
    return patience !== undefined && !patience.aborted && this.#closing === undefined;
  }

  readonly #giveUp = (): void => {
    for (const request of [...this.#queued, ...this.#inFlight]) {
      if (!this.#mayWait(request.patience)) this.#settle(request, this.#givenUp);
    }
  };

  get #givenUp(): PublishResult {
    return failed(this.problems()[0] ?? 'given up');
  }

  /** Starts all time limits again. */
  readonly #onUnblocked = (): void => {
    const deadline = performance.now() + this.#timeoutMs;
    for (const request of [...this.#queued, ...this.#inFlight]) request.deadline = deadline;
    this.#pump();
    this.#scheduleExpiry();
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
        this.#forbidden = NOT_PERMITTED.exec(error.message)?.[1] ?? this.#forbidden;
        const limit = Number(TOO_LARGE.exec(error.message)?.[1]);
        if (limit > 0) this.#maxContentBytes = Math.min(this.#maxContentBytes, limit);
      });
      channel.on('handler-error', (error: Error) => this.#log.error(describe(error), 'channel listener threw'));
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

  #onReturn(channel: ConfirmChannel, returned: Message): void {
    void this.#connection.restoreTopology();
    if (channel !== this.#channel) return;
    const { replyText } = returned.fields as { replyText?: unknown }; // missing in amqplib's types
    const request = [...this.#inFlight].find(
      (it) => it.returned === undefined && isReturn(returned, it.message, it.id),
    );
    if (request !== undefined) request.returned = typeof replyText === 'string' ? replyText : 'returned';
  }

  #pump(): void {
    for (const request of this.#queued) {
      if (this.#channel === undefined || this.#stalled || this.#isBlocked || this.#isFull) return;
      this.#queued.delete(request);
      this.#write(this.#channel, request);
    }
  }

  get #isFull(): boolean {
    return this.#inFlight.size >= this.#maxInFlight || this.#inFlightBytes >= MAX_IN_FLIGHT_BYTES;
  }

  #write(channel: ConfirmChannel, request: Request): void {
    const { exchange, routingKey, content } = request.message;
    request.deadline = performance.now() + this.#timeoutMs;
    this.#inFlight.add(request);
    this.#inFlightBytes += content.length;
    try {
      const options = optionsOf(request.message, request.id);
      const room = channel.publish(exchange, routingKey, content, options, (error: unknown) => {
        if (!this.#inFlight.has(request)) return; // its channel was given up
        this.#backoff.reset();
        if (exchange === this.#forbidden) this.#forbidden = undefined;
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
    this.#giveUp();
  }

  /** Uses one timer for the oldest request instead of one for each. */
  #scheduleExpiry(): void {
    if (this.#timer !== undefined || this.#isBlocked || this.pending === 0) return;
    const [queued] = this.#queued;
    const [inFlight] = this.#inFlight;
    const next = Math.min(queued?.deadline ?? Number.POSITIVE_INFINITY, inFlight?.deadline ?? Number.POSITIVE_INFINITY);
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        if (!this.#isBlocked) this.#expire(performance.now());
        this.#scheduleExpiry();
      },
      Math.max(1, next - performance.now()),
    );
  }

  #expire(now: number): void {
    const [oldest] = this.#inFlight;
    const channel = this.#channel;
    if (oldest !== undefined && channel !== undefined && oldest.deadline <= now) {
      this.#log.warn({ inFlight: this.#inFlight.size, timeoutMs: this.#timeoutMs }, 'no confirm in time');
      this.#lose(channel, 'no confirm in time');
      void closeChannel(channel);
    }
    for (const request of this.#queued) {
      if (request.deadline > now) break;
      this.#settle(request, failed('not written in time'));
    }
  }
}
