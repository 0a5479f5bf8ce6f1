import type { Channel, ConsumeMessage } from 'amqplib';
import type { Logger } from 'pino';
import { Backoff, pause } from '../../foundation/retry';
import { untilAborted, within } from '../../foundation/timeout';
import { type BrokerConnection, closeChannel } from '../connection';
import { codeOf, describe } from '../errors';
import { MAX_UNACKED_BYTES } from '../read-limit';
import { type AckCounts, ChannelLedger, Delivery } from './delivery';

export interface ConsumerOptions {
  /** Used only for consuming: under an alarm the broker stops reading from a connection that publishes, acks included. */
  readonly connection: BrokerConnection;
  readonly queue: string;
  /** The highest number of unacknowledged deliveries; a channel reaches it once its acks show that it works. */
  readonly prefetch: number;
  /** The prefetch that a new channel begins with, unless earlier channels were lost too soon. */
  readonly firstWindow?: number;
  /** Called once for each delivery, synchronously, in order. An error is logged; the delivery stays unacknowledged. */
  readonly onMessage: (delivery: Delivery) => void;
  /** Called each time the broker begins to push. */
  readonly onConsuming?: () => void;
  readonly log: Logger;
}

/**
 * RabbitMQ's channel passes acks of a quorum queue on in groups of 32, holds the others back, and drops those when the
 * channel closes (seen on 3.10, 4.0 and 4.3). A cancel goes through the queue, and so flushes them.
 */
const ACKS_ON_THEIR_WAY = 32;
/** How long a stopping consumer waits for that cancel. */
const FLUSH_MS = 3_000;
/**
 * The first prefetch of a channel; it grows with the acks. A lost channel raises the delivery count of everything pushed
 * over it, and at the limit a message is dead-lettered, so a flapping connection penalises only about as many messages
 * as it has processed.
 */
const FIRST_WINDOW = 50;
/**
 * The factor by which the prefetch of a channel grows with each whole window of acks. It grows by adding a consumer:
 * cancelling the first one would return the deliveries on their way, and raise their delivery counts.
 *
 * If a channel is lost before its window grows, the next channel begins with a window smaller by this factor, down to one
 * message: a message that amqplib cannot read ends the connection each time, and soon only its own delivery count rises.
 * A smaller window still has to collect as many acks as {@link FIRST_WINDOW} before it grows.
 */
const WINDOW_GROWTH = 4;
/** A window grows only if it then holds no more than this of messages like the last ones. Two queues share a connection. */
const MAX_WINDOW_BYTES = MAX_UNACKED_BYTES / 2;
/** A channel that lived this long counts as good, even if nothing was delivered on it. */
const STABLE_MS = 60_000;

export type ConsumerState = 'opening' | 'consuming' | 'paused' | 'stopped';

/**
 * Consumes one queue until `stop()`, over one channel after another. While the queue does not exist, it is declared again
 * and attempts go on.
 *
 * States: *opening* -> *consuming* -> *opening* … ; `pause()` leads from each of them to *paused*, `resume()` back;
 * `stop()`, or the end of the connection, leads to *stopped*, which is final.
 *
 * - opening: no channel, or one that is being set up. Waits for the connection, pauses with jitter between attempts.
 * - consuming: the broker pushes deliveries. A closed channel or a cancel by the broker (queue deleted, leader lost)
 *   leads back to opening, with a new channel; unacknowledged deliveries of the old channel are delivered again.
 * - paused: nothing is taken. The channel stays open, so that deliveries already pushed can still be acknowledged.
 *   If it is lost meanwhile, the next one is opened on `resume()`.
 * - stopped: the channel is closed, so everything unacknowledged has gone back to the queue.
 *
 * Deliveries are at least once. Every channel that closes with unacknowledged deliveries raises their delivery count.
 */
export class Consumer {
  readonly counts: AckCounts = { acked: 0, late: 0, repeated: 0 };
  readonly #options: ConsumerOptions;
  readonly #log: Logger;
  readonly #backoff = new Backoff(100, 15_000);
  readonly #stopping = new AbortController();
  readonly #done: Promise<void>;
  #state: ConsumerState = 'opening';
  /** Whether `pause()` was called. */
  #paused = false;
  /** Why the last channel could not consume, or stopped consuming. */
  #trouble = 'it has not started yet';
  /** The prefetch that the next channel begins with. */
  #firstWindow: number;
  #ledger: ChannelLedger | undefined;
  #wake = (): void => undefined;

