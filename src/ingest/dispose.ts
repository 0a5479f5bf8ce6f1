import type { Logger } from 'pino';
import { Backoff, pause } from '../foundation/retry';
import { traceOf } from '../messages/trace';
import type { Metrics } from '../observability/metrics';
import { failureOf } from '../postgres/errors';
import { count, type Delivery } from '../rabbitmq/delivery';
import { describe } from '../rabbitmq/errors';
import { toDeadLetters, toRetry } from '../rabbitmq/forward';
import { HEADERS, RETRY_DELAYS, type RetryDelay } from '../rabbitmq/names';
import type { OutgoingMessage } from '../rabbitmq/outgoing';
import type { Publisher } from '../rabbitmq/publisher';
import { aboutMessage } from './about-message';
import { BatchLog } from './batch-log';
import type { DecidedItem } from './item';
import type { Forwarded } from './outcome';

export interface DisposeContext {
  queue: string;
  publisher: Publisher;
  metrics: Metrics;
  log: Logger;
  /** Ends the attempts of messages that the broker does not take. */
  stopping: AbortSignal;
}

/** Where a message goes, and what the log says about it. */
interface Route {
  /** The retry delay, or why it goes to the dead letters. */
  to: RetryDelay | { reason: string };
  headers: Record<string, unknown>;
  level: 'info' | 'warn';
  text: string;
  /** Log fields that are the same for all messages on one line. */
  shared: object;
  /** Log fields of the first message on a line. */
  first?: object;
}

/**
 * Sends messages to a retry queue or the dead letters, and waits for the broker's confirms.
 *
 * @returns the items that may be acknowledged; the others must be delivered again
 */
export async function forwardAll(
  items: readonly DecidedItem<Forwarded>[],
  context: DisposeContext,
): Promise<DecidedItem[]> {
  const batchLog = new BatchLog();
  const sending = items.map(async (item) => {
    const { delivery, eventId, outcome } = item;
    const log = context.log.child({ queue: context.queue, ...aboutMessage(eventId, traceOf(delivery.headers)) });
    try {
      const route = routeOf(delivery, outcome);
      batchLog.add(log, route.level, route.text, route.shared, route.first);
      return (await publishUntilConfirmed(delivery, route, { ...context, log }, batchLog)) ? [item] : [];
    } catch (error) {
      // One message must not keep the others from their acks.
      log.error(
        { failure: failureOf(error) },
        'message cannot be forwarded: rejected, so that the broker dead-letters it',
      );
      delivery.reject();
      return [];
    }
  });
  batchLog.write();
  return (await Promise.all(sending)).flat();
}

function routeOf(delivery: Delivery, outcome: Forwarded): Route {
  if (outcome.kind === 'dead') {
    const { reason, problems } = outcome;
    return { ...toDead(reason, problems.join('; '), delivery.attempts), shared: { reason }, first: { problems } };
  }
  const { error } = outcome;
  if (outcome.kind === 'deferred') {
    const waits = count(delivery.headers[HEADERS.waits]);
    const step = RETRY_DELAYS[Math.min(waits, RETRY_DELAYS.length - 1)] ?? RETRY_DELAYS[0];
    return {
      to: step,
      headers: { [HEADERS.waits]: waits + 1, [HEADERS.error]: error },
      level: 'info',
      text: 'messages deferred: rows locked',
      shared: { code: error, delay: step.name },
      first: { waits: waits + 1 },
    };
  }
  const attempts = delivery.attempts + 1;
  const step = RETRY_DELAYS[delivery.attempts];
  if (!step) {
    return { ...toDead('failed', error, attempts), shared: { reason: 'failed', code: error }, first: { attempts } };
  }
  return {
    to: step,
    headers: { [HEADERS.attempts]: attempts, [HEADERS.error]: error },
    level: 'warn',
    text: 'messages failed, retrying later',
    shared: { code: error, attempts, delay: step.name },
  };
}

const toDead = (reason: string, error: string, attempts: number) => ({
  to: { reason },
  headers: { [HEADERS.reason]: reason, [HEADERS.error]: error, [HEADERS.attempts]: attempts },
  level: 'warn' as const,
  text: 'messages dead-lettered',
});

function messageFor(delivery: Delivery, { to, headers: own }: Route): OutgoingMessage {
  const now = new Date().toISOString();
  const firstSeen = delivery.headers[HEADERS.firstSeen] ?? now;
  const headers = { [HEADERS.firstSeen]: firstSeen, [HEADERS.lastSeen]: now, ...own };
  return 'reason' in to ? toDeadLetters(delivery, headers) : toRetry(delivery, to, headers);
}

/**
 * Publishes until the broker confirms, so that no message is dropped or acknowledged too early.
 *
 * A message that can never be published as it is (larger than the broker takes) is rejected instead: the broker itself
 * then dead-letters it at least once, whatever its size, with its own `x-death` header (reason "rejected") instead of ours.
 *
 * @returns false if the delivery must not be acknowledged
 */
async function publishUntilConfirmed(
  delivery: Delivery,
  route: Route,
  { queue, publisher, metrics, log, stopping }: DisposeContext,
  batchLog: BatchLog,
): Promise<boolean> {
  const message = messageFor(delivery, route);
  const backoff = new Backoff(200, 10_000);
  for (let attempt = 1; delivery.alive; attempt++) {
    const result = await publisher.publish(message);
    if (result.outcome === 'confirmed') {
      if ('reason' in route.to) metrics.deadLetters.inc({ queue, reason: route.to.reason });
      else metrics.retries.inc({ queue, delay: route.to.name });
      return true;
    }
    if (result.outcome === 'failed' && !result.retryable) {
      const { reason } = describe(result.error);
      log.error({ reason }, 'message cannot be published: rejected, so that the broker dead-letters it');
      delivery.reject();
      metrics.deadLetters.inc({ queue, reason: 'rejected' });
      return true; // a later ack of it has no effect
    }
    if (stopping.aborted) return false;
    const shared = { outcome: result.outcome, to: message.routingKey, attempt };
    batchLog.once(log, 'warn', 'messages could not be forwarded, trying again', shared);
    await pause(backoff.next(), stopping);
  }
  return false;
}
