import type { Channel, Options } from 'amqplib';
import type { Logger } from 'pino';
import { Backoff, pause } from '../../foundation/retry';
import { type BrokerConnection, type ConnectionOptions, closeChannel, openConnection } from '../connection';
import { BrokerRefusal, codeOf, describe, explained } from '../errors';
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
  UNROUTED,
} from '../names';

type Arguments = Readonly<Record<string, string | number>>;

export interface QueueSpec {
  readonly name: string;
  readonly arguments: Arguments;
  readonly binding?: { readonly exchange: string; readonly pattern: string; readonly arguments?: Arguments };
}

/** After this many deliveries without an ack a message is dead-lettered: it may be what kills the process. */
export const DELIVERY_LIMIT = 20;

const QUORUM: Arguments = { 'x-queue-type': 'quorum' };

/**
 * Lossless dead-lettering: a message leaves its queue only after the next queue has confirmed it. If exchange,
 * overflow or strategy is missing, RabbitMQ silently falls back to at-most-once.
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

export interface ExchangeSpec {
  readonly name: string;
  readonly type: 'topic' | 'headers' | 'fanout';
}

export const EXCHANGE_SPECS: readonly ExchangeSpec[] = [
  { name: FXA_EVENTS, type: 'topic' },
  { name: NEWSLETTER_EVENTS, type: 'topic' },
  { name: CONTACT_EVENTS, type: 'topic' },
  { name: RETRY_EXCHANGE, type: 'headers' },
  { name: UNROUTED, type: 'fanout' },
];

/** Ordered so that no queue refers to a later one. */
export const QUEUE_SPECS: readonly QueueSpec[] = [
  { name: DEAD_LETTERS, arguments: QUORUM }, // no other arguments on these two, so that other systems can declare them identically
  { name: MAILER_QUEUE, arguments: QUORUM, binding: { exchange: CONTACT_EVENTS, pattern: 'contact.#' } },
  ...RETRY_DELAYS.map((step) => delayQueue(retryQueue(step), step.name, step.ms)),
  workQueue(FXA_QUEUE, FXA_EVENTS),
  workQueue(NEWSLETTER_QUEUE, NEWSLETTER_EVENTS),
  workQueue(UNROUTED, UNROUTED),
];

/** An exchange, a queue or a binding. */
interface Part {
  readonly what: string;
  declare(channel: Channel): PromiseLike<unknown>;
  /** Rejects with 404 if it is missing. Needs no right on the broker. A binding cannot be checked. */
  check?(channel: Channel): PromiseLike<unknown>;
}

const exchangePart = ({ name, type }: ExchangeSpec): Part => ({
  what: `exchange ${name}`,
  declare: (channel) => channel.assertExchange(name, type, { durable: true }),
  check: (channel) => channel.checkExchange(name),
});

function queueParts({ name, arguments: args, binding }: QueueSpec): Part[] {
  const options: Options.AssertQueue = { durable: true, arguments: args };
  const queue: Part = {
    what: `queue ${name}`,
    declare: (channel) => channel.assertQueue(name, options),
    check: (channel) => channel.checkQueue(name),
  };
  if (binding === undefined) return [queue];
  const { exchange, pattern } = binding;
  const bound: Part = {
    what: `binding of queue ${name} to exchange ${exchange}`,
    declare: (channel) => channel.bindQueue(name, exchange, pattern, binding.arguments ?? {}),
  };
  return [queue, bound];
}

const PARTS: readonly Part[] = [...EXCHANGE_SPECS.map(exchangePart), ...QUEUE_SPECS.flatMap(queueParts)];

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
 * Rejects with a {@link BrokerRefusal} that says what to do if the broker is not RabbitMQ 3.10 or later, has
 * something else under one of the names, or does not permit the declaration.
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
      const { problems } = await declareParts(connection);
      if (problems.length > 0) throw new BrokerRefusal(problems.join('\n'));
      log.info({ queues: QUEUE_SPECS.length }, 'broker topology is in place');
      return;
    } catch (error) {
      if (error instanceof BrokerRefusal || connection.closed) throw error;
      log.warn(describe(error), 'broker topology could not be declared, trying again');
      await pause(backoff.next(), signal);
    }
  }
}

export interface Declared {
  /** The exchanges and queues that did not exist before, and do now. */
  readonly restored: readonly string[];
  /** What is wrong with parts, and what an operator has to do. */
  readonly problems: readonly string[];
}

/**
 * Declares every part, also after one of them is refused. A part that the user may not declare is accepted if it exists:
 * an administrator has declared it. (Its arguments cannot be compared then, and a binding is taken on trust.)
 *
 * @param forbidden the parts that the user may not declare, as known from earlier calls: they are only checked, because a
 * refusal is an error in the broker's log
 * @param restored gets the exchanges and queues that did not exist before, and do now, one by one
 *
 * Rejects with a {@link BrokerRefusal} if the broker is unsuitable, with another error if another attempt may succeed.
 */
