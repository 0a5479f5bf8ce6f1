import type { Logger } from 'pino';
import { groupBy } from '../foundation/group-by';
import { Backoff, pause } from '../foundation/retry';
import { contactChanged, NOTIFICATION_TYPES } from '../messages/outgoing/notification-message';
import { SCHEMA_VERSION } from '../messages/outgoing/schemas';
import { codeLabel, type Metrics } from '../observability/metrics';
import { type Database, inTransaction, type Transaction } from '../postgres/database';
import { failureOf } from '../postgres/errors';
import { deleteFromOutbox, type PendingMessage, takeFromOutbox } from '../postgres/tables/outbox';
import { removeChanges } from '../postgres/tables/outbox-changes';
import { describe } from '../rabbitmq/errors';
import { CONTACT_EVENTS, HEADERS, MAILER_QUEUE } from '../rabbitmq/names';
import { OUTCOMES, type OutgoingMessage, type PublishResult } from '../rabbitmq/publishing/outgoing';
import type { Publisher } from '../rabbitmq/publishing/publisher';

export interface RelayOptions {
  db: Database;
  publisher: Publisher;
  metrics: Metrics;
  log: Logger;
  /** Whether the workers of this process are fully occupied. @default never */
  busy?: () => boolean;
}

/** The highest number of messages in one pass; their confirms are awaited together. */
const PAGE = 500;
/** How long a pass waits while the broker blocks publishing: it holds a transaction open, and locks on the outbox. */
const PATIENCE_MS = 10_000;
/** How often an idle relay reads the outbox. A worker of the same process calls `nudge` instead. */
const IDLE_MS = 1_000;
/**
 * How long `contact.changed` waits for busy workers. Publishing a message costs nearly as much as handling a sign-up, and a
 * burst of sign-ups goes first.
 */
const YIELD_MS = 60_000;
/** How often a relay checks whether the workers that it waits for are still busy. */
const YIELDING_MS = 50;

/**
 * Publishes the outbox: oldest first, each contact's messages in order. A row is deleted when the broker has confirmed its
 * message; a message that was returned, refused or not confirmed stays and is published again under the same id. While the
 * workers are busy, changes that no other message follows wait. Any number of processes may run a relay: a lock in the
 * database lets one of them work at a time.
 *
 * States: *idle* -> *passing* -> *idle*; each failed pass is followed by a longer pause; `stop()` makes one last pass.
 */
export class Relay {
  readonly #options: RelayOptions;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #wake = (): void => undefined;
  #nudged = false;
  /** Why the last pass failed; null if it did not. */
  #problem: string | null = null;

  constructor(options: RelayOptions) {
    this.#options = options;
    for (const type of NOTIFICATION_TYPES)
      for (const outcome of OUTCOMES) options.metrics.notifications.inc({ type, outcome }, 0);
    this.#running = this.#run();
  }

  /** Starts a pass soon: the outbox may have new messages. */
  nudge(): void {
    this.#nudged = true;
    this.#wake();
  }

  /** Why notifications are not published, for the health check. */
  problems(): string[] {
    return this.#problem === null ? [] : [this.#problem];
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake();
    await this.#running;
    await this.#pass().catch(() => undefined); // the next process publishes the rest
  }

  async #run(): Promise<void> {
    const backoff = new Backoff(200, 15_000);
    while (!this.#stopping.signal.aborted) {
      this.#nudged = false;
      try {
        const { taken, refused } = await this.#pass();
        if (refused === null) {
          this.#problem = null;
          backoff.reset();
          if (taken < PAGE && !this.#nudged) await this.#idle(this.#busy ? YIELDING_MS : IDLE_MS);
          continue;
        }
        const { outcome, reason } = refused;
        this.#problem = `Notifications wait in the outbox (${outcome}: ${reason}): ${REMEDIES[outcome]}.`;
        this.#options.log.warn(refused, 'notifications could not be published, trying again');
      } catch (error) {
        const failure = failureOf(error);
        this.#problem = `The outbox cannot be read (${failure.code}): notifications wait until the database works.`;
        this.#options.metrics.databaseErrors.inc({ code: codeLabel(failure.code), kind: failure.kind });
        this.#options.log.warn({ failure }, 'relay pass failed, trying again');
      }
      await pause(backoff.next(), this.#stopping.signal);
    }
  }

  /** @returns how many messages it found, and the first that was not published, if any */
  #pass(): Promise<{ taken: number; refused: Refused | null }> {
    return inTransaction(this.#options.db, async (tx) => {
      const messages = await takeFromOutbox(tx, PAGE, this.#busy ? YIELD_MS : 0);
      const ofContacts = [...groupBy(messages, ({ contactId }) => contactId).values()];
      const done = await this.#withPatience((patience) =>
        Promise.all(ofContacts.map((list) => this.#publishInOrder(list, patience))),
      );
      const published = new Set(done.flatMap((it) => it.published));
      this.#count(published);
      await deletePublished(tx, messages, published);
      const first = done.find(({ refused }) => refused !== null)?.refused;
      return { taken: messages.length, refused: first ? { ...first, left: messages.length - published.size } : null };
    });
  }

  /** Publishes messages one after the other, up to the first failure. @returns the confirmed messages, and that failure */
  async #publishInOrder(messages: PendingMessage[], patience: AbortSignal) {
    const { publisher, metrics } = this.#options;
    for (const [index, message] of messages.entries()) {
      const { messageId, type } = message;
      const result = await publisher.publish(toOutgoing(message), patience);
      if (result.outcome !== 'confirmed') {
        metrics.notifications.inc({ type, outcome: result.outcome });
        const refused = { type, messageId, outcome: result.outcome, reason: reasonOf(result) };
        return { published: messages.slice(0, index), refused };
      }
      metrics.notificationLag.observe(Math.max(0, Date.now() - message.createdAt.getTime()) / 1_000);
    }
    return { published: messages, refused: null };
  }