  constructor(options: ConsumerOptions) {
    this.#options = options;
    this.#firstWindow = this.#largestFirstWindow;
    this.#log = options.log.child({ queue: options.queue });
    options.connection.once('closed', this.#onConnectionClosed);
    this.#done = this.#run();
  }

  get state(): ConsumerState {
    return this.#state;
  }

  /** Why the queue is not consumed, and what an operator has to do. Empty after `pause()`. */
  problems(): string[] {
    const { queue, connection } = this.#options;
    // After `resume()`, a paused consumer only waits for earlier deliveries to be acknowledged.
    if (this.#paused || this.#state !== 'opening') return [];
    const why = connection.connected ? this.#trouble : 'there is no connection to the broker';
    return [`The queue ${queue} is not consumed: ${why}.`];
  }

  /** Unacknowledged deliveries of the current channel. */
  get outstanding(): number {
    return this.#ledger?.open ?? 0;
  }

  /**
   * Stops taking messages. Deliveries already pushed can still be acknowledged. A few more may arrive until the broker
   * has answered.
   */
  pause(): void {
    this.#paused = true;
    this.#wake();
  }

  /**
   * Takes messages again. The broker counts a prefetch for each consumer separately, so this waits until at most half a
   * prefetch of earlier deliveries is outstanding: never more than 1.5 times the prefetch are, and those that are parked.
   */
  resume(): void {
    this.#paused = false;
    this.#wake();
  }

  /**
   * Final: gives everything unacknowledged back to the queue. To lose no work: `pause()`, finish, ack, then `stop()`.
   * Never rejects.
   */
  stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake();
    return this.#done;
  }

  readonly #onConnectionClosed = (): void => {
    void this.stop();
  };

  async #run(): Promise<void> {
    const { connection } = this.#options;
    const stopping = this.#stopping.signal;
    while (!stopping.aborted) {
      if (this.#paused) {
        await this.#idle('paused');
        continue;
      }
      this.#state = 'opening';
      try {
        // A stop must not wait for a broker that is away; a channel that opens later is closed at once.
        const opening = connection.createChannel();
        const channel = await untilAborted(opening, stopping);
        if (channel === undefined) {
          opening.then(closeChannel, () => undefined);
          break;
        }
        await this.#serve(channel);
      } catch (error) {
        if (connection.closed) break;
        this.#log.warn(describe(error), 'consumer channel failed, opening another');
        this.#trouble = this.#troubleOf(error);
        // Once the queue is in place again, the next attempt follows soon.
        if (codeOf(error) === 404 && (await untilAborted(connection.restoreTopology(), stopping)))
          this.#backoff.reset();
      }
      await pause(this.#backoff.next(), stopping);
    }
    connection.off('closed', this.#onConnectionClosed);
    this.#state = 'stopped';
  }

  #troubleOf(error: unknown): string {
    const { queue } = this.#options;
    const code = codeOf(error);
    if (code === 404) return 'the queue does not exist, and is being declared again';
    if (code === 403) return `the broker user may not read it (grant it read on ${queue})`;
    return `the broker answers ${code ?? 'nothing'} (the log has the reason)`;
  }

  get #largestFirstWindow(): number {
    return Math.min(this.#options.firstWindow ?? FIRST_WINDOW, this.#options.prefetch);
  }