export async function declareParts(
  connection: BrokerConnection,
  forbidden = new Set<string>(),
  restored: string[] = [],
): Promise<Declared> {
  const problems: string[] = [];
  const open: { channel?: Channel | undefined } = {};
  /** @returns the broker's refusal, which has closed the channel; undefined if there is none */
  const attempt = async (work: (channel: Channel) => PromiseLike<unknown>): Promise<unknown> => {
    open.channel ??= await openChannel(connection);
    try {
      await work(open.channel);
      return undefined;
    } catch (error) {
      if (typeof codeOf(error) !== 'number') throw error;
      open.channel = undefined;
      return error;
    }
  };
  const denied: string[] = [];
  let failure: unknown;
  try {
    for (const { what, check, declare } of PARTS) {
      const absent = check && (await attempt(check));
      if (forbidden.has(what) && absent === undefined) continue;
      const refusal = await attempt(declare);
      if (codeOf(absent) === 404 && refusal === undefined) restored.push(what);
      if (codeOf(refusal) === 403) forbidden.add(what);
      if (refusal === undefined || (forbidden.has(what) && absent === undefined)) continue;
      const sentence = sentenceFor(what)(refusal);
      if (codeOf(refusal) === 403) denied.push(what);
      else if (sentence !== undefined) problems.push(sentence);
      // A missing exchange or queue is reported already: its binding is not a second problem.
      else if (check !== undefined || codeOf(refusal) !== 404) failure ??= refusal;
    }
  } finally {
    if (open.channel !== undefined) await closeChannel(open.channel);
  }
  if (denied.length > 0) problems.unshift(mayNotDeclare(denied));
  if (failure !== undefined) throw failure;
  return { restored, problems };
}

async function openChannel(connection: BrokerConnection): Promise<Channel> {
  const channel = await connection.createChannel();
  channel.on('error', () => undefined); // the failed request rejects with the same error
  requireVersion(connection.serverProperties ?? {});
  return channel;
}

/** Declares everything on an open channel, which the broker closes if it refuses. */
export async function declareAll(channel: Channel): Promise<void> {
  for (const part of PARTS) await declarePart(channel, part);
}

/** Declares one queue with its binding. */
export async function declareQueue(channel: Channel, spec: QueueSpec): Promise<void> {
  for (const part of queueParts(spec)) await declarePart(channel, part);
}

async function declarePart(channel: Channel, { what, declare }: Part): Promise<void> {
  await explained(declare(channel), sentenceFor(what));
}

/** Deletes all queues with their messages, and all exchanges except the spared ones. For the demo and the tests. */
export async function deleteAll(channel: Channel, spared: readonly string[] = []): Promise<void> {
  for (const queue of QUEUES) await channel.deleteQueue(queue);
  for (const exchange of EXCHANGES) if (!spared.includes(exchange)) await channel.deleteExchange(exchange);
}

/** What an operator has to do about a refused declaration. */
const sentenceFor =
  (what: string) =>
  (error: unknown): string | undefined => {
    const { reason, code } = describe(error);
    const argument = /inequivalent arg '([^']+)'/.exec(reason)?.[1];
    if (argument !== undefined) {
      const first = what.startsWith('queue') ? 'save its messages if it has any' : 'note its bindings';
      return `The ${what} exists on the broker with other arguments (${argument}): ${first}, then delete it: OneContact declares it again.`;
    }
    if (code === 406) {
      const words = /PRECONDITION_FAILED - ([^"]+)/.exec(reason)?.[1] ?? reason;
      return `The broker does not accept the ${what} (${words}): correct that on the broker.`;
    }
    return code === 403 ? mayNotDeclare([what]) : undefined;
  };

const mayNotDeclare = (parts: readonly string[]): string =>
  `The broker user may not declare the ${parts.join(', the ')}: grant it configure, write and read on OneContact's names (and write on amq.default), or have an administrator run \`onecontact topology --apply\`.`;

/** Earlier versions silently ignore our arguments: messages would be lost, or never delayed. */
export function requireVersion(server: { product?: string | undefined; version?: string | undefined }): void {
  const [major = 0, minor = 0] = (server.version ?? '').split('.').map((part) => Number.parseInt(part, 10) || 0);
  if (server.product === 'RabbitMQ' && (major > 3 || (major === 3 && minor >= 10))) return;
  throw new BrokerRefusal(
    `The broker is ${server.product ?? 'unknown'} ${server.version ?? ''}, which cannot dead-letter with delays without loss: use RabbitMQ 3.10 or later.`,
  );
}
