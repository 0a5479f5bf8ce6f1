/** Names on the broker: a contract with producers, the mailer and operators. */

export const FXA_EVENTS = 'fxa.events';
export const NEWSLETTER_EVENTS = 'newsletter.events';
export const CONTACT_EVENTS = 'contacts.events';

export const FXA_QUEUE = 'contacts.fxa';
export const NEWSLETTER_QUEUE = 'contacts.newsletter';
export const MAILER_QUEUE = 'mailer.contact-events';
export const DEAD_LETTERS = 'contacts.dead-letters';

/**
 * The alternate exchange of the two exchanges for events, and its queue: it catches what is published while a work queue or
 * its binding is missing. Only a policy can make it the alternate exchange.
 */
export const UNROUTED = 'contacts.unrouted';

/** The work queue that each exchange for events feeds. */
export const WORK_QUEUES: ReadonlyMap<string, string> = new Map([
  [FXA_EVENTS, FXA_QUEUE],
  [NEWSLETTER_EVENTS, NEWSLETTER_QUEUE],
]);

/** Routes a message to a retry queue by its `delay` header; the routing key is the queue that it returns to. */
export const RETRY_EXCHANGE = 'contacts.retry';

/** The retry delays: the waits before each further attempt at a failing message. */
export const RETRY_DELAYS = [
  { name: '5s', ms: 5_000 },
  { name: '30s', ms: 30_000 },
  { name: '2m', ms: 120_000 },
  { name: '10m', ms: 600_000 },
] as const;

export type RetryDelay = (typeof RETRY_DELAYS)[number];

export const retryQueue = (step: RetryDelay): string => `contacts.retry.${step.name}`;

export const EXCHANGES = [FXA_EVENTS, NEWSLETTER_EVENTS, CONTACT_EVENTS, RETRY_EXCHANGE, UNROUTED] as const;
export const QUEUES = [
  FXA_QUEUE,
  NEWSLETTER_QUEUE,
  MAILER_QUEUE,
  DEAD_LETTERS,
  UNROUTED,
  ...RETRY_DELAYS.map(retryQueue),
] as const;

/** Our own message headers. */
export const HEADERS = {
  /** The name of the retry delay; the retry exchange routes by it. */
  delay: 'delay',
  /** Failed attempts at this message. Our own count, because RabbitMQ's `x-death` differs by version. */
  attempts: 'attempts',
  /** How often the message was deferred because another transaction held rows that it needs. */
  waits: 'waits',
  reason: 'reason',
  error: 'error',
  originQueue: 'origin-queue',
  firstSeen: 'first-seen',
  lastSeen: 'last-seen',
  schemaVersion: 'schema-version',
  /** W3C Trace Context. */
  traceParent: 'traceparent',
  traceState: 'tracestate',
  /** How often an operator replayed it from the dead letters; each replay restarts the count of attempts. */
  replays: 'replays',
  /** The attempts before the last replay, in total. */
  earlierAttempts: 'earlier-attempts',
  /** The latest few times that it was dead-lettered before, oldest first. */
  earlierDeaths: 'earlier-deaths',
  /** Which run of `browseQueue` moved it to the end of its queue. */
  round: 'round',
} as const;
