import type { Logger } from 'pino';
import { groupBy } from '../foundation/group-by';
import { Backoff, pause } from '../foundation/retry';
import { SCHEMA_VERSION } from '../messages/outgoing/schemas';
import { codeLabel, type Metrics } from '../observability/metrics';
import { type Database, inTransaction } from '../postgres/database';
import { failureOf } from '../postgres/errors';
import { deleteFromOutbox, type PendingMessage, takeFromOutbox } from '../postgres/tables/outbox';
import { CONTACT_EVENTS, HEADERS } from '../rabbitmq/names';
import type { Publisher } from '../rabbitmq/publisher';

export interface RelayOptions {
  db: Database;
  publisher: Publisher;
  metrics: Metrics;
  log: Logger;
}

/** The most messages in one pass; their confirms are awaited together. */
const PAGE = 200;
/** How long a pass waits while the broker blocks publishing: it holds a transaction open, and locks on the outbox. */
const PATIENCE_MS = 10_000;
/** How often an idle relay reads the outbox. A worker of the same process calls `nudge` instead. */
const IDLE_MS = 1_000;

/**
 * Publishes the outbox: oldest first, each contact's messages in order. A row is deleted when the broker has confirmed its
 * message; a message that was returned, refused or not confirmed stays and is published again under the same id. Any
 * number of processes may run a relay: a lock in the database lets one of them work at a time.
 *
 * States: *idle* -> *passing* -> *idle*; each failed pass is followed by a longer pause; `stop()` makes one last pass.
 */
export class Relay {
  readonly #options: RelayOptions;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #wake = (): void => undefined;
  #nudged = false;
  #left = 0;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  /** Starts a pass soon: the outbox may have new messages. */
  nudge(): void {
    this.#nudged = true;
    this.#wake();
  }

  /** What keeps notifications from going out, and what to do. */
  problems(): string[] {
    if (this.#left === 0) return [];
    return [`${this.#left} notifications could not be published: check the broker, and the mailer's queue.`];
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
        const { taken, left } = await this.#pass();
        this.#left = left;
        if (left === 0) {
          backoff.reset();
          if (taken < PAGE && !this.#nudged) await this.#idle();
          continue;
        }
        this.#options.log.warn({ left }, 'notifications could not be published, trying again');
      } catch (error) {
        const failure = failureOf(error);
        this.#options.metrics.databaseErrors.inc({ code: codeLabel(failure.code), kind: failure.kind });
        this.#options.log.warn({ failure }, 'relay pass failed, trying again');
      }
      await pause(backoff.next(), this.#stopping.signal);
    }
  }

  #pass(): Promise<{ taken: number; left: number }> {
    return inTransaction(this.#options.db, async (tx) => {
      const messages = await takeFromOutbox(tx, PAGE);
      const ofContacts = [...groupBy(messages, ({ contactId }) => contactId).values()];
      const published = (
        await this.#withPatience((patience) =>
          Promise.all(ofContacts.map((list) => this.#publishInOrder(list, patience))),
        )
      ).flat();
      const seqs = published.map(({ seq }) => seq);
      await deleteFromOutbox(tx, seqs);
      return { taken: messages.length, left: messages.length - published.length };
    });
  }

  /** Publishes one after the other, up to the first failure. @returns the confirmed messages */
  async #publishInOrder(messages: PendingMessage[], patience: AbortSignal): Promise<PendingMessage[]> {
    const { publisher, metrics } = this.#options;
    for (const [index, { messageId, type, body, createdAt, trace }] of messages.entries()) {
      const message = {
        exchange: CONTACT_EVENTS,
        routingKey: type,
        content: Buffer.from(JSON.stringify(body)),
        messageId,
        type,
        contentType: 'application/json',
        timestamp: Math.floor(createdAt.getTime() / 1000),
        headers: {
          [HEADERS.schemaVersion]: SCHEMA_VERSION,
          [HEADERS.traceParent]: trace?.parent,
          [HEADERS.traceState]: trace?.state,
        },
      };
      const { outcome } = await publisher.publish(message, patience);
      metrics.notifications.inc({ type, outcome });
      if (outcome !== 'confirmed') return messages.slice(0, index);
    }
    return messages;
  }

  /** Runs the work with a signal that ends its patience: in time, or when the relay stops. */
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

  async #idle(): Promise<void> {
    const nudged = new AbortController();
    this.#wake = () => nudged.abort();
    if (this.#stopping.signal.aborted || this.#nudged) return;
    await pause(IDLE_MS, nudged.signal);
  }
}