  /** Consumes over one channel. Returns when it is closed; rejects if consuming cannot begin. */
  async #serve(channel: Channel): Promise<void> {
    const since = performance.now();
    const ledger = new ChannelLedger(channel, this.counts, this.#options.connection.readLimit.add, () => {
      this.#backoff.reset(); // an open channel proves nothing: it may be closed at once every time
      if (this.#state === 'paused' || mayGrow() || isCrowded()) this.#wake();
    });
    this.#ledger = ledger;
    let over = false;
    let tags: string[] = [];
    let framesAtCancel = 0;
    const first = this.#firstWindow;
    let window = first;
    let before = { acked: 0, ackedBytes: 0, parked: 0 };
    const next = (): number => Math.min(this.#options.prefetch, window * WINDOW_GROWTH);
    const mayGrow = (): boolean => {
      const acked = ledger.acked - before.acked;
      const bytes = ledger.ackedBytes - before.ackedBytes;
      return (
        window < this.#options.prefetch &&
        acked >= Math.max(window, this.#largestFirstWindow) &&
        (bytes / acked) * next() <= MAX_WINDOW_BYTES
      );
    };
    /** If parked deliveries take up half of the window, it is extended by their number. */
    const isCrowded = (): boolean =>
      window < this.#options.prefetch && ledger.parked - before.parked >= Math.max(1, window / 2);
    const consume = async (prefetch: number): Promise<void> => {
      await channel.prefetch(prefetch); // applies to the next consumer on this channel
      tags.push((await channel.consume(this.#options.queue, onMessage)).consumerTag);
      before = { acked: ledger.acked, ackedBytes: ledger.ackedBytes, parked: ledger.parked };
      this.#log.info({ prefetch: window }, 'consuming');
      this.#options.onConsuming?.();
    };
    // Listeners before the first request: without one for errors, a 404 would take the whole connection down.
    channel.on('error', (error: Error) => this.#log.warn(describe(error), 'consumer channel closed by the broker'));
    channel.on('handler-error', (error: Error) => this.#log.error(describe(error), 'channel listener threw'));
    channel.on('return', () => undefined);
    channel.on('close', () => {
      over = true;
      this.#trouble = 'the broker ended the consumer, which starts again';
      ledger.die();
      this.#wake();
    });
    const onMessage = (message: ConsumeMessage | null): void => {
      if (message === null) {
        over = true;
        void this.#options.connection.restoreTopology();
        this.#log.warn('consumer cancelled by the broker');
        this.#wake();
      } else {
        this.#deliver(ledger, message);
      }
    };
    try {
      while (!over && !this.#stopping.signal.aborted) {
        if (tags.length === 0 && !this.#paused && ledger.open - ledger.parked <= window / 2) {
          await consume(window);
        } else if (tags.length > 0 && this.#paused) {
          const cancelled = Promise.all(tags.map((tag) => channel.cancel(tag)));
          if ((await untilAborted(cancelled, this.#stopping.signal)) === undefined) break;
          tags = [];
          framesAtCancel = ledger.frames;
          this.#log.info({ outstanding: ledger.open }, 'consumer paused');
        } else if (tags.length > 0 && (mayGrow() || isCrowded())) {
          const more = mayGrow()
            ? next() - window
            : Math.min(ledger.parked - before.parked, this.#options.prefetch - window);
          window += more;
          await consume(more);
          if (window >= this.#largestFirstWindow) this.#firstWindow = this.#largestFirstWindow;
        } else {
          await this.#idle(tags.length === 0 ? 'paused' : 'consuming');
        }
      }
      ledger.releaseAll(); // otherwise the answers that a stop waits for may not be read
      const unsure = tags.length > 0 || ledger.frames - framesAtCancel >= ACKS_ON_THEIR_WAY;
      if (!over && unsure) await this.#flushAcks(channel, tags[0]);
    } finally {
      this.#state = 'opening';
      if (over && ledger.acked < first) this.#firstWindow = Math.max(1, Math.floor(first / WINDOW_GROWTH));
      if (ledger.alive) await closeChannel(channel);
      ledger.die();
      if (performance.now() - since > STABLE_MS) this.#backoff.reset();
    }
  }

  /**
   * Flushes the acks that {@link ACKS_ON_THEIR_WAY} describes, before the channel is closed. If the consumer was already
   * cancelled, another one is started and cancelled for this. It has the lowest priority; a message that it gets goes back.
   */
  async #flushAcks(channel: Channel, consumerTag: string | undefined): Promise<void> {
    const flushed = (async () => {
      if (consumerTag !== undefined) return void (await channel.cancel(consumerTag));
      await channel.prefetch(1);
      const again = await channel.consume(this.#options.queue, () => undefined, { priority: -100 });
      await channel.cancel(again.consumerTag);
    })();
    await within(
      FLUSH_MS,
      flushed.catch(() => undefined),
      undefined,
    );
  }

  #deliver(ledger: ChannelLedger, message: ConsumeMessage): void {
    ledger.delivered(message.fields.deliveryTag, message.content.length);
    try {
      this.#options.onMessage(new Delivery(ledger, this.#options.queue, message));
    } catch (error) {
      this.#log.error(describe(error), 'handler of deliveries threw');
    }
  }

  /** Waits for anything that may change the state: pause, resume, stop, an ack, a cancel, a closed channel. */
  async #idle(state: ConsumerState): Promise<void> {
    this.#state = state;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (this.#stopping.signal.aborted) resolve();
    });
  }
}
