import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { groupBy } from '../foundation/group-by';
import { within } from '../foundation/timeout';
import { watchBlocking } from '../observability/blocking';
import { codeLabel, type Metrics, type PauseReason } from '../observability/metrics';
import { observeApplied, observeDropped, observeLag } from '../observability/observe-batch';
import { Stopwatch } from '../observability/stopwatch';
import type { Database } from '../postgres/database';
import { failureOf } from '../postgres/errors';
import type { BrokerConnection } from '../rabbitmq/connection';
import { Consumer } from '../rabbitmq/consuming/consumer';
import { ackAll, type Delivery } from '../rabbitmq/consuming/delivery';
import { DeliveryBuffer } from '../rabbitmq/consuming/delivery-buffer';
import type { Publisher } from '../rabbitmq/publishing/publisher';
import { LookTurns } from './apply/look-turns';
import type { ApplyOptions } from './apply/transaction';
import { type BatchContext, handleBatch } from './batch';
import { Forwarder } from './forwarder';
import { type DecidedItem, type Item, isPending, makeItem, publishedAt, wasTooSlow } from './item';
import { Load } from './load';
import { type Done, type Forwarded, isForwarded, typeOf } from './outcome';
import { MAX_BATCH_BYTES, partsOf } from './parts';
import { PoisonScheduler } from './poison-scheduler';
import { startAtZero } from './start-at-zero';
import { batchesOf, isNoMoreSuspect, isSuspect } from './suspects';

export interface EventWorkerOptions {
  source: 'fxa' | 'newsletter';
  queue: string;
  connection: BrokerConnection;
  publisher: Publisher;
  db: Database;
  metrics: Metrics;
  log: Logger;
  apply: ApplyOptions;
  /** The highest number of messages in one transaction. */
  batchSize: number;
  /** How many unacknowledged messages the broker sends at most. */
  prefetch: number;
  /** Batches in flight. */
  concurrency: number;
  /** Shared by all workers of the process. */
  poisonScheduler?: PoisonScheduler;
  /** Called when a batch has written notifications to the outbox. */
  onNotifications(): void;
}

/**
 * The share of a full batch that is worth a second slot: two small batches at once slow each other down, and take longer
 * than one after the other (docs/performance.md).
 */
const WORTH_A_SLOT = 1 / 4;

/** amqplib flushes frames asynchronously, within this time. */
const ACKS_WRITTEN_MS = 5;

/** What the health check says about a pause. */
const PAUSED: Record<PauseReason, (waiting: number) => string> = {
  database_down: () => 'the database cannot be used; consumption resumes once it can',
  database_slow: () => 'the database is too slow, even for made-up events; find the load on it',
  rows_held: () => 'another transaction holds rows that the messages need; end it if it was forgotten',
  erasure_key: () => 'people were erased with another ERASURE_KEY; start this process with that key',
  publishing_blocked: (waiting) =>
    `the broker does not accept ${waiting} messages for the retry queues and the dead letters; check its memory and disk, and these queues`,
};

/**
 * After this time, messages on their way to other queues count as stuck. The broker usually confirms within
 * milliseconds.
 */
const FORWARDED_MS = 1_000;

/**
 * Handles the messages of one queue: receive, decode, apply in one transaction, acknowledge, and forward those that must be
 * retried or dead-lettered.
 *
 * States: *working* -> *stopping* -> *stopped*. While working, each of `concurrency` slots handles one batch at a time, and
 * suspects when the poison scheduler lets them. If the database is unavailable, the slots keep their batches, and
 * consumption is paused until one of them succeeds. Slots do not wait for forwarded messages, until half the prefetch is on
 * its way: then consumption is paused, too. While stopping, nothing more is received; batches in flight are finished and
 * acknowledged, and messages that the broker does not accept elsewhere return to the queue.
 */
export class EventWorker {
  readonly #options: EventWorkerOptions;
  readonly #buffer = new DeliveryBuffer();
  readonly #poisonScheduler: PoisonScheduler;
  readonly #forwarder: Forwarder;
  readonly #consumer: Consumer;
  /** Why consumption is paused, each reason with the code of the failure behind it, if there is one. */
  readonly #pauses = new Map<PauseReason, string | undefined>();
  readonly #stopping = new AbortController();
  readonly #slots: Promise<void>[];
  readonly #lookTurns = new LookTurns();
  readonly #load: Load;
  #busySlots = 0;

