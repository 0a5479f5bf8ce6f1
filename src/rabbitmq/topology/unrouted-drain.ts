import { setMaxListeners } from 'node:events';
import type { Logger } from 'pino';
import { Backoff, pause } from '../../foundation/retry';
import type { BrokerConnection } from '../connection';
import { Consumer } from '../consuming/consumer';
import type { Delivery } from '../consuming/delivery';
import { describe } from '../errors';
import { HEADERS, UNROUTED, WORK_QUEUES } from '../names';
import { toDeadLetters, toQueue } from '../publishing/forward';
import type { OutgoingMessage } from '../publishing/outgoing';
import type { Publisher } from '../publishing/publisher';

export interface UnroutedDrainOptions {
  /** Used only for consuming, like every such connection. */
  readonly connection: BrokerConnection;
  readonly publisher: Publisher;
  readonly log: Logger;
  /** Called for each message that the broker has confirmed in the queue it was meant for. */
  readonly onRecovered?: (queue: string) => void;
}

/** Unacknowledged messages at once. */
const PREFETCH = 200;

/**
 * Moves the messages that the alternate exchange has caught into the work queues, according to the exchange that each was
 * published to. A message is acknowledged when the broker has confirmed it in the work queue.
 *
 * A message from any other exchange becomes a dead letter: a policy gave that exchange this alternate exchange by mistake.
 */
export class UnroutedDrain {
  readonly #options: UnroutedDrainOptions;
  readonly #consumer: Consumer;
  readonly #stopping = new AbortController();
  readonly #moving = new Set<Promise<void>>();

  constructor(options: UnroutedDrainOptions) {
    this.#options = options;
    setMaxListeners(0, this.#stopping.signal); // each message that cannot be moved yet listens to it
    const { connection, log } = options;
    const onMessage = (delivery: Delivery): void => {
      const moving = this.#move(delivery).finally(() => this.#moving.delete(moving));
      this.#moving.add(moving);
    };
    this.#consumer = new Consumer({ connection, queue: UNROUTED, prefetch: PREFETCH, log, onMessage });
  }

  problems(): string[] {
    return this.#consumer.problems();
  }

  /** Final. Messages that are not confirmed yet go back to the queue. */
  async stop(): Promise<void> {
    this.#consumer.pause();
    this.#stopping.abort();
    await Promise.all(this.#moving);
    await this.#consumer.stop();
  }

  async #move(delivery: Delivery): Promise<void> {
    const { publisher, log, onRecovered } = this.#options;
    const message = messageFor(delivery);
    const backoff = new Backoff(200, 10_000);
    while (delivery.alive && !this.#stopping.signal.aborted) {
      const result = await publisher.publish(message);
      if (result.outcome === 'confirmed') {
        delivery.ack();
        return onRecovered?.(message.routingKey);
      }
      if (result.outcome === 'failed' && !result.retryable) {
        log.error({ reason: describe(result.error).reason }, 'unrouted message rejected: it cannot be published');
        return delivery.reject(); // so that the broker dead-letters it
      }
      await pause(backoff.next(), this.#stopping.signal);
    }
  }
}

/** Our own headers do not travel: in a message from an exchange for events they are the producer's. */
function messageFor(delivery: Delivery): OutgoingMessage {
  const queue = WORK_QUEUES.get(delivery.exchange);
  if (queue !== undefined) return toQueue(queue, delivery, {});
  const now = new Date().toISOString();
  return toDeadLetters(delivery, {
    [HEADERS.reason]: 'unknown_exchange',
    [HEADERS.error]: `${UNROUTED} received the message from the exchange ${delivery.exchange || '(default)'}`,
    [HEADERS.attempts]: 0,
    [HEADERS.firstSeen]: now,
    [HEADERS.lastSeen]: now,
  });
}
