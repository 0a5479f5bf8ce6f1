import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Channel, ConsumeMessage } from 'amqplib';
import { type BrokerConnection, closeChannel } from './connection';
import { ChannelLedger, Delivery } from './delivery';
import { BrokerRefusal, codeOf, describe } from './errors';
import { HEADERS } from './names';
import type { OutgoingMessage } from './outgoing';
import type { Publisher } from './publisher';

/** What is to become of a message that was looked at. */
export type Verdict =
  | { do: 'keep' }
  /** Its place is elsewhere from now on. It leaves the queue when the broker has confirmed this. */
  | { do: 'send'; message: OutgoingMessage }
  | { do: 'drop' };

export interface BrowseOptions {
  /** For consuming only, as everywhere. */
  readonly connection: BrokerConnection;
  readonly publisher: Publisher;
  readonly queue: string;
  /** Looks at one message. Called in the order of the queue, one at a time, once for each. */
  readonly visit: (delivery: Delivery) => Verdict | Promise<Verdict>;
  /** The same message for the end of the same queue. */
  readonly copy: (delivery: Delivery) => OutgoingMessage;
  /** Asked before each look: whether that is enough. */
  readonly enough?: () => boolean;
  /** No more than this will be looked at, as far as is known. */
  readonly expected?: number;
  readonly onProgress?: (seen: number, total: number) => void;
  /** Ends the walk early; what is in flight is finished. */
  readonly signal: AbortSignal;
}

export interface BrowseResult {
  /** Messages in the queue when the walk began. */
  total: number;
  seen: number;
  sent: number;
  dropped: number;
  /** Were to be sent, but no broker takes them as they are (too large): they stay. */
  unsendable: number;
}

/** Deliveries at once. In a queue with more, and looked at to its end, the messages go round. */
const WINDOW = 500;
/** Messages that were delivered so often before go round rather than back. */
const LOOKS = 2;
/** Nothing has come for so long: is there anything left? */
const IDLE_MS = 100;
/** Deliveries that are on their way have arrived within this. */
const QUIET_MS = 1_000;
/** What was given back is in the queue again within this, or the broker is in trouble. */
const BACK_MS = 3_000;

/**
 * Looks at the messages of a quorum queue, each once, in their order, and sends on or drops some. Those that come to the
 * queue meanwhile are not looked at. One process at a time: see {@link lockQueue}.
 *
 * **Nothing is lost**: a message is acknowledged when it is to be dropped, or when the broker has confirmed it at its new
 * place (persistent, mandatory). Wherever this process ends, each message is in the queue, or at its new place, or, if it
 * ended between confirm and ack, at both. A queue has no way to show a message without delivering it, and counts each
 * delivery that ends without an ack; RabbitMQ 4.0 to 4.2 count also what is given back in good order, and **the 21st
 * such look at a message deletes it** (the default delivery limit; a policy may set a lower one). So a walk has two ways:
 *
 * - *holding*: what is kept is held unacknowledged, and given back at the end, to its old place. Nothing is written.
 * - *going round*: what is kept is published to the end of the queue, and acknowledged when that is confirmed. Once all
 *   went round, the order is the old one, and all are like new. This way is taken from the moment when a message is
 *   found that was delivered {@link LOOKS} times before, or when more is in the queue than can be held; then also all
 *   that is held goes round, and the walk goes to the end though it may have seen enough.
 *
 * Rejects with a {@link BrokerRefusal} when the queue is not there, or when something could not be published.
 */
export async function browseQueue(options: BrowseOptions): Promise<BrowseResult> {
  const channel = await options.connection.createChannel();
  channel.on('error', () => undefined); // the failed request says the same
  try {
    const { messageCount } = await explained(options.queue, channel.checkQueue(options.queue));
    const walked: BrowseResult = { total: messageCount, seen: 0, sent: 0, dropped: 0, unsendable: 0 };
    if (messageCount > 0 && !options.enough?.()) await new QueueBrowser(channel, options, walked).run();
    return walked;
  } finally {
    await closeChannel(channel);
  }
}

class QueueBrowser {
  readonly #incoming: Delivery[] = [];
  readonly #ledger: ChannelLedger;
  readonly #window: number;
  /** Kept so far, oldest first, while holding. */
  #held: Delivery[] = [];
  /** Cannot be published anywhere: held to the end, also while going round. */
  #stuck = 0;
  #goingRound = false;
  /** Marks what went round in this walk: the first of them that comes again is the end of it. */
  readonly #round = randomUUID();
  readonly #inFlight = new Set<Promise<void>>();
  #failure: Error | undefined;
  /** It is we who close the channel. */
  #ending = false;
  #wake = (): void => undefined;