  constructor(options: EventWorkerOptions) {
    this.#options = options;
    this.#load = new Load(options.batchSize);
    this.#poisonScheduler = options.poisonScheduler ?? new PoisonScheduler();
    const { connection, queue, prefetch, publisher, log, concurrency, metrics } = options;
    startAtZero(metrics, options);
    const onForwarded = (items: readonly DecidedItem[]): void => this.#acknowledge(items);
    const limits = { maxMessages: Math.max(1, Math.floor(prefetch / 2)), stopping: this.#stopping.signal };
    this.#forwarder = new Forwarder({ queue, publisher, metrics, log, ...limits, onForwarded });
    const onConsuming = this.#poisonScheduler.expectQueue();
    this.#consumer = new Consumer({ connection, queue, prefetch, log, onMessage: this.#buffer.push, onConsuming });
    this.#slots = Array.from({ length: concurrency }, () => this.#runSlot());
  }

  /** Whether the broker pushes messages of the queue to this process. */
  get consuming(): boolean {
    return this.#consumer.state === 'consuming';
  }

  /** Whether so many messages wait that batches are large. */
  get busy(): boolean {
    return this.#load.isBusy();
  }

  /** Why messages of the queue are not handled, for the health check. */
  problems(): string[] {
    if (this.#pauses.size === 0) return this.#consumer.problems();
    const { queue } = this.#options;
    return [...this.#pauses].map(([reason, code]) => {
      const cause = code === undefined ? '' : ` (${code})`;
      return `The queue ${queue} is paused${cause}: ${PAUSED[reason](this.#forwarder.messages)}.`;
    });
  }

  /** Finishes what is in flight. Resolves when everything is acknowledged or returned to the queue. */
  async stop(): Promise<void> {
    this.#consumer.pause();
    this.#buffer.close();
    this.#stopping.abort();
    await Promise.all(this.#slots);
    await this.#forwarder.idle();
    await this.#consumer.stop();
  }

  async #runSlot(): Promise<void> {
    let isOpen = true;
    while (isOpen) isOpen = await this.#lookTurns.inTurn(() => this.#handleNext());
  }

  /** @returns false once there is nothing more to take */
  async #handleNext(): Promise<boolean> {
    const { batchSize } = this.#options;
    const worth = (): number => (this.#busySlots === 0 ? 1 : Math.ceil(batchSize * WORTH_A_SLOT));
    await this.#untilForwarderHasRoom();
    const deliveries = await this.#buffer.take(batchSize, worth, MAX_BATCH_BYTES);
    if (deliveries.length === 0) return false;
    this.#busySlots += 1;
    this.#load.begin(deliveries.length);
    await this.#handleAll(deliveries);
    this.#load.end(deliveries.length);
    this.#busySlots -= 1;
    return true;
  }

  async #untilForwarderHasRoom(): Promise<void> {
    if (!this.#forwarder.isFull) return;
    const room = this.#forwarder.room().then(() => true);
    if (await within(FORWARDED_MS, room, false)) return;
    this.#pause('publishing_blocked');
    await room;
    this.#resume('publishing_blocked');
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
      const left = batches.slice(place).filter(([first]) => isNoMoreSuspect(first!.deliveryCount, deliveryCount));
      await this.#poisonScheduler.run({ deliveryCount, batches: left.length }, async () => {
        if (this.#stopping.signal.aborted) return;
        // Earlier acks must be written before this batch can kill the process; otherwise their messages become
        // suspects, too.
        await delay(ACKS_WRITTEN_MS);
        const before = this.#forwarder.messages;
        await this.#handle(batch);
        if (this.#forwarder.messages > before) await within(FORWARDED_MS, this.#forwarder.idle(), undefined);
      });
    }
  }

  /**
   * Handles a batch whatever happens. After an error that is a bug of ours, the batch is split until the message that causes
   * it is alone. That message is retried, or otherwise rejected, so that the broker dead-letters it.
   */
  async #handle(deliveries: readonly Delivery[]): Promise<void> {
    try {
      await this.#handleBatch(deliveries);
    } catch (error) {
      const { queue, log } = this.#options;
      const open = deliveries.filter((delivery) => delivery.open);
      log.error({ queue, failure: failureOf(error), messages: open.length }, 'batch failed unexpectedly');
      if (open.length > 1) {
        const middle = Math.ceil(open.length / 2);
        await this.#handle(open.slice(0, middle));
        await this.#handle(open.slice(middle));
      } else if (open[0]) {
        this.#retryLater(open[0], failureOf(error).code);
      }
    }
  }

  #retryLater(delivery: Delivery, error: string): void {
    const outcome = { kind: 'retry', error } as const;
    this.#forwarder.forward([{ delivery, event: null, eventId: undefined, dropped: [], partial: [], outcome }]);
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
    for (const [place, part] of partsOf(pending, wasTooSlow).entries()) {
      if (place > 0) acknowledgeDone();
      complete &&= await handleBatch(part, this.#batchContext(stopwatch));
    }
    stopwatch.restart();
    acknowledgeDone();
    this.#forwarder.forward(items.filter(mustForward));
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
    const blocking = watchBlocking(log.child({ queue }));
    return {
      db,
      options: {
        ...apply,
        stopwatch,
        blocking,
        lookTurns: this.#lookTurns,
        onStaleRead: () => metrics.staleReads.inc({ queue }),
      },
      log,
      stopping: this.#stopping.signal,
      onApplied: (applied) => {
        observeApplied(metrics, applied);
        for (const { id, survivorId, retiredId, reason } of applied.merges)
          log.info({ queue, merge: id, survivor: survivorId, retired: retiredId, reason }, 'contacts merged');
        if (applied.notifications > 0) onNotifications();
      },
      onFailure: ({ code, kind }) => metrics.databaseErrors.inc({ code: codeLabel(code), kind }),
      onAway: (reason, { code }) => this.#pause(reason, code),
      onBack: () => this.#resume('database_down', 'database_slow', 'rows_held', 'erasure_key'),
    };
  }

  /**
   * Pauses consumption: more messages would only be more whose delivery count a lost channel raises. Counts a pause
   * once.
   */
  #pause(reason: PauseReason, code?: string): void {
    const { queue, metrics } = this.#options;
    const isKnown = this.#pauses.has(reason);
    this.#pauses.set(reason, code);
    this.#consumer.pause();
    if (isKnown) return;
    metrics.paused.set({ queue }, 1);
    metrics.pauses.inc({ queue, reason });
  }

  #resume(...reasons: PauseReason[]): void {
    if (this.#pauses.size === 0) return;
    for (const reason of reasons) this.#pauses.delete(reason);
    if (this.#pauses.size > 0 || this.#stopping.signal.aborted) return;
    this.#options.metrics.paused.set({ queue: this.#options.queue }, 0);
    this.#consumer.resume();
  }

  /** Counts each kind of message once per batch, because a counter costs more than most of the handling of a message. */
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
