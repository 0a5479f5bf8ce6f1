import { setMaxListeners } from 'node:events';
import type { Logger } from 'pino';
import { Backoff, pause } from '../foundation/retry';
import { traceOf } from '../messages/trace';
import type { Metrics } from '../observability/metrics';
import { failureOf } from '../postgres/errors';
import type { Delivery } from '../rabbitmq/consuming/delivery';
import { describe } from '../rabbitmq/errors';
import type { Publisher } from '../rabbitmq/publishing/publisher';
import { aboutMessage } from './about-message';
import { BatchLog } from './batch-log';
import type { DecidedItem } from './item';
import type { Forwarded } from './outcome';
import { messageFor, type Route, routeOf } from './route';

export interface ForwarderOptions {
  queue: string;
  publisher: Publisher;
  metrics: Metrics;
  log: Logger;
  /** Ends the attempts to publish messages that the broker does not accept. */
  stopping: AbortSignal;
  /** With at least this many messages on their way, the worker has to wait. */
  maxMessages: number;
  /** Called with messages that have arrived and may be acknowledged. All others are delivered again. */
  onForwarded(items: readonly DecidedItem[]): void;
}

/** With at least this many bytes of messages on their way, the worker has to wait. */
const MAX_BYTES = 8 * 1_024 * 1_024;

/**
 * Sends messages to the retry queues and the dead letters while the worker continues: a broker that accepts no messages
 * (because of an alarm, or a missing or full queue) must not hold up the messages that need no publishing. The messages
 * on their way stay unacknowledged, and the worker bounds their number: it waits while {@link isFull}.
 */
export class Forwarder {
  readonly #options: ForwarderOptions;
  /** A signal for each channel that delivers messages: aborted when the channel closes or the worker stops. */
  readonly #patience = new WeakMap<AbortSignal, AbortSignal>();
  readonly #ended: { item: DecidedItem; isForwarded: boolean }[] = [];
  readonly #waiting: (() => void)[] = [];
  #messages = 0;
  #bytes = 0;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#count([], 1);
  }

  /** Messages on their way. */
  get messages(): number {
    return this.#messages;
  }

  get isFull(): boolean {
    return this.#messages >= this.#options.maxMessages || this.#bytes >= MAX_BYTES;
  }

  /** Resolves when it is not full. */
  async room(): Promise<void> {
    while (this.isFull) await this.#nextEnd();
  }

  /** Resolves when no message is on its way. */
  async idle(): Promise<void> {
    while (this.#messages > 0) await this.#nextEnd();
  }

  /** Returns at once, and publishes the messages until the broker confirms them. */
  forward(items: readonly DecidedItem<Forwarded>[]): void {
    if (items.length === 0) return;
    this.#count(items, 1);
    const batchLog = new BatchLog();
    for (const item of items) {
      item.delivery.park();
      void this.#forward(item, batchLog).then((isForwarded) => this.#end(item, isForwarded));
    }
    batchLog.write();
  }

  /** Never rejects. @returns false if the message must not be acknowledged */
  async #forward({ delivery, eventId, outcome }: DecidedItem<Forwarded>, batchLog: BatchLog): Promise<boolean> {
    const { queue } = this.#options;
    const log = this.#options.log.child({ queue, ...aboutMessage(eventId, traceOf(delivery.headers)) });
    try {
      const route = routeOf(delivery, outcome);
      batchLog.add(log, route.level, route.text, route.shared, route.first);
      return await this.#publish(delivery, route, log, batchLog);
    } catch (error) {
      // One message must not keep the others from their acks.
      log.error(
        { failure: failureOf(error) },
        'message rejected: it could not be forwarded, and the broker dead-letters it',
      );
      delivery.reject();
      return false;
    }
  }

  /**
   * Publishes until the broker confirms, so that no message is dropped or acknowledged too early.
   *
   * A message that can never be published as it is (because it is too large for the broker) is rejected instead: the
   * broker itself then dead-letters it at least once, whatever its size, with its own `x-death` header (reason
   * "rejected") instead of ours.
   */
  async #publish(delivery: Delivery, route: Route, log: Logger, batchLog: BatchLog): Promise<boolean> {
    const { queue, publisher, metrics, stopping } = this.#options;
    const message = messageFor(delivery, route);
    const patience = this.#patienceFor(delivery);
    const backoff = new Backoff(200, 10_000);
    for (let attempt = 1; delivery.alive; attempt++) {
      const result = await publisher.publish(message, patience);
      if (result.outcome === 'confirmed') {
        if ('reason' in route.to) metrics.deadLetters.inc({ queue, reason: route.to.reason });
        else metrics.retries.inc({ queue, delay: route.to.name });
        return true;
      }
      if (result.outcome === 'failed' && !result.retryable) {
        const { reason } = describe(result.error);
        log.error({ reason }, 'message rejected: it cannot be published, and the broker dead-letters it');
        delivery.reject();
        metrics.deadLetters.inc({ queue, reason: 'rejected' });
        return true; // a later ack of the message has no effect
      }
      if (stopping.aborted) return false;
      const shared = { outcome: result.outcome, to: message.routingKey, attempt };
      batchLog.once(log, 'warn', 'messages could not be forwarded, trying again', shared);
      await pause(backoff.next(), patience);
    }
    return false;
  }

  #patienceFor({ lost }: Delivery): AbortSignal {
    const known = this.#patience.get(lost);
    if (known !== undefined) return known;
    const patience = AbortSignal.any([lost, this.#options.stopping]);
    setMaxListeners(0, patience); // each pause listens to it
    this.#patience.set(lost, patience);
    return patience;
  }

  /** The broker confirms many messages at once: they are acknowledged and counted together. */
  #end(item: DecidedItem, isForwarded: boolean): void {
    this.#ended.push({ item, isForwarded });
    if (this.#ended.length > 1) return;
    setImmediate(() => {
      const ended = this.#ended.splice(0);
      this.#options.onForwarded(ended.filter((end) => end.isForwarded).map((end) => end.item));
      this.#count(
        ended.map((end) => end.item),
        -1,
      );
      for (const wake of this.#waiting.splice(0)) wake();
    });
  }

  #nextEnd(): Promise<void> {
    return new Promise((wake) => this.#waiting.push(wake));
  }

  #count(items: readonly DecidedItem[], sign: 1 | -1): void {
    const { queue, metrics } = this.#options;
    this.#messages += sign * items.length;
    this.#bytes += sign * items.reduce((sum, { delivery }) => sum + delivery.content.length, 0);
    metrics.waitingForPublisher.set({ queue }, this.#messages);
  }
}
