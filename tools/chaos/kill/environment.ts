/** The servers of a run, and worker processes: one to kill, and one to complete its work. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ConfirmChannel } from 'amqplib';
import { Client } from 'pg';
import pino from 'pino';
import { type Database, openDatabase } from '../../../src/postgres/database';
import { openConnection } from '../../../src/rabbitmq/connection';
import { QUEUES } from '../../../src/rabbitmq/names';
import { declareTopology } from '../../../src/rabbitmq/topology/topology';
import { Environment } from '../environment';
import type { Message } from '../load/message';
import { InterceptedWorker } from './worker';

/** Longer than anything here takes, also on a busy machine. */
const LIMIT_MS = 60_000;

export class KillEnvironment extends Environment {
  #client!: Client;
  #workers = 0;
  channel!: ConfirmChannel;
  db!: Database;

  async start(log: (line: string) => void): Promise<void> {
    await this.open('kill', 1, log);
    const { url } = this.broker;
    const silent = pino({ level: 'silent' });
    await declareTopology({ url, log: silent });
    const connection = await openConnection({ url, name: 'kill run', log: silent });
    this.atEnd(() => connection.close());
    await connection.ready();
    this.channel = await connection.createConfirmChannel();
    this.db = openDatabase({ url: this.database.url, name: 'kill run', max: 2 });
    this.atEnd(() => this.db.$disconnect());
    this.#client = new Client({ connectionString: this.database.url });
    await this.#client.connect();
    this.atEnd(() => this.#client.end());
  }

  /** Starts a worker process of these parts. Its connections are held until `release`. */
  async worker(parts: string): Promise<InterceptedWorker> {
    const urls = { broker: this.broker.url, database: this.database.url };
    const { program: path, folder } = this;
    const worker = await InterceptedWorker.start({ number: ++this.#workers, path, parts, folder, urls });
    this.atEnd(() => worker.end());
    return worker;
  }

  readonly sql = async <T>(text: string): Promise<T[]> => (await this.#client.query(text)).rows as T[];

  async publish(messages: readonly Message[]): Promise<void> {
    for (const { id, exchange, key, content } of messages) {
      this.channel.publish(exchange, key, Buffer.from(content), { messageId: id, persistent: true });
    }
    await this.channel.waitForConfirms();
  }

  /** The queues must have no consumer. */
  async emptyQueues(): Promise<void> {
    for (const queue of QUEUES) await this.channel.purgeQueue(queue);
  }

  /** Ready messages and consumers of each queue. */
  async queues(): Promise<Map<string, { messages: number; consumers: number }>> {
    const all = await Promise.all(QUEUES.map((queue) => this.channel.checkQueue(queue)));
    return new Map(all.map((it) => [it.queue, { messages: it.messageCount, consumers: it.consumerCount }]));
  }

  /** Resolves when the broker has requeued everything unacknowledged, which happens when consumers end. */
  async requeued(): Promise<void> {
    await until('the broker gives back what the worker had', async () =>
      [...(await this.queues()).values()].every(({ consumers }) => consumers === 0),
    );
  }

  async outbox(): Promise<number> {
    return this.db.outbox.count();
  }
}

/** @throws Error if the condition does not hold in time */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${LIMIT_MS / 1000} s: ${what}`);
    await delay(10);
  }
}