  constructor(
    private readonly channel: Channel,
    private readonly options: BrowseOptions,
    private readonly walked: BrowseResult,
  ) {
    this.#ledger = new ChannelLedger(channel, { acked: 0, late: 0, repeated: 0 });
    this.#window = Math.min(WINDOW, walked.total, Math.max(1, options.expected ?? WINDOW));
    channel.on('close', () => {
      this.#ledger.die();
      if (!this.#ending)
        this.#fail(new BrokerRefusal('The connection to the broker was lost: what was not finished is where it was.'));
    });
    options.signal.addEventListener('abort', () => this.#wake(), { once: true });
  }

  async run(): Promise<void> {
    const { queue } = this.options;
    await this.channel.prefetch(this.#window);
    const { consumerTag } = await explained(
      queue,
      this.channel.consume(queue, (message) => this.#push(message)),
    );
    try {
      await this.#look();
    } finally {
      await this.#settle();
      if (this.#ledger.alive) await this.#giveBack(consumerTag);
    }
    if (this.#failure) throw this.#failure;
  }

  async #look(): Promise<void> {
    const { visit, enough, onProgress } = this.options;
    let satisfied = false;
    for (let nr = 1; nr <= this.walked.total; nr++) {
      satisfied ||= enough?.() ?? false;
      if (satisfied && !this.#goingRound) return;
      const delivery = await this.#next();
      if (delivery === undefined) return;
      if (delivery.deliveryCount >= LOOKS) this.#goRound();
      this.walked.seen = nr;
      this.#carryOut(delivery, satisfied ? { do: 'keep' } : await visit(delivery));
      onProgress?.(nr, this.walked.total);
    }
  }

  #carryOut(delivery: Delivery, verdict: Verdict): void {
    if (verdict.do === 'drop') {
      delivery.ack();
      this.walked.dropped += 1;
    } else if (verdict.do === 'send') {
      this.#publish(delivery, verdict.message, 'sent');
    } else if (this.#goingRound) {
      this.#sendRound(delivery);
    } else {
      this.#held.push(delivery);
    }
  }

  #goRound(): void {
    if (this.#goingRound) return;
    this.#goingRound = true;
    for (const delivery of this.#held.splice(0)) this.#sendRound(delivery);
  }

  #sendRound(delivery: Delivery): void {
    const copy = this.options.copy(delivery);
    this.#publish(delivery, { ...copy, headers: { ...copy.headers, [HEADERS.round]: this.#round } }, 'round');
  }

  /** Does not wait: many confirms may be outstanding, as many as the window has places. */
  #publish(delivery: Delivery, message: OutgoingMessage, why: 'sent' | 'round'): void {
    const work = this.options.publisher.publish(message).then((result) => {
      this.#inFlight.delete(work);
      if (result.outcome === 'confirmed') {
        delivery.ack();
        if (why === 'sent') this.walked.sent += 1;
      } else if (result.outcome === 'failed' && !result.retryable) {
        this.#stuck += 1;
        if (why === 'sent') this.walked.unsendable += 1;
      } else {
        this.#fail(notTaken(message, result));
      }
    });
    this.#inFlight.add(work);
  }

  async #settle(): Promise<void> {
    await Promise.all(this.#inFlight);
  }

  /** All that is not acknowledged goes back, and is there for the next one who looks. */
  async #giveBack(consumerTag: string): Promise<void> {
    await this.#quiet();
    // A cancel also pushes on the acks that the broker's queue client keeps back: see consumer.ts.
    await this.channel.cancel(consumerTag).catch(() => undefined);
    const back = this.#ledger.open;
    if (back === 0 || !this.#ledger.alive) return;
    this.#ending = true;
    const { serverProperties, createChannel } = this.options.connection;
    // Before 4.0 what is refused goes to the end of the queue, and what a closed channel leaves to its place. From 4.0
    // on both go to their place; from 4.3 on only the channel's end counts as a failed delivery.
    if (Number.parseInt(serverProperties?.version ?? '', 10) >= 4) this.channel.nackAll(true);
    else await closeChannel(this.channel);
    const other = await createChannel.call(this.options.connection).catch(() => undefined);
    if (other === undefined) return;
    other.on('error', () => undefined);
    for (const end = performance.now() + BACK_MS; performance.now() < end; await delay(10)) {
      const { messageCount } = await other.checkQueue(this.options.queue).catch(() => ({ messageCount: back }));
      if (messageCount >= back) break;
    }
    await closeChannel(other);
  }

  /**
   * Until nothing more is pushed: the window is full, or the queue empty. What is on its way at a cancel would go back
   * before all others, whatever its place was.
   */
  async #quiet(): Promise<void> {
    for (let still = 0, end = performance.now() + QUIET_MS; still < 3 && performance.now() < end; still++) {
      const { open } = this.#ledger;
      await this.channel.checkQueue(this.options.queue).catch(() => undefined);
      await delay(5);
      if (this.#ledger.open !== open) still = -1;
    }
  }

  #push(message: ConsumeMessage | null): void {
    if (message === null) {
      this.#fail(new BrokerRefusal(`The queue ${this.options.queue} went away meanwhile.`));
      return;
    }
    this.#ledger.delivered(message.fields.deliveryTag);
    this.#incoming.push(new Delivery(this.#ledger, this.options.queue, message));
    this.#wake();
  }

  /** The next message; nothing when there is none any more (they may have expired), or when the walk is to end. */
  async #next(): Promise<Delivery | undefined> {
    for (;;) {
      if (this.#failure || this.options.signal.aborted) return undefined;
      const delivery = this.#incoming.shift();
      // Counting does not find the end where messages have expired, or were taken by others, meanwhile.
      if (delivery?.headers[HEADERS.round] === this.#round) return undefined;
      if (delivery) return delivery;
      // The window is full, and more is to come: holding would wait for ever.
      if (this.#held.length + this.#stuck >= this.#window) this.#goRound();
      if (await this.#woken()) continue;
      if (this.#inFlight.size > 0) continue; // each confirm makes room in the window for another delivery
      const { messageCount } = await this.channel.checkQueue(this.options.queue);
      if (this.#incoming.length > 0) continue;
      if (messageCount === 0) return undefined;
      if (this.#stuck >= this.#window) this.#fail(new BrokerRefusal(`${this.#stuck} messages cannot be published.`));
    }
  }

  async #woken(): Promise<boolean> {
    const idle = new AbortController();
    const woken = new Promise<boolean>((resolve) => {
      this.#wake = () => resolve(true);
    });
    const timeout = delay(IDLE_MS, false, { signal: idle.signal }).catch(() => false);
    return Promise.race([woken, timeout]).finally(() => idle.abort());
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }
}

/**
 * Keeps others from walking the same queue until the connection is closed: they would see only what this one has not
 * taken. (RabbitMQ does not enforce exclusive consumers on quorum queues.) An exclusive queue is the lock: the broker
 * deletes it with the connection, come what may.
 */
export async function lockQueue(connection: BrokerConnection, queue: string): Promise<void> {
  const channel = await connection.createChannel();
  channel.on('error', () => undefined);
  const options = { exclusive: true, durable: false, autoDelete: false };
  await explained(queue, channel.assertQueue(`${queue}.lock`, options));
}

/** Turns what an operator has to solve into sentences; everything else passes as it is. */
async function explained<T>(queue: string, work: PromiseLike<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const sentence = SENTENCES.get(codeOf(error))?.(queue);
    throw sentence === undefined ? error : new BrokerRefusal(sentence, { cause: error });
  }
}

const SENTENCES = new Map<unknown, (queue: string) => string>([
  [
    403,
    (queue) => `The broker user may not do this with the queue ${queue}: grant it configure, write and read on it.`,
  ],
  [404, (queue) => `The broker has no queue ${queue}: check the vhost in AMQP_URL; \`onecontact start\` declares it.`],
  [405, (queue) => `Another command is working on the queue ${queue}: try again when it has ended.`],
]);

function notTaken({ routingKey }: OutgoingMessage, result: { outcome: string; reason?: string; error?: Error }): Error {
  const why = {
    returned: 'there is no such queue',
    nacked: 'it is full, or has no majority of its nodes',
    failed: describe(result.error).reason,
  }[result.outcome];
  return new BrokerRefusal(
    `The queue ${routingKey} takes no messages (${why}): what was not finished is where it was. Mend that, then try again.`,
  );
}
