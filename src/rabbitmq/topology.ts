import type { Channel, Options } from 'amqplib';
import type { Logger } from 'pino';
import { Backoff, pause } from '../foundation/retry';
import { type BrokerConnection, type ConnectionOptions, closeChannel, openConnection } from './connection';
import { BrokerRefusal, describe, explained } from './errors';
import {
  CONTACT_EVENTS,
  DEAD_LETTERS,
  EXCHANGES,
  FXA_EVENTS,
  FXA_QUEUE,
  HEADERS,
  MAILER_QUEUE,
  NEWSLETTER_EVENTS,
  NEWSLETTER_QUEUE,
  QUEUES,
  RETRY_DELAYS,
  RETRY_EXCHANGE,
  retryQueue,
} from './names';

type Arguments = Readonly<Record<string, string | number>>;

export interface QueueSpec {
  readonly name: string;
  readonly arguments: Arguments;
  readonly binding?: { readonly exchange: string; readonly pattern: string; readonly arguments?: Arguments };
}

/** Deliveries without an ack after which a message is dead-lettered: it may be what kills the process. */
export const DELIVERY_LIMIT = 20;

const QUORUM: Arguments = { 'x-queue-type': 'quorum' };

/**
 * Lossless dead-lettering: a message leaves its queue only after the next queue has confirmed it. Without any one of
 * exchange, overflow and strategy, RabbitMQ silently falls back to at-most-once.
 */
const AT_LEAST_ONCE: Arguments = {
  ...QUORUM,
  'x-dead-letter-exchange': '',
  'x-dead-letter-strategy': 'at-least-once',
  'x-overflow': 'reject-publish',
};

const workQueue = (name: string, exchange: string): QueueSpec => ({
  name,
  arguments: { ...AT_LEAST_ONCE, 'x-dead-letter-routing-key': DEAD_LETTERS, 'x-delivery-limit': DELIVERY_LIMIT },
  binding: { exchange, pattern: '#' },
});

/**
 * The queue of one retry delay. Expired messages return through the default exchange: their routing key is the queue
 * they came from, so there is no dead-letter routing key. Each delay has its own queue because only the head of a queue
 * expires.
 */
export const delayQueue = (name: string, header: string, ms: number): QueueSpec => ({
  name,
  arguments: { ...AT_LEAST_ONCE, 'x-message-ttl': ms },
  binding: { exchange: RETRY_EXCHANGE, pattern: '', arguments: { 'x-match': 'all', [HEADERS.delay]: header } },
});

const TOPIC_EXCHANGES = [FXA_EVENTS, NEWSLETTER_EVENTS, CONTACT_EVENTS];

/** Ordered so that no queue refers to a later one. */
export const QUEUE_SPECS: readonly QueueSpec[] = [
  { name: DEAD_LETTERS, arguments: QUORUM }, // no other arguments on these two, so that other systems can declare them identically
  { name: MAILER_QUEUE, arguments: QUORUM, binding: { exchange: CONTACT_EVENTS, pattern: 'contact.#' } },
  ...RETRY_DELAYS.map((step) => delayQueue(retryQueue(step), step.name, step.ms)),
  workQueue(FXA_QUEUE, FXA_EVENTS),
  workQueue(NEWSLETTER_QUEUE, NEWSLETTER_EVENTS),
];

export interface TopologyOptions {
  readonly url: ConnectionOptions['url'];
  readonly log: Logger;
  /** Ends the wait for an unreachable broker; the promise then rejects. */
  readonly signal?: AbortSignal;
}

/**
 * Declares our exchanges, queues and bindings; changes none that exist. Uses a connection of its own, because a refused
 * declaration may take the connection down. Waits while the broker is unreachable.
 *
 * Rejects with a {@link BrokerRefusal} that says what to do if the broker is not RabbitMQ 3.10 or later, has something
 * else under one of the names, or does not permit it.
 */
