import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { groupBy } from '../foundation/group-by';
import { codeLabel, type PauseReason } from '../observability/metrics';
import { observeApplied, observeDropped, observeLag } from '../observability/observe-batch';
import { Stopwatch } from '../observability/stopwatch';
import type { Database } from '../postgres/database';
import { type Failure, failureOf } from '../postgres/errors';
import type { BrokerConnection } from '../rabbitmq/connection';
import { Consumer } from '../rabbitmq/consumer';
import { ackAll, type Delivery } from '../rabbitmq/delivery';
import { DeliveryBuffer } from '../rabbitmq/delivery-buffer';
import { type BatchContext, handleBatch } from './batch';
import { type DisposeContext, forwardAll } from './dispose';
import { type DecidedItem, type Item, isPending, makeItem, publishedAt } from './item';
import { type Done, type Forwarded, isForwarded, typeOf } from './outcome';
import { MAX_BATCH_BYTES, partsOf } from './parts';
import { PoisonScheduler } from './poison-scheduler';
import { startAtZero } from './start-at-zero';
import { batchesOf, isSuspect } from './suspects';
import type { ApplyOptions } from './transaction';

export interface EventWorkerOptions extends Omit<DisposeContext, 'stopping'> {
  source: 'fxa' | 'newsletter';
  connection: BrokerConnection;
  db: Database;
  apply: ApplyOptions;
  /** The most messages in one transaction. */
  batchSize: number;
  /** The most unacknowledged messages that the broker sends. */
  prefetch: number;
  /** Batches in flight. */
  concurrency: number;
  /** Shared by all workers of the process. */
  poisonScheduler?: PoisonScheduler;
  /** Called when a batch has written notifications to the outbox. */
  onNotifications(): void;
}

/**
 * The share of a full batch that is worth a second slot: two small batches at once get in each other's way and take longer
 * than one after the other (docs/performance.md).
 */
const WORTH_A_SLOT = 1 / 4;

/** What the health check says of a pause. */
const PAUSED: Record<PauseReason, string> = {
  database_down: 'the database cannot be used; consumption resumes once it can',
  rows_held: 'another transaction holds rows that the messages need; end it if it was forgotten',
  publishing_blocked: 'the broker takes no messages for the retry queues and the dead letters; free its memory or disk',
};

/** amqplib flushes frames asynchronously, within this. */
const ACKS_WRITTEN_MS = 5;

/**
 * Handles the messages of one queue: receive, decode, apply in one transaction, forward those that must be retried or
 * dead-lettered, acknowledge.
 *
 * States: *working* -> *stopping* -> *stopped*. While working, each of `concurrency` slots handles one batch at a time, and
 * suspects when the poison scheduler lets them. If the database is unavailable the slots keep what they have, and
 * consumption is paused until one of them succeeds. While stopping, nothing more is received; batches in flight are
 * finished and acknowledged.
 */
export class EventWorker {
  readonly #options: EventWorkerOptions;
  readonly #buffer = new DeliveryBuffer();
  readonly #poisonScheduler: PoisonScheduler;
  readonly #consumer: Consumer;
  readonly #stopping = new AbortController();
  readonly #slots: Promise<void>[];
  /** Why consumption is paused; null while it is not. */
  #pause: string | null = null;
  #busySlots = 0;

  constructor(options: EventWorkerOptions) {
    this.#options = options;
    this.#poisonScheduler = options.poisonScheduler ?? new PoisonScheduler();
    setMaxListeners(0, this.#stopping.signal); // each message that cannot be forwarded yet listens to it
    const { connection, queue, prefetch, log, concurrency, metrics } = options;
    startAtZero(metrics, options);
    const onConsuming = this.#poisonScheduler.expectQueue();
    this.#consumer = new Consumer({ connection, queue, prefetch, log, onMessage: this.#buffer.push, onConsuming });
    this.#slots = Array.from({ length: concurrency }, () => this.#runSlot());
  }

  /** Whether the broker pushes messages of the queue to this process. */
  get consuming(): boolean {
    return this.#consumer.state === 'consuming';
  }

  /** Why messages of the queue are not handled, for the health check. */
  problems(): string[] {
    return this.#pause === null ? this.#consumer.problems() : [this.#pause];
  }

  /** Finishes what is in flight. Resolves when everything is acknowledged or returned to the queue. */
  async stop(): Promise<void> {
    this.#consumer.pause();
    this.#buffer.close();
    this.#stopping.abort();
    await Promise.all(this.#slots);
    await this.#consumer.stop();
  }

  async #runSlot(): Promise<void> {
    const { batchSize } = this.#options;
    const worth = (): number => (this.#busySlots === 0 ? 1 : Math.ceil(batchSize * WORTH_A_SLOT));
    for (;;) {
      const deliveries = await this.#buffer.take(batchSize, worth, MAX_BATCH_BYTES);
      if (deliveries.length === 0) return;
      this.#busySlots += 1;
      await this.#handleAll(deliveries);
      this.#busySlots -= 1;
    }
  }

  async #handleAll(deliveries: readonly Delivery[]): Promise<void> {
    const batches = batchesOf(deliveries, this.#options.batchSize);
    for (const [place, batch] of batches.entries()) {
      if (this.#stopping.signal.aborted) return; // the rest returns to the queue
      const [suspect] = batch as [Delivery];
      if (!isSuspect(suspect)) {
        await this.#handle(batch);
        continue;
      }
      const { deliveryCount } = suspect;
      const left = batches.slice(place).filter(([first]) => first?.deliveryCount === deliveryCount);
      await this.#poisonScheduler.run({ deliveryCount, batches: left.length }, async () => {
        if (this.#stopping.signal.aborted) return;
        // Earlier acks must be written before this batch can kill the process, or their messages become suspects too.
        await delay(ACKS_WRITTEN_MS);
        await this.#handle(batch);
      });
    }
  }

  /**
   * Handles a batch whatever happens. An error that is our bug splits it until the message that causes it stands alone:
   * that message is retried, or else rejected, so that the broker dead-letters it.
   */
  async #handle(deliveries: readonly Delivery[]): Promise<void> {
    try {
      await this.#handleBatch(deliveries);
    } catch (error) {
      const { queue, log } = this.#options;
      const open = deliveries.filter((delivery) => delivery.open);
      log.error({ queue, failure: failureOf(error), messages: open.length }, 'unexpected error in a batch');
      if (open.length > 1) {
        const middle = Math.ceil(open.length / 2);
        await this.#handle(open.slice(0, middle));
        await this.#handle(open.slice(middle));
      } else if (open[0]) {
        await this.#retryLater(open[0], failureOf(error).code);
      }
    }
  }

  async #retryLater(delivery: Delivery, error: string): Promise<void> {
    const outcome = { kind: 'retry', error } as const;
    const item = { delivery, event: null, eventId: undefined, dropped: [], partial: [], outcome };
    try {
      this.#acknowledge(await forwardAll([item], this.#disposeContext));
    } catch {
      delivery.reject();
    }
  }

