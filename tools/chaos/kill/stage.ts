/** The servers of a run, and two worker processes: one that is killed, and one that then completes what it began. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ConfirmChannel } from 'amqplib';
import { Client } from 'pg';
import pino from 'pino';
import { type Database, openDatabase } from '../../../src/postgres/database';
import { type BrokerConnection, openConnection } from '../../../src/rabbitmq/connection';
import { QUEUES } from '../../../src/rabbitmq/names';
import { declareTopology } from '../../../src/rabbitmq/topology';
import type { Message } from '../message';
import { Premises } from '../premises';
import { Life } from './life';

/** Longer than anything here takes, also on a busy machine. */
const LIMIT_MS = 60_000;

export class Stage extends Premises {
  #connection!: BrokerConnection;
  #client!: Client;
  #lives = 0;
  channel!: ConfirmChannel;
  db!: Database;

  async set(log: (line: string) => void): Promise<void> {
    await this.open('kill', 1, log);
    const silent = pino({ level: 'silent' });
    await declareTopology({ url: this.broker.url, log: silent });
    this.#connection = await openConnection({ url: this.broker.url, name: 'kill run', log: silent });
    this.atEnd(() => this.#connection.close());
    await this.#connection.ready();
    this.channel = await this.#connection.createConfirmChannel();
    this.db = openDatabase({ url: this.database.url, name: 'kill run', max: 2 });
    this.atEnd(() => this.db.$disconnect());
    this.#client = new Client({ connectionString: this.database.url });
    await this.#client.connect();
    this.atEnd(() => this.#client.end());
  }

  /** A worker process of these parts; it begins to work when it is released. */
  async worker(parts: string): Promise<Life> {
    const life = await Life.begin({
      number: ++this.#lives,
      program: this.program,
      parts,
      folder: this.folder,
      urls: { broker: this.broker.url, database: this.database.url },
    });
    this.atEnd(() => life.end());
    return life;
  }

  readonly sql = async <T>(text: string, values: unknown[] = []): Promise<T[]> =>
    (await this.#client.query(text, values)).rows as T[];

  async publish(messages: readonly Message[]): Promise<void> {
    for (const { id, exchange, key, content } of messages) {
      this.channel.publish(exchange, key, Buffer.from(content), { messageId: id, persistent: true });
    }
    await this.channel.waitForConfirms();
  }

  /** Nobody may consume. */
  async emptyQueues(): Promise<void> {
    for (const queue of QUEUES) await this.channel.purgeQueue(queue);
  }

  /** Messages that are ready, and consumers, of each queue. */
  async queues(): Promise<Map<string, { messages: number; consumers: number }>> {
    const all = await Promise.all(QUEUES.map((queue) => this.channel.checkQueue(queue)));
    return new Map(
      all.map(({ queue, messageCount, consumerCount }) => [
        queue,
        { messages: messageCount, consumers: consumerCount },
      ]),
    );
  }

  /** Resolves when the broker has given back all that a worker had: that happens as its consumers end. */
  async givenBack(): Promise<void> {
    await until('the broker gives back what the worker had', async () =>
      [...(await this.queues()).values()].every(({ consumers }) => consumers === 0),
    );
  }

  async outbox(): Promise<number> {
    return (await this.sql<{ n: number }>('SELECT count(*)::int AS n FROM outbox'))[0]?.n ?? 0;
  }
}

/** @throws when it is not so in time */
export async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`not within ${LIMIT_MS / 1000} s: ${what}`);
    await delay(10);
  }
}
