import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { ContactEvent } from '../contacts/facts/event';
import { Backoff, pause } from '../foundation/retry';
import { decode, idIn } from '../messages/incoming/decode';
import { traceOf } from '../messages/trace';
import { aboutMessage } from '../observability/about-message';
import { codeLabel, type Metrics, type PauseReason } from '../observability/metrics';
import { observeApplied, observeLag } from '../observability/observe-batch';
import { Stopwatch } from '../observability/stopwatch';
import type { Database } from '../postgres/database';
import type { Failure } from '../postgres/errors';
import type { BrokerConnection } from '../rabbitmq/connection';
import { type Consumer, consume } from '../rabbitmq/consumer';
import { ackAll, count, type Delivery } from '../rabbitmq/delivery';
import { DeliveryBuffer } from '../rabbitmq/delivery-buffer';
import { describe } from '../rabbitmq/errors';
import { toDeadLetters, toRetry } from '../rabbitmq/forward';
import { HEADERS, RETRY_DELAYS } from '../rabbitmq/names';
import type { OutgoingMessage, Publisher } from '../rabbitmq/publisher';
import { type BatchContext, handleBatch } from './batch';
import { BatchLog } from './batch-log';
import type { Outcome } from './outcome';
import { PoisonScheduler } from './poison-scheduler';
import { batchesOf, isSuspect } from './suspects';
import type { Applied, ApplyOptions } from './transaction';

export interface EventWorkerOptions {
  source: 'fxa' | 'newsletter';
  queue: string;
  connection: BrokerConnection;
  publisher: Publisher;
  db: Database;
  apply: ApplyOptions;
  /** Messages in one transaction, at most. */
  batchSize: number;
  /** Unacknowledged messages that the broker may have with us. */
  prefetch: number;
  /** Batches in flight. */
  concurrency: number;
  metrics: Metrics;
  log: Logger;
  /** Shared with the other workers of this process. */
  poisonScheduler?: PoisonScheduler;
  onNotifications(): void;
}

/**
 * Beside a batch that is under way, another one is begun for this part of a full one at least: two small ones at once get
 * in each other's way, and end later than they would one after the other (docs/performance.md).
 */
const WORTH_A_SLOT = 1 / 4;

/** amqplib writes what it is given some poisonScheduler of the event loop later. */
const ACKS_WRITTEN_MS = 5;

/**
 * The way of messages from one queue: take what was pushed, decode, apply in one transaction, settle each, acknowledge.
 *
 * States: *working* -> *stopping* -> *stopped*. While working, each of `concurrency` slots handles one batch at a time;
 * suspects have to wait for their turn.
 * When the database is away the slots wait with what they have, and consumption is paused until one of them gets on. When
 * stopping, nothing more is taken; what the slots have is finished and acknowledged.
 */
export class EventWorker {
  readonly #options: EventWorkerOptions;
  readonly #deliveryBuffer = new DeliveryBuffer();
  readonly #poisonScheduler: PoisonScheduler;
  readonly #consumer: Consumer;
  readonly #stopping = new AbortController();
  readonly #slots: Promise<void>[];
  #away = false;
  /** Lanes that have taken something. */
  #busy = 0;

