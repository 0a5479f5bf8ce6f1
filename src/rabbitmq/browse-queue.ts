import { randomUUID } from 'node:crypto';
import type { Channel, ConsumeMessage } from 'amqplib';
import { within } from '../foundation/timeout';
import { type BrokerConnection, closeChannel } from './connection';
import { ChannelLedger, Delivery } from './consuming/delivery';
import { returnDeliveries, untilQuiet } from './consuming/return-deliveries';
import { BrokerRefusal, describe, explained, queueProblem } from './errors';
import { HEADERS } from './names';
import type { OutgoingMessage } from './publishing/outgoing';
import type { Publisher } from './publishing/publisher';

/** What to do with a visited message. */
export type Verdict =
  | { do: 'keep' }
  /** Publish this instead. The visited message leaves the queue once the broker has confirmed it. */
  | { do: 'send'; message: OutgoingMessage }
  | { do: 'drop' };

export interface BrowseOptions {
  /** Used only for consuming, like every such connection. */
  readonly connection: BrokerConnection;
  readonly publisher: Publisher;
  readonly queue: string;
  /** Called once for each message, one at a time, in the order of the queue. */
  readonly visit: (delivery: Delivery) => Verdict | Promise<Verdict>;
  /** The same message, to be published to the end of the same queue. */
  readonly copy: (delivery: Delivery) => OutgoingMessage;
  /** Called before each visit; true ends the browsing early. */
  readonly enough?: () => boolean;
  /** The highest number of messages that will be visited, if the caller knows it. */
  readonly expected?: number;
  readonly onProgress?: (seen: number, total: number) => void;
  /** Ends the browsing early, after the messages in flight. */
  readonly signal: AbortSignal;
}

export interface BrowseResult {
  /** Messages in the queue at the start. */
  total: number;
  seen: number;
  sent: number;
  dropped: number;
  /** Messages that were to be sent and stay in the queue, because no broker accepts them (too large). */
  unsendable: number;
}

/** Unacknowledged deliveries at once. The messages of a longer queue rotate, unless the browsing ends early. */
const WINDOW = 500;
/** A message that was delivered this often before is rotated instead of returned. */
const LOOKS = 2;
/** After this long without a delivery, the broker is asked whether the queue is empty. */
const IDLE_MS = 100;

/**
 * Visits the messages of a quorum queue, each once and in order, and sends on or drops some. Messages that arrive
 * meanwhile are not visited. One process at a time: see {@link lockQueue}.
 *
 * **Nothing is lost**: a message is acknowledged when it is dropped, or when the broker has confirmed it at its new place
 * (persistent, mandatory). Whenever this process ends, each message is in the queue or at its new place; between confirm
 * and ack it is in both. A queue cannot show a message without delivering it, and counts each delivery that ends without
 * an ack; RabbitMQ 4.0 to 4.2 also count deliveries that are returned in good order, and **the 21st such delivery deletes
 * the message** (the default delivery limit; a policy may set a lower one). So browsing has two modes:
 *
 * - *holding*: kept messages are held unacknowledged and at the end returned to their old places. Nothing is written.
 * - *rotating*: kept messages are published to the end of the queue and acknowledged when that is confirmed. Once all have
 *   rotated, they have their old order and no deliveries counted. Rotating begins when a message is found that was
 *   delivered {@link LOOKS} times before, or when the queue has more messages, or more bytes, than can be held. The held messages then
 *   rotate too, and browsing continues to the end of the queue, even if it has seen enough.
 *
 * Rejects with a {@link BrokerRefusal} if the queue does not exist or a message could not be published.
 */
export async function browseQueue(options: BrowseOptions): Promise<BrowseResult> {
  const channel = await options.connection.createChannel();
  channel.on('error', () => undefined); // the failed request rejects with the same error
  try {
    const { messageCount } = await explained(channel.checkQueue(options.queue), queueProblem(options.queue));
    const result: BrowseResult = { total: messageCount, seen: 0, sent: 0, dropped: 0, unsendable: 0 };
    if (messageCount > 0 && !options.enough?.()) await new QueueBrowser(channel, options, result).run();
    return result;
  } finally {
    await closeChannel(channel);
  }
}

