import type { Channel, ConsumeMessage, MessageProperties } from 'amqplib';
import { groupBy } from '../../foundation/group-by';
import { HEADERS } from '../names';
import { believableHeaders } from '../own-headers';

/** Acknowledgements of one consumer. */
export interface AckCounts {
  /** Deliveries acknowledged while their channel was open. */
  acked: number;
  /** Acks after the channel had closed, without effect: the broker delivers those messages again. */
  late: number;
  /** Repeated acks, which are not sent: a second ack would close the channel. */
  repeated: number;
}

/**
 * The open deliveries of one channel: delivered, not yet acknowledged.
 *
 * States: *alive* -> *dead*, when the channel closes for whatever reason. Tags are valid on their own channel only, so a
 * dead ledger acknowledges nothing.
 *
 * Several batches may be in flight and end in any order, yet most acks are cumulative. Why this is correct: RabbitMQ numbers
 * the deliveries of a channel 1, 2, 3, … in the order in which it sends them, and `ack(t, allUpTo)` acknowledges every open
 * delivery up to `t`. The ledger sees *every* delivery of its channel before it can be acknowledged, also those of a
 * cancelled consumer. To acknowledge a group:
 *
 * 1. Remove the group from the open set. Members that were not in it are repetitions, and are skipped.
 * 2. Let `first` be the lowest tag still open: unfinished work of another batch (infinity if there is none).
 * 3. Everything that was open below `first` is in the group, and unseen deliveries have higher tags. So one
 *    `ack(highest member below first, allUpTo)` acknowledges exactly the members below `first`.
 * 4. Acknowledge the members above `first` one by one.
 *
 * Typically the oldest batch ends first and costs one frame.
 */
export class ChannelLedger {
  readonly #open = new Map<number, number>(); // tag -> bytes, in insertion order: the first is the lowest tag
  readonly #parked = new Set<number>();
  readonly #lost = new AbortController();
  #alive = true;
  #counting = true;
  /** Ack frames sent so far. */
  frames = 0;
  /** Deliveries acknowledged so far, and their bytes. */
  acked = 0;
  ackedBytes = 0;

  constructor(
    private readonly channel: Channel,
    private readonly counts: AckCounts,
    /** Called with the bytes of each delivery, and with the negative number when it is no longer in memory. */
    private readonly onBytes: (bytes: number) => void,
    private readonly onProgress: () => void = () => undefined,
  ) {}

  get alive(): boolean {
    return this.#alive;
  }

  /** Aborted when the channel closes. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Number of unacknowledged deliveries. */
  get open(): number {
    return this.#open.size;
  }

  /** Number of parked deliveries. */
  get parked(): number {
    return this.#parked.size;
  }

  isOpen(tag: number): boolean {
    return this.#open.has(tag);
  }

