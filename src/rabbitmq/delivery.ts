import type { Channel, ConsumeMessage, MessageProperties } from 'amqplib';
import { HEADERS } from './names';

/** What became of acknowledgements, counted for the life of a consumer. */
export interface AckCounts {
  /** Deliveries acknowledged on their own, living channel. */
  acked: number;
  /** Acks that came after the channel had gone. They did nothing: the broker delivers those messages again. */
  late: number;
  /** Acks of what was acknowledged before. They did nothing: a second ack would close the channel. */
  repeated: number;
}

/**
 * The bookkeeping of one channel: which deliveries on it are still open (delivered, not yet acknowledged).
 *
 * States: *alive* -> *dead*, when the channel closes for whatever reason. Tags mean something on their own channel only,
 * so a dead ledger acknowledges nothing ever again.
 *
 * Why the cumulative ack is right: RabbitMQ numbers the deliveries of a channel 1, 2, 3, … in the order in which it
 * sends them, and `ack(t, allUpTo)` settles every delivery of the channel up to `t` that is not settled yet. The ledger
 * sees *every* delivery of its channel before anybody can acknowledge it, also those of a cancelled consumer. So to
 * acknowledge a group:
 *
 * 1. take the group out of the open set (what was not in it is a repetition, and is left out);
 * 2. let `first` be the lowest tag still open, which is somebody else's unfinished work (infinity if there is none);
 * 3. everything open below `first` was in the group. So one `ack(highest of the group below first, allUpTo)` settles
 *    exactly the group's members below `first`: nothing open that is not the group's is at or below that tag, and what
 *    the broker has sent but we have not seen yet is above it;
 * 4. the group's members above `first` are acknowledged one by one.
 *
 * So several batches may be in flight and end in any order; nothing unfinished is acknowledged. Typically the oldest
 * batch ends first and costs one frame.
 */
export class ChannelLedger {
  readonly #open = new Set<number>(); // a Set keeps the order of insertion: the first member is the lowest tag
  #alive = true;
  /** Ack frames sent so far. */
  frames = 0;
  /** Deliveries acknowledged so far. */
  settled = 0;

  constructor(
    private readonly channel: Channel,
    private readonly counts: AckCounts,
    private readonly onSettled: () => void = () => undefined,
  ) {}

  get alive(): boolean {
    return this.#alive;
  }

  /** Deliveries that are not acknowledged yet. */
  get open(): number {
    return this.#open.size;
  }

  delivered(tag: number): void {
    this.#open.add(tag);
  }

  /** The channel is gone. */
  die(): void {
    this.#alive = false;
    this.#open.clear();
  }

  /** Acknowledges these deliveries and no other ones. Never throws. */
  settle(tags: readonly number[]): void {
    if (!this.#alive) {
      this.counts.late += tags.length;
      return;
    }
    const group = tags.filter((tag) => this.#open.delete(tag));
    this.counts.repeated += tags.length - group.length;
    const first = this.#open.values().next().value ?? Number.POSITIVE_INFINITY;
    const above = group.filter((tag) => tag > first);
    const below = group.length - above.length;
    let sent = 0;
    try {
      if (below > 0) {
        const upTo = group.reduce((highest, tag) => (tag < first && tag > highest ? tag : highest), 0);
        ack(this.channel, upTo, below > 1);
        this.frames += 1;
        sent += below;
      }
      for (const tag of above) {
        ack(this.channel, tag, false);
        this.frames += 1;
        sent += 1;
      }
    } catch {
      // The channel is closing: amqplib refuses to send on it. What was not sent is delivered again.
      this.counts.late += group.length - sent;
    }
    this.counts.acked += sent;
    this.settled += sent;
    this.onSettled();
  }

  /** Refuses one delivery, which is not to come back. Never throws. */
  reject(tag: number): void {
    if (!this.#alive || !this.#open.delete(tag)) return;
    try {
      this.channel.reject(withTag(tag), false);
      this.frames += 1;
    } catch {
      // The channel is closing: the delivery comes again.
    }
    this.onSettled();
  }
}

function ack(channel: Channel, deliveryTag: number, allUpTo: boolean): void {
  channel.ack(withTag(deliveryTag), allUpTo);
}

/** amqplib reads nothing of a message but its tag. */
const withTag = (deliveryTag: number) => ({
  content: Buffer.alloc(0),
  fields: { deliveryTag, redelivered: false, exchange: '', routingKey: '' },
  properties: NO_PROPERTIES,
});

const NO_PROPERTIES = {} as MessageProperties;

/**
 * One message as it was delivered, bound to the channel that delivered it. It is open until {@link ack}; when its
 * channel closes first, the broker delivers the message anew, as another `Delivery`, and this one's ack does nothing.
 */
export class Delivery {
  readonly #ledger: ChannelLedger;
  readonly #tag: number;
  readonly content: Buffer;
  /** The queue it came from: where a retry brings it back to. */
  readonly queue: string;
  readonly messageId: string | undefined;
  readonly routingKey: string;
  /** As received, from producers and the broker: not to be trusted. */
  readonly headers: Readonly<Record<string, unknown>>;
  readonly properties: MessageProperties;
  readonly redelivered: boolean;
  /** How often the broker has delivered it before without getting an ack (`x-delivery-count`). */
  readonly deliveryCount: number;
  /** How often handling it has failed before, by our own header; 0 on the first way through. */
  readonly attempts: number;

  constructor(ledger: ChannelLedger, queue: string, message: ConsumeMessage) {
    const { fields, properties } = message;
    this.#ledger = ledger;
    this.#tag = fields.deliveryTag;
    this.content = message.content;
    this.queue = queue;
    this.messageId = typeof properties.messageId === 'string' ? properties.messageId : undefined;
    this.routingKey = fields.routingKey;
    this.headers = properties.headers ?? {};
    this.properties = properties;
    this.redelivered = fields.redelivered;
    // On a first delivery the broker sets no count, and one that is there comes from a producer.
    this.deliveryCount = fields.redelivered ? count(this.headers['x-delivery-count']) : 0;
    this.attempts = count(this.headers[HEADERS.attempts]);
  }

  /** Whether an ack would still reach the broker. */
  get alive(): boolean {
    return this.#ledger.alive;
  }

  /** Acknowledges this delivery alone. At most once, and without effect when the channel has gone. Never throws. */
  ack(): void {
    this.#ledger.settle([this.#tag]);
  }

  /**
   * Refuses this delivery for good: the broker itself moves it to where its queue sends dead letters, and drops it where
   * there is no such place. Like an ack it counts once, on a living channel only. Never throws.
   */
  reject(): void {
    this.#ledger.reject(this.#tag);
  }

  /** See {@link ackAll}. */
  static ackAll(deliveries: readonly Delivery[]): void {
    const groups = new Map<ChannelLedger, number[]>();
    for (const delivery of deliveries) {
      const tags = groups.get(delivery.#ledger);
      if (tags === undefined) groups.set(delivery.#ledger, [delivery.#tag]);
      else tags.push(delivery.#tag);
    }
    for (const [ledger, tags] of groups) ledger.settle(tags);
  }
}

/**
 * Acknowledges a set of deliveries, of any channels and in any order, with as few frames as is safe: see
 * {@link ChannelLedger} for why nothing else is ever acknowledged with them. Never throws.
 */
export function ackAll(deliveries: readonly Delivery[]): void {
  Delivery.ackAll(deliveries);
}

/** A count in a header; 0 for whatever is none. */
export function count(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0;
}
