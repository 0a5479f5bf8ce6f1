import type { Channel, ConsumeMessage } from 'amqplib';
import type { Logger } from 'pino';
import { Backoff, pause } from '../foundation/retry';
import { type BrokerConnection, closeChannel } from './connection';
import { type AckCounts, ChannelLedger, Delivery } from './delivery';
import { describe } from './errors';

export interface ConsumerOptions {
  /** For consuming only: under an alarm the broker stops reading from a connection that publishes, acks included. */
  readonly connection: BrokerConnection;
  readonly queue: string;
  /** How many unacknowledged deliveries the broker may have with us, once acks have come for fewer. */
  readonly prefetch: number;
  /** How many a new channel begins with. */
  readonly firstWindow?: number;
  /** Called once a delivery, synchronously, in order. A throw is logged; the delivery stays unacknowledged. */
  readonly onMessage: (delivery: Delivery) => void;
  /** Called each time that the broker has begun to push. */
  readonly onConsuming?: () => void;
  readonly log: Logger;
}

/**
 * RabbitMQ's quorum queue client, inside of the channel, passes on 32 acks at once and keeps the rest back, and throws
 * them away when the channel closes (seen on 3.10, 4.0 and 4.3). A cancel goes through the queue, so it pushes them on.
 */
const ACKS_ON_THEIR_WAY = 32;
/** A broker that does not answer for so long gets no more time when the consumer stops. */
const FLUSH_MS = 3_000;
/**
 * A new channel takes no more than this ahead of its acks, and more only as these come. Each channel that is lost raises
 * the delivery count of all that was pushed over it, and after the limit a message goes to the dead letters: so what a
 * connection that is lost again and again can do harm to, is about what it has handled.
 */
const FIRST_WINDOW = 50;
const WINDOW_GROWTH = 4;
/** A channel that lived this long was a good one, also when nothing came over it. */
const STABLE_MS = 60_000;

export type ConsumerState = 'opening' | 'consuming' | 'paused' | 'stopped';

/** Starts to consume a queue and goes on until `stop()`. The queue must exist; while it does not, attempts go on. */
export function consume(options: ConsumerOptions): Consumer {
  return new Consumer(options);
}

