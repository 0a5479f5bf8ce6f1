/** Names on the broker: the contract that producers, the mailer and operators see. */

export const FXA_EVENTS = 'fxa.events';
export const NEWSLETTER_EVENTS = 'newsletter.events';
export const CONTACT_EVENTS = 'contacts.events';

export const FXA_QUEUE = 'contacts.fxa';
export const NEWSLETTER_QUEUE = 'contacts.newsletter';
export const MAILER_QUEUE = 'mailer.contact-events';
export const DEAD_LETTERS = 'contacts.dead-letters';

/** Routes a message to one delay of the ladder by its `delay` header; the routing key is the queue it goes back to. */
export const RETRY_EXCHANGE = 'contacts.retry';

/** The retry delays: what a message that keeps failing waits before each further attempt. */
export const RETRY_DELAYS = [
  { name: '5s', ms: 5_000 },
  { name: '30s', ms: 30_000 },
  { name: '2m', ms: 120_000 },
  { name: '10m', ms: 600_000 },
] as const;

export type RetryDelay = (typeof RETRY_DELAYS)[number];

export const retryQueue = (step: RetryDelay): string => `contacts.retry.${step.name}`;

export const EXCHANGES = [FXA_EVENTS, NEWSLETTER_EVENTS, CONTACT_EVENTS, RETRY_EXCHANGE] as const;
export const QUEUES = [
  FXA_QUEUE,
  NEWSLETTER_QUEUE,
  MAILER_QUEUE,
  DEAD_LETTERS,
  ...RETRY_DELAYS.map(retryQueue),
] as const;

/** Message headers that are ours. */
export const HEADERS = {
  /** Which delay of the ladder: what the retry exchange routes by. */
  delay: 'delay',
  /** How often handling this message was tried and failed. Our own count: RabbitMQ's `x-death` differs by version. */
  attempts: 'attempts',
  /** How often it was set aside because somebody held what it needs, which is no failed attempt. */
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
  /** How often an operator has sent it back from the dead letters. With it the count of attempts begins anew. */
  replays: 'replays',
  /** The attempts before that, all rounds together. */
  earlierAttempts: 'earlier-attempts',
  /** Why it was a dead letter before: the latest few times, oldest first. */
  earlierDeaths: 'earlier-deaths',
  /** Which walk published it anew at the end of its queue: see walk.ts. */
  round: 'round',
} as const;