class QueueBrowser {
  readonly #incoming: Delivery[] = [];
  readonly #ledger: ChannelLedger;
  readonly #window: number;
  /** Kept messages, oldest first, while holding. */
  #held: Delivery[] = [];
  /** The number of messages that cannot be published anywhere: they are held to the end, also while rotating. */
  #stuck = 0;
  #rotating = false;
  /** Marks the messages that this run rotates: once the first of them is delivered again, the run has seen all. */
  readonly #round = randomUUID();
  readonly #inFlight = new Set<Promise<void>>();
  #failure: Error | undefined;
  /** No further message is visited: the held ones are about to be returned. */
  #finishing = false;
  #returning = false;
  #wake = (): void => undefined;

  constructor(
    private readonly channel: Channel,
    private readonly options: BrowseOptions,
    private readonly result: BrowseResult,
  ) {
    this.#ledger = new ChannelLedger(channel, { acked: 0, late: 0, repeated: 0 }, options.connection.readLimit.add);
    this.#window = Math.min(WINDOW, result.total, Math.max(1, options.expected ?? WINDOW));
    channel.on('close', () => {
      this.#ledger.die();
      if (!this.#returning)
        this.#fail(
          new BrokerRefusal('The connection to the broker was lost: unfinished messages are in their old places.'),
        );
    });
    options.signal.addEventListener('abort', () => this.#wake(), { once: true });
  }

  async run(): Promise<void> {
    const { queue } = this.options;
    await this.channel.prefetch(this.#window);
    const { consumerTag } = await explained(
      this.channel.consume(queue, (message) => this.#push(message)),
      queueProblem(queue),
    );
    try {
      await this.#visitAll();
    } finally {
      await Promise.all(this.#inFlight);
      this.#finishing = true;
      this.#held = [];
      this.#incoming.length = 0;
      this.#ledger.releaseAll(); // otherwise the answers that this waits for may not be read
      if (this.#ledger.alive) await this.#returnAll(consumerTag);
    }
    if (this.#failure) throw this.#failure;
  }

  async #visitAll(): Promise<void> {
    const { visit, enough, onProgress } = this.options;
    const { total } = this.result;
    let satisfied = false;
    for (let nr = 1; nr <= total; nr++) {
      satisfied ||= enough?.() ?? false;
      if (satisfied && !this.#rotating) return;
      const delivery = await this.#next();
      if (delivery === undefined) return;
      if (delivery.deliveryCount >= LOOKS) this.#startRotating();
      this.result.seen = nr;
      this.#carryOut(delivery, satisfied ? { do: 'keep' } : await visit(delivery));
      onProgress?.(nr, total);
    }
  }

  #carryOut(delivery: Delivery, verdict: Verdict): void {
    if (verdict.do === 'drop') {
      delivery.ack();
      this.result.dropped += 1;
    } else if (verdict.do === 'send') {
      this.#publish(delivery, verdict.message, 'send');
    } else if (this.#rotating) {
      this.#rotate(delivery);
    } else {
      this.#held.push(delivery);
    }
  }

  #startRotating(): void {
    this.#rotating = true;
    for (const delivery of this.#held.splice(0)) this.#rotate(delivery);
  }

  #rotate(delivery: Delivery): void {
    const copy = this.options.copy(delivery);
    this.#publish(delivery, { ...copy, headers: { ...copy.headers, [HEADERS.round]: this.#round } }, 'rotate');
  }

  /** Returns before the confirm: up to a window of confirms may be outstanding. */
  #publish(delivery: Delivery, message: OutgoingMessage, purpose: 'send' | 'rotate'): void {
    const work = this.options.publisher.publish(message).then((published) => {
      this.#inFlight.delete(work);
      if (published.outcome === 'confirmed') {
        delivery.ack();
        if (purpose === 'send') this.result.sent += 1;
      } else if (published.outcome === 'failed' && !published.retryable) {
        this.#stuck += 1;
        delivery.release();
        if (purpose === 'send') this.result.unsendable += 1;
      } else {
        this.#fail(notTaken(message, published));
      }
    });
    this.#inFlight.add(work);
  }

  async #returnAll(consumerTag: string): Promise<void> {
    const { connection, queue } = this.options;
    await untilQuiet(this.channel, queue, this.#ledger);
    // A cancel also flushes the acks that the broker's queue client keeps back: see consumer.ts.
    await this.channel.cancel(consumerTag).catch(() => undefined);
    const { open, alive } = this.#ledger;
    if (open === 0 || !alive) return;
    this.#returning = true;
    await returnDeliveries(connection, this.channel, queue, open);
  }

  #push(message: ConsumeMessage | null): void {
    if (message === null) {
      this.#fail(
        new BrokerRefusal(
          `The broker stopped delivering from the queue ${this.options.queue}, which may have been deleted: try again.`,
        ),
      );
      return;
    }
    this.#ledger.delivered(message.fields.deliveryTag, message.content.length);
    if (this.#finishing) return;
    this.#incoming.push(new Delivery(this.#ledger, this.options.queue, message));
    this.#wake();
  }

  /** The next message; undefined if none is left (they may have expired) or the browsing ends. */
  async #next(): Promise<Delivery | undefined> {
    for (;;) {
      if (this.#failure || this.options.signal.aborted) return undefined;
      const delivery = this.#incoming.shift();
      // Counting alone would miss the end if messages expired or were consumed meanwhile.
      if (delivery?.headers[HEADERS.round] === this.#round) return undefined;
      if (delivery) return delivery;
      // No more messages can be held, but more will come: holding would wait forever.
      const isFull = this.#held.length + this.#stuck >= this.#window || this.options.connection.readLimit.isOver;
      if (isFull) this.#startRotating();
      if (await this.#woken()) continue;
      if (this.#inFlight.size > 0) continue; // each confirm makes room for another delivery
      // A delivery meanwhile may reach the read limit, and then the answer is not read.
      const arrived = new Promise<undefined>((resolve) => {
        this.#wake = () => resolve(undefined);
      });
      const checked = this.channel.checkQueue(this.options.queue);
      checked.catch(() => undefined); // a lost channel also wakes
      const answer = await Promise.race([checked, arrived]);
      if (answer === undefined || this.#incoming.length > 0) continue;
      if (answer.messageCount === 0) return undefined;
      if (this.#stuck >= this.#window) this.#fail(new BrokerRefusal(`${this.#stuck} messages cannot be published.`));
    }
  }

  /** Waits for a delivery or the end. @returns false when nothing came within {@link IDLE_MS} */
  #woken(): Promise<boolean> {
    const woken = new Promise<boolean>((resolve) => {
      this.#wake = () => resolve(true);
    });
    return within(IDLE_MS, woken, false);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }
}

/**
 * Keeps other processes from browsing the queue until the connection is closed: they would see only the messages that
 * this process does not hold. RabbitMQ does not enforce exclusive consumers on quorum queues, so the lock is an exclusive
 * queue, which the broker deletes together with the connection.
 */
export async function lockQueue(connection: BrokerConnection, queue: string): Promise<void> {
  const channel = await connection.createChannel();
  channel.on('error', () => undefined);
  const options = { exclusive: true, durable: false, autoDelete: false };
  await explained(channel.assertQueue(`${queue}.lock`, options), queueProblem(queue));
}

function notTaken({ routingKey }: OutgoingMessage, result: { outcome: string; reason?: string; error?: Error }): Error {
  const why = {
    returned: 'it does not exist',
    nacked: 'it is full, or has no majority of its nodes',
    failed: describe(result.error).reason,
  }[result.outcome];
  return new BrokerRefusal(
    `The queue ${routingKey} does not accept messages (${why}): all other messages are in their old places. Fix the queue, then try again.`,
  );
}