/**
 * Consumes one queue over as many channels as it takes, one at a time.
 *
 * States: *opening* -> *consuming* -> *opening* … ; `pause()` leads from each of them to *paused*, `resume()` back;
 * `stop()`, or the end of the connection, leads to *stopped*, which is final.
 *
 * - opening: no channel, or one that is being set up. Waits for the connection, pauses with jitter between attempts.
 * - consuming: the broker pushes deliveries. A closed channel or a cancel by the broker (queue deleted, its leader
 *   gone) leads back to opening, with a new channel; what was delivered on the old one comes again.
 * - paused: nothing is taken. The channel stays open, so that deliveries already pushed can still be acknowledged.
 *   When it is lost meanwhile, none is opened before `resume()`.
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
  #paused = false;
  #ledger: ChannelLedger | undefined;
  #wake = (): void => undefined;

  /** Use {@link consume}. */
  constructor(options: ConsumerOptions) {
    this.#options = options;
    this.#log = options.log.child({ queue: options.queue });
    options.connection.once('closed', this.#onConnectionClosed);
    this.#done = this.#run();
  }

  get state(): ConsumerState {
    return this.#state;
  }

  /** Deliveries of the present channel that are not acknowledged yet. */
  get outstanding(): number {
    return this.#ledger?.open ?? 0;
  }

  /**
   * Takes nothing more. Deliveries already pushed stay with whoever has them, and can be acknowledged. A few that were
   * on their way may still be pushed, until the broker has answered.
   */
  pause(): void {
    this.#paused = true;
    this.#wake();
  }

  /**
   * Takes again. When many of the earlier deliveries are still unacknowledged it waits for half of them to go, since a
   * prefetch counts for each consumer anew: so never more than 1.5 times the prefetch are outstanding.
   */
  resume(): void {
    this.#paused = false;
    this.#wake();
  }

  /**
   * Ends it for good and gives everything unacknowledged back to the queue. So acknowledge what is finished before:
   * `pause()`, finish, ack, `stop()`. Never rejects.
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
        // A stop must not wait for a broker that is away; a channel that opens after all is closed by its own.
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
      }
      await pause(this.#backoff.next(), stopping);
    }
    connection.off('closed', this.#onConnectionClosed);
    this.#state = 'stopped';
  }

  /** The life of one channel. Returns when it is over, and closed; rejects when it did not come into being. */
  async #serve(channel: Channel): Promise<void> {
    const since = performance.now();
    const ledger = new ChannelLedger(channel, this.counts, () => {
      this.#backoff.reset(); // real progress; that a channel opened is none, it may be closed at once every time
      if (this.#state === 'paused' || mayGrow()) this.#wake();
    });
    this.#ledger = ledger;
    let over = false;
    let consumerTag: string | undefined;
    let framesAtCancel = 0;
    let window = Math.min(this.#options.firstWindow ?? FIRST_WINDOW, this.#options.prefetch);
    let settledBefore = 0;
    const mayGrow = (): boolean => window < this.#options.prefetch && ledger.settled - settledBefore >= window;
    // Listeners before the first request: without one for errors, a 404 would take the whole connection down.
    channel.on('error', (error: Error) => this.#log.warn(describe(error), 'consumer channel closed by the broker'));
    channel.on('handler-error', (error: Error) => this.#log.error(describe(error), 'a channel listener threw'));
    channel.on('return', () => undefined);
    channel.on('close', () => {
      over = true;
      ledger.die();
      this.#wake();
    });
    const onMessage = (message: ConsumeMessage | null): void => {
      if (message === null) {
        over = true;
        this.#log.warn('consumer cancelled by the broker');
        this.#wake();
      } else {
        this.#deliver(ledger, message);
      }
    };
    try {
      while (!over && !this.#stopping.signal.aborted) {
        if (consumerTag === undefined && !this.#paused && ledger.open <= window / 2) {
          await channel.prefetch(window); // for the consumers that are made from now on
          consumerTag = (await channel.consume(this.#options.queue, onMessage)).consumerTag;
          settledBefore = ledger.settled;
          this.#log.info({ prefetch: window }, 'consuming');
          this.#options.onConsuming?.();
        } else if (consumerTag !== undefined && !this.#paused && mayGrow()) {
          const tag = consumerTag;
          if ((await untilAborted(channel.cancel(tag), this.#stopping.signal)) === undefined) break;
          consumerTag = undefined;
          framesAtCancel = ledger.frames;
          window = Math.min(this.#options.prefetch, window * WINDOW_GROWTH);
        } else if (consumerTag !== undefined && this.#paused) {
          const tag = consumerTag;
          if ((await untilAborted(channel.cancel(tag), this.#stopping.signal)) === undefined) break;
          consumerTag = undefined;
          framesAtCancel = ledger.frames;
          this.#log.info({ outstanding: ledger.open }, 'consumer paused');
        } else {
          await this.#idle(consumerTag === undefined ? 'paused' : 'consuming');
        }
      }
      const unsure = consumerTag !== undefined || ledger.frames - framesAtCancel >= ACKS_ON_THEIR_WAY;
      if (!over && unsure) await this.#flushAcks(channel, consumerTag);
    } finally {
      this.#state = 'opening';
      if (ledger.alive) await closeChannel(channel);
      ledger.die();
      if (performance.now() - since > STABLE_MS) this.#backoff.reset();
    }
  }

  /**
   * Before a channel is closed with acks on it: see {@link ACKS_ON_THEIR_WAY}. A consumer that was cancelled before the
   * acks is made anew for it; the one message that this may take goes back, last in the order of all consumers.
   */
  async #flushAcks(channel: Channel, consumerTag: string | undefined): Promise<void> {
    const flushed = (async () => {
      if (consumerTag !== undefined) return void (await channel.cancel(consumerTag));
      await channel.prefetch(1);
      const again = await channel.consume(this.#options.queue, () => undefined, { priority: -100 });
      await channel.cancel(again.consumerTag);
    })();
    const limit = new AbortController();
    await Promise.race([flushed.catch(() => undefined), pause(FLUSH_MS, limit.signal)]);
    limit.abort();
  }

  #deliver(ledger: ChannelLedger, message: ConsumeMessage): void {
    ledger.delivered(message.fields.deliveryTag);
    try {
      this.#options.onMessage(new Delivery(ledger, this.#options.queue, message));
    } catch (error) {
      this.#log.error(describe(error), 'the handler of deliveries threw');
    }
  }

  /** Waits for whatever may change the state: pause, resume, stop, an ack, a cancel, the end of the channel. */
  async #idle(state: ConsumerState): Promise<void> {
    this.#state = state;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (this.#stopping.signal.aborted) resolve();
    });
  }
}

async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  if (signal.aborted) return undefined;
  let onAbort = (): void => undefined;
  const aborted = new Promise<undefined>((resolve) => {
    onAbort = () => resolve(undefined);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  return Promise.race([work, aborted]).finally(() => signal.removeEventListener('abort', onAbort));
}