  get #disposeContext(): DisposeContext {
    const { queue, publisher, metrics, log } = this.#options;
    return { queue, publisher, metrics, log, stopping: this.#stopping.signal };
  }

  async #handleBatch(deliveries: readonly Delivery[]): Promise<void> {
    const { source, queue, metrics } = this.#options;
    const stopwatch = new Stopwatch((stage, seconds) => metrics.stageSeconds.observe({ queue, stage }, seconds));
    const now = Date.now();
    const items = deliveries.map((delivery) => makeItem(source, delivery, now));
    stopwatch.lap('decode');
    const pending = items.filter(isPending);
    const acknowledged = new Set<Item>();
    const acknowledgeDone = (): void => {
      const done = items.filter(isDone).filter((item) => !acknowledged.has(item));
      for (const item of done) acknowledged.add(item);
      this.#acknowledge(done);
    };
    let complete = true;
    for (const [place, part] of partsOf(pending).entries()) {
      if (place > 0) acknowledgeDone();
      complete &&= await handleBatch(part, this.#batchContext(stopwatch));
    }
    stopwatch.restart();
    // Done messages first: a dead letter that cannot be published now must not hold them back.
    acknowledgeDone();
    this.#acknowledge(await forwardAll(items.filter(mustForward), this.#disposeContext));
    stopwatch.lap('settle');
    metrics.batchMessages.observe({ queue }, items.length);
    if (complete) {
      const event = pending.reduce((oldest, item) => Math.min(oldest, item.event.at), Number.POSITIVE_INFINITY);
      const publish = deliveries.reduce((oldest, it) => Math.min(oldest, publishedAt(it)), Number.POSITIVE_INFINITY);
      observeLag(metrics, queue, { event, publish });
    }
  }

  #batchContext(stopwatch: Stopwatch): BatchContext {
    const { queue, db, apply, log, metrics, onNotifications } = this.#options;
    return {
      db,
      options: { ...apply, stopwatch, onStaleRead: () => metrics.staleReads.inc({ queue }) },
      log,
      stopping: this.#stopping.signal,
      onApplied: (applied) => {
        observeApplied(metrics, applied);
        const { merges, emailChanges, reviews } = applied;
        if (merges.length + emailChanges.length + reviews.length > 0) onNotifications();
      },
      onFailure: ({ code, kind }) => metrics.databaseErrors.inc({ code: codeLabel(code), kind }),
      // Receiving more would only add messages whose delivery count a lost channel raises.
      onAway: (reason, failure) => {
        this.#pauseFor(reason, failure);
        this.#consumer.pause();
      },
      onBack: () => {
        this.#endPause();
        if (!this.#stopping.signal.aborted) this.#consumer.resume();
      },
    };
  }

  /** Counts a pause once, however many slots report it however often. */
  #pauseFor(reason: PauseReason, { code }: Failure): void {
    const { queue, metrics } = this.#options;
    if (this.#pause === null) metrics.pauses.inc({ queue, reason });
    metrics.paused.set({ queue }, 1);
    this.#pause = `The queue ${queue} is paused (${code}): ${PAUSED[reason]}.`;
  }

  #endPause(): void {
    if (this.#pause === null) return;
    this.#pause = null;
    this.#options.metrics.paused.set({ queue: this.#options.queue }, 0);
  }

  /** Counts each kind of message once per batch, because a counter costs more than most of a message's way. */
  #acknowledge(items: readonly DecidedItem[]): void {
    const { queue, metrics } = this.#options;
    for (const group of groupBy(items, ({ outcome }) => `${outcome.kind} ${typeOf(outcome)}`).values()) {
      const { outcome } = group[0]!;
      metrics.messages.inc({ queue, type: typeOf(outcome), outcome: outcome.kind }, group.length);
    }
    observeDropped(
      metrics,
      items.filter(isCommitted).flatMap(({ dropped }) => dropped),
    );
    ackAll(items.map(({ delivery }) => delivery));
  }
}

const isCommitted = ({ outcome }: DecidedItem): boolean =>
  outcome.kind === 'ok' || (outcome.kind === 'dead' && outcome.reason === 'partial');
const isDone = (item: Item): item is DecidedItem<Done> => item.outcome !== null && !isForwarded(item.outcome);
const mustForward = (item: Item): item is DecidedItem<Forwarded> => item.outcome !== null && isForwarded(item.outcome);