  delivered(tag: number, bytes: number): void {
    this.#open.set(tag, this.#counting ? bytes : 0);
    if (this.#counting) this.onBytes(bytes);
  }

  /** Notes that the content of an open delivery is no longer in memory. */
  release(tag: number): void {
    const bytes = this.#open.get(tag);
    if (!bytes) return;
    this.#open.set(tag, 0);
    this.onBytes(-bytes);
  }

  /** Marks an open delivery as handled, although its ack may take long: see {@link Delivery.hold}. */
  park(tag: number): void {
    if (!this.#open.has(tag)) return;
    this.#parked.add(tag);
    this.release(tag);
    this.onProgress();
  }

  /** Notes that neither the open deliveries nor later ones are kept in memory. */
  releaseAll(): void {
    this.#counting = false;
    for (const tag of this.#open.keys()) this.release(tag);
  }

  /** Call it when the channel has closed. */
  die(): void {
    this.#alive = false;
    this.releaseAll();
    this.#open.clear();
    this.#parked.clear();
    this.#lost.abort();
  }

  /** Acknowledges exactly these deliveries. Never throws. */
  ack(tags: readonly number[]): void {
    if (!this.#alive) {
      this.counts.late += tags.length;
      return;
    }
    const group = tags.filter((tag) => this.#close(tag));
    this.counts.repeated += tags.length - group.length;
    const first = this.#open.keys().next().value ?? Number.POSITIVE_INFINITY;
    const above = group.filter((tag) => tag > first);
    const below = group.length - above.length;
    let sent = 0;
    try {
      if (below > 0) {
        const upTo = group.reduce((highest, tag) => (tag < first && tag > highest ? tag : highest), 0);
        this.channel.ack(withTag(upTo), below > 1);
        this.frames += 1;
        sent += below;
      }
      for (const tag of above) {
        this.channel.ack(withTag(tag), false);
        this.frames += 1;
        sent += 1;
      }
    } catch {
      // amqplib does not send on a closing channel. The rest is delivered again.
      this.counts.late += group.length - sent;
    }
    this.counts.acked += sent;
    this.acked += sent;
    this.onProgress();
  }

  /** @returns whether it was open */
  #close(tag: number): boolean {
    this.ackedBytes += this.#open.get(tag) ?? 0;
    this.release(tag);
    this.#parked.delete(tag);
    return this.#open.delete(tag);
  }

  /** Rejects one delivery without requeueing it. Never throws. */
  reject(tag: number): void {
    if (!this.#alive || !this.#close(tag)) return;
    try {
      this.channel.reject(withTag(tag), false);
      this.frames += 1;
    } catch {
      // The channel is closing: the message is delivered again.
    }
    this.onProgress();
  }
}

const NO_CONTENT = Buffer.alloc(0);

/** amqplib reads only the tag of a message. */
const withTag = (deliveryTag: number) => ({
  content: NO_CONTENT,
  fields: { deliveryTag, redelivered: false, exchange: '', routingKey: '' },
  properties: {} as MessageProperties,
});

/**
 * One message as delivered, bound to its channel. It is open until {@link ack}. If the channel closes first, the broker
 * delivers the message again, as another `Delivery`, and an ack of this one has no effect.
 */
export class Delivery {
  readonly #ledger: ChannelLedger;
  readonly #tag: number;
  readonly content: Buffer;
  /** The queue that it came from; a retry returns it there. */
  readonly queue: string;
  readonly messageId: string | undefined;
  /** The exchange that it was published to, as the broker says; '' is the default exchange. */
  readonly exchange: string;
  readonly routingKey: string;
  /**
   * As received from producers and the broker: untrusted. Headers under our names are kept only if we can have written
   * them.
   */
  readonly headers: Readonly<Record<string, unknown>>;
  readonly properties: MessageProperties;
  readonly redelivered: boolean;
  /** Earlier deliveries without an ack (`x-delivery-count`). */
  readonly deliveryCount: number;
  /** Earlier failed attempts, by our own header; 0 at first. */
  readonly attempts: number;

  constructor(ledger: ChannelLedger, queue: string, message: ConsumeMessage) {
    const { fields, properties } = message;
    this.#ledger = ledger;
    this.#tag = fields.deliveryTag;
    this.content = message.content;
    this.queue = queue;
    this.messageId = typeof properties.messageId === 'string' ? properties.messageId : undefined;
    this.exchange = fields.exchange;
    this.routingKey = fields.routingKey;
    this.headers = believableHeaders(queue, fields.exchange, properties.headers);
    this.properties = properties;
    this.redelivered = fields.redelivered;
    // On a first delivery the broker sets no count, so a count there comes from a producer.
    this.deliveryCount = fields.redelivered ? count(this.headers['x-delivery-count']) : 0;
    this.attempts = count(this.headers[HEADERS.attempts]);
  }

  /** Whether an ack would still reach the broker. */
  get alive(): boolean {
    return this.#ledger.alive;
  }

  /** Whether it is neither acknowledged nor lost with its channel. */
  get open(): boolean {
    return this.#ledger.isOpen(this.#tag);
  }

  /** Aborted when its channel closes: the broker then delivers the message again. */
  get lost(): AbortSignal {
    return this.#ledger.lost;
  }

  /** Notes that its content is no longer in memory, although it is open. */
  release(): void {
    this.#ledger.release(this.#tag);
  }

  /**
   * Keeps this delivery open while the message is published elsewhere, which a blocked broker can delay for hours. The
   * consumer fetches others in its place, so the caller must bound the number and the bytes of parked deliveries.
   */
  park(): void {
    this.#ledger.park(this.#tag);
  }

  /** Acknowledges this delivery alone, at most once; without effect after its channel has closed. Never throws. */
  ack(): void {
    this.#ledger.ack([this.#tag]);
  }

  /**
   * Rejects this delivery for good: the broker itself dead-letters it, or drops it if its queue has no dead-letter
   * exchange. Like an ack, it has an effect once, and only while the channel is open. Never throws.
   */
  reject(): void {
    this.#ledger.reject(this.#tag);
  }

  /** See {@link ackAll}. */
  static ackAll(deliveries: readonly Delivery[]): void {
    for (const [ledger, group] of groupBy(deliveries, (delivery) => delivery.#ledger)) {
      ledger.ack(group.map((delivery) => delivery.#tag));
    }
  }
}

/**
 * Acknowledges deliveries of any channels, in any order, with as few frames as is safe: {@link ChannelLedger} explains why
 * no other delivery is acknowledged with them. Never throws.
 */
export function ackAll(deliveries: readonly Delivery[]): void {
  Delivery.ackAll(deliveries);
}

/** A count in a header; 0 if the value is not a count. */
export function count(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0;
}