  constructor(options: EventWorkerOptions) {
    this.#options = options;
    this.#poisonScheduler = options.poisonScheduler ?? new PoisonScheduler();
    setMaxListeners(0, this.#stopping.signal); // each message that cannot be set aside yet waits on it
    const { connection, queue, prefetch, log, concurrency, metrics } = options;
    metrics.paused.set({ queue }, 0);
    const onConsuming = this.#poisonScheduler.join();
    this.#consumer = consume({ connection, queue, prefetch, log, onMessage: this.#deliveryBuffer.push, onConsuming });
    this.#slots = Array.from({ length: concurrency }, () => this.#run());
  }

  /** Finishes what is in flight. Resolves when all of it is acknowledged, or given back to the queue. */
  async stop(): Promise<void> {
    this.#consumer.pause();
    this.#deliveryBuffer.close();
    this.#stopping.abort();
    await Promise.all(this.#slots);
    await this.#consumer.stop();
  }

  async #run(): Promise<void> {
    const { batchSize } = this.#options;
    const worth = (): number => (this.#busy === 0 ? 1 : Math.ceil(batchSize * WORTH_A_SLOT));
    for (;;) {
      const deliveries = await this.#deliveryBuffer.take(batchSize, worth);
      if (deliveries.length === 0) return;
      this.#busy += 1;
      await this.#handleAll(deliveries);
      this.#busy -= 1;
    }
  }

  async #handleAll(deliveries: readonly Delivery[]): Promise<void> {
    const batches = batchesOf(deliveries, this.#options.batchSize);
    for (const [place, batch] of batches.entries()) {
      if (this.#stopping.signal.aborted) return; // what is not begun goes back to the queue
      const { deliveryCount: count } = batch[0] as Delivery;
      if (!isSuspect({ deliveryCount: count })) {
        await this.#handle(batch);
        continue;
      }
      const alike = batches.slice(place).filter(([first]) => first?.deliveryCount === count).length;
      await this.#poisonScheduler.take({ count, alike }, async () => {
        if (this.#stopping.signal.aborted) return;
        // If it kills us, the acks of those before it must be on their way: they would come again, and count as suspects.
        await delay(ACKS_WRITTEN_MS);
        await this.#handle(batch);
      });
    }
  }

  async #handle(deliveries: readonly Delivery[]): Promise<void> {
    const { source, queue, metrics } = this.#options;
    const watch = new Stopwatch((stage, seconds) => metrics.stageSeconds.observe({ queue, stage }, seconds));
    const outcomes = new Map<Delivery, Outcome>();
    const events: ContactEvent[] = [];
    const senders: Delivery[] = [];
    const ids = new Map<Delivery, string | undefined>();
    const now = Date.now();
    for (const delivery of deliveries) {
      const { messageId } = delivery;
      const decoded = decode(source, delivery.content, { messageId, trace: traceOf(delivery.headers), now });
      if (decoded.kind === 'event') {
        events.push(decoded.event);
        senders.push(delivery);
        ids.set(delivery, decoded.event.trigger.id);
      } else {
        outcomes.set(delivery, decoded);
        if (decoded.kind === 'dead') ids.set(delivery, idIn(delivery.content) ?? messageId);
      }
    }
    watch.lap('decode');
    const applied = events.length === 0 ? [] : await handleBatch(events, this.#context(watch));
    watch.restart();
    for (const [index, outcome] of (applied ?? []).entries()) outcomes.set(senders[index] as Delivery, outcome);
    // First those that need no more: a dead letter that cannot be written now must not hold them back.
    const here = [...outcomes].filter(([, outcome]) => !goesElsewhere(outcome));
    this.#settle(here);
    const elsewhere = [...outcomes].filter(([, outcome]) => goesElsewhere(outcome));
    const batchLog = new BatchLog();
    const sending = elsewhere.map(async ([delivery, outcome]) => {
      const about = aboutMessage(ids.get(delivery), traceOf(delivery.headers));
      const log = this.#options.log.child({ queue, ...about });
      return (await this.#forward(delivery, outcome, log, batchLog)) ? [[delivery, outcome] as const] : [];
    });
    batchLog.write();
    this.#settle((await Promise.all(sending)).flat());
    watch.lap('settle');
    metrics.batchMessages.observe({ queue }, deliveries.length);
    if (applied) observeLag(metrics, queue, deliveries, events);
  }

  #context(watch: Stopwatch): BatchContext {
    const { db, apply, log, metrics, onNotifications } = this.#options;
    const onApplied = (applied: Applied): void => {
      observeApplied(metrics, applied);
      const { merges, emailChanges, reviews } = applied;
      if (merges.length + emailChanges.length + reviews.length > 0) onNotifications();
    };
    const onFailure = ({ code, kind }: Failure): void => metrics.databaseErrors.inc({ code: codeLabel(code), kind });
    // While the database is away nothing more is taken: each channel that is lost would count against all of it.
    const onAway = (reason: PauseReason): void => {
      this.#noteAway(reason);
      this.#consumer.pause();
    };
    const onBack = (): void => {
      this.#noteAway(null);
      if (!this.#stopping.signal.aborted) this.#consumer.resume();
    };
    const options = { ...apply, stopwatch: watch };
    return { db, options, log, stopping: this.#stopping.signal, onApplied, onFailure, onAway, onBack };
  }

  /** Counts a pause once, however often it is said again, by however many slots. */
  #noteAway(reason: PauseReason | null): void {
    const away = reason !== null;
    if (away === this.#away) return;
    this.#away = away;
    const { queue, metrics } = this.#options;
    metrics.paused.set({ queue }, away ? 1 : 0);
    if (away) metrics.pauses.inc({ queue, reason });
  }

  /** Acknowledges, and counts: once for all that are alike, because a counter costs more than most of a message's way. */
  #settle(settled: readonly (readonly [Delivery, Outcome])[]): void {
    const { queue, metrics } = this.#options;
    const alike = new Map<string, { type: string; outcome: string; count: number }>();
    for (const [, outcome] of settled) {
      const type = 'type' in outcome ? outcome.type : outcome.kind === 'dead' ? outcome.reason : outcome.error;
      const key = `${outcome.kind} ${type}`;
      const seen = alike.get(key);
      if (seen) seen.count += 1;
      else alike.set(key, { type, outcome: outcome.kind, count: 1 });
    }
    for (const { count, ...labels } of alike.values()) metrics.messages.inc({ queue, ...labels }, count);
    ackAll(settled.map(([delivery]) => delivery));
  }

  /**
   * Sends on what must go elsewhere, and waits for the broker's confirm: only then may the message be acknowledged.
   *
   * @returns false when it must come again.
   */
  #forward(delivery: Delivery, outcome: Outcome, log: Logger, batchLog: BatchLog): Promise<boolean> {
    const step = RETRY_DELAYS[delivery.attempts];
    if (outcome.kind === 'dead') {
      const { reason, problems } = outcome;
      batchLog.add(log, 'warn', 'messages are set aside', { reason }, { problems });
      const headers = deadHeaders(delivery, reason, problems.join('; '));
      return this.#publish(delivery, toDeadLetters(delivery, headers), log, batchLog, () => this.#countDead(reason));
    }
    if (outcome.kind === 'deferred') {
      const waits = count(delivery.headers[HEADERS.waits]);
      const later = RETRY_DELAYS[Math.min(waits, RETRY_DELAYS.length - 1)] ?? RETRY_DELAYS[0];
      const alike = { code: outcome.error, delay: later.name };
      batchLog.add(log, 'info', 'messages wait for what somebody holds', alike, { waits: waits + 1 });
      const headers = { ...seen(delivery), [HEADERS.waits]: waits + 1, [HEADERS.error]: outcome.error };
      return this.#publish(delivery, toRetry(delivery, later, headers), log, batchLog, () =>
        this.#countRetry(later.name),
      );
    }
    const error = outcome.kind === 'retry' ? outcome.error : '';
    const attempts = delivery.attempts + 1;
    if (!step) {
      batchLog.add(log, 'warn', 'messages are set aside', { reason: 'failed', code: error }, { attempts });
      const dead = toDeadLetters(delivery, deadHeaders(delivery, 'failed', error, 1));
      return this.#publish(delivery, dead, log, batchLog, () => this.#countDead('failed'));
    }
    batchLog.add(log, 'warn', 'messages failed, and are tried again', { code: error, attempts, delay: step.name });
    const headers = { ...seen(delivery), [HEADERS.attempts]: attempts, [HEADERS.error]: error };
    return this.#publish(delivery, toRetry(delivery, step, headers), log, batchLog, () => this.#countRetry(step.name));
  }

  #countDead(reason: string): void {
    const { queue, metrics } = this.#options;
    metrics.deadLetters.inc({ queue, reason });
  }

