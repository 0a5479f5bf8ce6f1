import type { Logger } from 'pino';
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

/** Messages of one pass, at most: they wait for their confirms together. */
const PAGE = 200;
/** How often an idle relay looks. A worker of the same process tells it at once (`nudge`). */
const IDLE_MS = 1_000;

/**
 * Publishes what is in the outbox: oldest first, each contact's messages in their order. A row is deleted when the
 * broker has confirmed its message; one that was returned, refused or not confirmed stays, and is published again under
 * the same id. Any number of processes may run one: a lock in the database lets one of them work at a time.
 *
 * States: *idle* -> *passing* -> *idle*; a failed pass leads to a pause that grows; `stop()` makes one last pass.
 */
export class Relay {
  readonly #options: RelayOptions;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #wake = (): void => undefined;
  #nudged = false;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  /** There may be something in the outbox. */
  nudge(): void {
    this.#nudged = true;
    this.#wake();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake();
    await this.#running;
    await this.#pass().catch(() => undefined); // what it leaves, the next process publishes
  }

  async #run(): Promise<void> {
    const backoff = new Backoff(200, 15_000);
    while (!this.#stopping.signal.aborted) {
      this.#nudged = false;
      try {
        const { taken, left } = await this.#pass();
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
      const published = (
        await Promise.all([...byContact(messages).values()].map((list) => this.#publishInOrder(list)))
      ).flat();
      await deleteFromOutbox(
        tx,
        published.map(({ seq }) => seq),
      );
      return { taken: messages.length, left: messages.length - published.length };
    });
  }

  /** One after the other; after a failure none of the rest. @returns those that the broker has. */
  async #publishInOrder(messages: PendingMessage[]): Promise<PendingMessage[]> {
    const { publisher, metrics } = this.#options;
    for (const [index, { messageId, type, body, createdAt, trace }] of messages.entries()) {
      const { outcome } = await publisher.publish({
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
      });
      metrics.notifications.inc({ type, outcome });
      if (outcome !== 'confirmed') return messages.slice(0, index);
    }
    return messages;
  }

  async #idle(): Promise<void> {
    const waiting = new AbortController();
    this.#wake = () => waiting.abort();
    if (this.#stopping.signal.aborted || this.#nudged) return;
    await pause(IDLE_MS, waiting.signal);
  }
}

function byContact(messages: PendingMessage[]): Map<string, PendingMessage[]> {
  const groups = new Map<string, PendingMessage[]>();
  for (const message of messages) groups.set(message.contactId, [...(groups.get(message.contactId) ?? []), message]);
  return groups;
}