export async function declareTopology({ url, log, signal }: TopologyOptions): Promise<void> {
  const connection = await openConnection({ url, log, name: 'onecontact topology' });
  const close = (): void => void connection.close();
  signal?.addEventListener('abort', close, { once: true });
  try {
    signal?.throwIfAborted();
    await connection.ready();
    await declareUntilDone(connection, log, signal ?? new AbortController().signal);
  } finally {
    signal?.removeEventListener('abort', close);
    await connection.close();
  }
}

async function declareUntilDone(connection: BrokerConnection, log: Logger, signal: AbortSignal): Promise<void> {
  const backoff = new Backoff();
  for (;;) {
    try {
      const channel = await connection.createChannel();
      channel.on('error', () => undefined); // the failed request rejects with the same error
      requireVersion(connection.serverProperties ?? {});
      await declareAll(channel);
      await closeChannel(channel);
      log.info({ queues: QUEUE_SPECS.length }, 'broker topology is in place');
      return;
    } catch (error) {
      if (error instanceof BrokerRefusal || connection.closed) throw error;
      log.warn(describe(error), 'broker topology could not be declared, trying again');
      await pause(backoff.next(), signal);
    }
  }
}

/** Declares everything on an open channel, which the broker closes if it refuses. Tests use the parts as well. */
export async function declareAll(channel: Channel): Promise<void> {
  for (const name of TOPIC_EXCHANGES) await declareExchange(channel, name, 'topic');
  await declareExchange(channel, RETRY_EXCHANGE, 'headers');
  for (const spec of QUEUE_SPECS) await declareQueue(channel, spec);
}

/** Deletes all queues with their messages, and all exchanges except the spared ones. For the demo and the tests. */
export async function deleteAll(channel: Channel, spared: readonly string[] = []): Promise<void> {
  for (const queue of QUEUES) await channel.deleteQueue(queue);
  for (const exchange of EXCHANGES) if (!spared.includes(exchange)) await channel.deleteExchange(exchange);
}

async function declareExchange(channel: Channel, name: string, type: 'topic' | 'headers'): Promise<void> {
  await explained(channel.assertExchange(name, type, { durable: true }), sentenceFor(`exchange ${name}`));
}

/** Declares one queue with its binding. */
export async function declareQueue(channel: Channel, spec: QueueSpec): Promise<void> {
  const options: Options.AssertQueue = { durable: true, arguments: spec.arguments };
  await explained(channel.assertQueue(spec.name, options), sentenceFor(`queue ${spec.name}`));
  const { binding } = spec;
  if (binding === undefined) return;
  await explained(
    channel.bindQueue(spec.name, binding.exchange, binding.pattern, binding.arguments ?? {}),
    sentenceFor(`binding of queue ${spec.name} to exchange ${binding.exchange}`),
  );
}

/** What an operator has to do about a refused declaration. */
const sentenceFor =
  (what: string) =>
  (error: unknown): string | undefined => {
    const { reason, code } = describe(error);
    const argument = /inequivalent arg '([^']+)'/.exec(reason)?.[1];
    if (argument !== undefined) {
      const first = what.startsWith('queue') ? 'save its messages if it has any' : 'note its bindings';
      return `The ${what} exists on the broker with other arguments (${argument}): ${first}, delete it, and start again.`;
    }
    if (code === 406) {
      const words = /PRECONDITION_FAILED - ([^"]+)/.exec(reason)?.[1] ?? reason;
      return `The broker does not take the ${what} (${words}): mend that on the broker, and start again.`;
    }
    if (code === 403) {
      return `The broker user may not declare the ${what}: grant it configure, write and read on our names (and write on amq.default), or declare it as an administrator.`;
    }
    return undefined;
  };

/** Earlier versions silently ignore our arguments: messages would be lost, or never delayed. */
export function requireVersion(server: { product?: string | undefined; version?: string | undefined }): void {
  const [major = 0, minor = 0] = (server.version ?? '').split('.').map((part) => Number.parseInt(part, 10) || 0);
  if (server.product === 'RabbitMQ' && (major > 3 || (major === 3 && minor >= 10))) return;
  throw new BrokerRefusal(
    `The broker is ${server.product ?? 'unknown'} ${server.version ?? ''}, which has no lossless dead-lettering with delays: use RabbitMQ 3.10 or later.`,
  );
}