  #countRetry(delay: string): void {
    const { queue, metrics } = this.#options;
    metrics.retries.inc({ queue, delay });
  }

  /**
   * Until the broker has it: nothing is dropped, and nothing is acknowledged before. False when it is of no use any more.
   *
   * What can never be published as it is (larger than the broker takes from a publisher) would be tried for ever. The
   * broker itself can still move it: it is refused, and the queue dead-letters it, at least once, whatever its size. It
   * then has the broker's headers for its death (`x-death`, reason "rejected") instead of ours.
   */
  async #publish(
    delivery: Delivery,
    message: OutgoingMessage,
    log: Logger,
    batchLog: BatchLog,
    onSent: () => void,
  ): Promise<boolean> {
    const backoff = new Backoff(200, 10_000);
    for (let attempt = 1; delivery.alive; attempt++) {
      const result = await this.#options.publisher.publish(message);
      if (result.outcome === 'confirmed') {
        onSent();
        return true;
      }
      if (result.outcome === 'failed' && !result.retryable) {
        const { reason } = describe(result.error);
        log.error({ reason }, 'message cannot be published: refused, so that the broker sets it aside');
        delivery.reject();
        this.#countDead('rejected');
        return true; // the ack that follows finds it settled
      }
      if (this.#stopping.signal.aborted) return false;
      const alike = { outcome: result.outcome, to: message.routingKey, attempt };
      batchLog.once(log, 'warn', 'messages could not be set aside, trying again', alike);
      await pause(backoff.next(), this.#stopping.signal);
    }
    return false;
  }
}

/** Until it is there, it must not be acknowledged. */
const goesElsewhere = ({ kind }: Outcome): boolean => kind === 'dead' || kind === 'retry' || kind === 'deferred';

const seen = (delivery: Delivery): Record<string, unknown> => {
  const now = new Date().toISOString();
  return { [HEADERS.firstSeen]: delivery.headers[HEADERS.firstSeen] ?? now, [HEADERS.lastSeen]: now };
};

const deadHeaders = (delivery: Delivery, reason: string, error: string, failed = 0): Record<string, unknown> => ({
  ...seen(delivery),
  [HEADERS.reason]: reason,
  [HEADERS.error]: error,
  [HEADERS.attempts]: delivery.attempts + failed,
});
