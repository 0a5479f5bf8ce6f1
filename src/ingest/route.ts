import { inWords } from '../postgres/errors';
import { count, type Delivery } from '../rabbitmq/consuming/delivery';
import { HEADERS, RETRY_DELAYS, type RetryDelay } from '../rabbitmq/names';
import { toDeadLetters, toRetry } from '../rabbitmq/publishing/forward';
import type { OutgoingMessage } from '../rabbitmq/publishing/outgoing';
import type { Forwarded } from './outcome';

/** Where a message goes, and what the log says about it. */
export interface Route {
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

/** The command that shows dead letters, for the log. */
const SEE = 'onecontact dead-letters list';

export function routeOf(delivery: Delivery, outcome: Forwarded): Route {
  if (outcome.kind === 'dead') {
    const { reason, problems } = outcome;
    return {
      ...toDead(reason, problems.join('; '), delivery.attempts),
      shared: { reason, see: SEE },
      first: { problems },
    };
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
    return {
      ...toDead('failed', inWords(error), attempts),
      shared: { reason: 'failed', code: error, see: SEE },
      first: { attempts },
    };
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

export function messageFor(delivery: Delivery, { to, headers: own }: Route): OutgoingMessage {
  const now = new Date().toISOString();
  const firstSeen = delivery.headers[HEADERS.firstSeen] ?? now;
  const headers = { [HEADERS.firstSeen]: firstSeen, [HEADERS.lastSeen]: now, ...own };
  return 'reason' in to ? toDeadLetters(delivery, headers) : toRetry(delivery, to, headers);
}