  /** Counts once per type, because a counter with labels costs as much as everything else about a message. */
  #count(published: Iterable<PendingMessage>): void {
    for (const [type, messages] of groupBy(published, (message) => message.type))
      this.#options.metrics.notifications.inc({ type, outcome: 'confirmed' }, messages.length);
  }

  /** Runs the work with a signal that ends its patience: after {@link PATIENCE_MS}, or when the relay stops. */
  async #withPatience<T>(work: (patience: AbortSignal) => Promise<T>): Promise<T> {
    const patience = new AbortController();
    const end = (): void => patience.abort();
    const timer = setTimeout(end, PATIENCE_MS);
    this.#stopping.signal.addEventListener('abort', end, { once: true });
    if (this.#stopping.signal.aborted) end();
    try {
      return await work(patience.signal);
    } finally {
      clearTimeout(timer);
      this.#stopping.signal.removeEventListener('abort', end);
    }
  }

  /** A stopping relay does not wait for workers, which have stopped before it. */
  get #busy(): boolean {
    return !this.#stopping.signal.aborted && this.#options.busy?.() === true;
  }

  async #idle(ms: number): Promise<void> {
    const nudged = new AbortController();
    this.#wake = () => nudged.abort();
    if (this.#stopping.signal.aborted || this.#nudged) return;
    await pause(ms, nudged.signal);
  }
}

type Unpublished = Exclude<PublishResult, { outcome: 'confirmed' }>;

/** The first message of a pass that was not published, for the log. */
interface Refused {
  type: string;
  messageId: string;
  outcome: Unpublished['outcome'];
  reason: string;
  /** How many messages of the pass were not published. */
  left: number;
}

function reasonOf(result: Unpublished): string {
  if (result.outcome === 'returned') return result.reason;
  return result.outcome === 'failed' ? describe(result.error).reason : 'a queue refused it';
}

const REMEDIES: Record<Unpublished['outcome'], string> = {
  returned: `check that the queue ${MAILER_QUEUE} exists and is bound to ${CONTACT_EVENTS}`,
  nacked: `make room in the queues bound to ${CONTACT_EVENTS}, or restore their majority`,
  failed: 'restore the connection to the broker',
};

/** Deletes the rows whose messages are all published. A row of which only some changes are published keeps the others. */
async function deletePublished(
  tx: Transaction,
  messages: readonly PendingMessage[],
  published: ReadonlySet<PendingMessage>,
): Promise<void> {
  const left = new Set(messages.flatMap((message) => (published.has(message) ? [] : message.seq)));
  const done = new Set([...published].map(({ seq }) => seq));
  const inPart = [...published].filter(({ seq }) => left.has(seq));
  await deleteFromOutbox(
    tx,
    [...done].filter((seq) => !left.has(seq)),
  );
  await removeChanges(
    tx,
    inPart.map(({ messageId }) => messageId),
  );
}

function toOutgoing({ messageId, contactId, type, content, createdAt, trace }: PendingMessage): OutgoingMessage {
  const { schemaVersion, body } =
    'body' in content
      ? content
      : {
          schemaVersion: SCHEMA_VERSION,
          body: JSON.stringify(contactChanged(contactId, content.version, content.parts)),
        };
  return {
    exchange: CONTACT_EVENTS,
    routingKey: type,
    content: Buffer.from(body),
    messageId,
    type,
    contentType: 'application/json',
    timestamp: Math.floor(createdAt.getTime() / 1000),
    headers: {
      [HEADERS.schemaVersion]: String(schemaVersion),
      [HEADERS.traceParent]: trace?.parent,
      [HEADERS.traceState]: trace?.state,
    },
  };
}
