/** A service as in production, with a broker and a database of its own that a test may treat as it likes. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Channel } from 'amqplib';
import { Client } from 'pg';
import { migrate } from '../../src/postgres/migrations/migrate';
import { connect } from '../../src/rabbitmq/amqplib';
import type { ChaosBroker } from '../../tools/chaos/servers/broker';
import type { ChaosDatabase } from '../../tools/chaos/servers/database';
import { buildProgram, type Program, Supervised } from '../../tools/program/process';
import { type Family, parseMetrics } from '../../tools/prometheus';
import { TcpProxy } from '../../tools/proxy/tcp-proxy';
import { until } from '../support/broker';
import { addressOf, signup } from '../support/events';
import { startPostgres, startRabbitMq } from '../support/infra';
import { messageOf } from '../support/service';

/** The service's own login at both servers. It is not an administrator's: faults concern the service alone. */
export const USER = 'service';
export const PASSWORD = 'first-password';
export const DATABASE = 'contacts';
const ANSWER_MS = 5_000;
/** A broker that blocks publishers confirms nothing. */
const CONFIRM_MS = 5_000;

export interface Health {
  status: number;
  text: string;
}

/** The service's process, which a supervisor restarts, and its log. */
class Running extends Supervised {
  get url(): string | undefined {
    return this.running?.url;
  }
  get log(): string {
    return this.running?.out ?? '';
  }
}

export class World {
  readonly #ends: (() => Promise<unknown>)[] = [];
  #events = 0;
  program!: Program;
  service!: Running;
  /** The server that is the broker; tests may replace it and lead the switch there. */
  broker!: ChaosBroker;
  /** The primary; tests may replace it and lead the switch there. */
  database!: ChaosDatabase;
  brokerSwitch!: TcpProxy;
  databaseSwitch!: TcpProxy;

  /** @param databaseUrl the URL that the service gets, if not that of the switch */
  static async start(databaseUrl?: (world: World) => Promise<string>): Promise<World> {
    const world = new World();
    try {
      await world.#start(databaseUrl);
      return world;
    } catch (error) {
      await world.stop();
      throw error;
    }
  }

  async #start(databaseUrl?: (world: World) => Promise<string>): Promise<void> {
    this.program = await buildProgram();
    this.atEnd(() => this.program.remove());
    this.broker = await startRabbitMq();
    this.atEnd(() => this.broker.stop());
    await this.broker.ctl('add_user', USER, PASSWORD);
    await this.permitAll();
    this.database = await startPostgres();
    this.atEnd(() => this.database.stop());
    await this.sql(`CREATE ROLE ${USER} LOGIN PASSWORD '${PASSWORD}'`, 'postgres');
    await this.sql(`CREATE DATABASE ${DATABASE} OWNER ${USER}`, 'postgres');
    this.brokerSwitch = await TcpProxy.to(this.broker.url);
    this.databaseSwitch = await TcpProxy.to(this.database.url);
    this.atEnd(() => this.brokerSwitch.close());
    this.atEnd(() => this.databaseSwitch.close());
    await migrate(this.serviceUrl);
    const env = {
      AMQP_URL: this.brokerSwitch.through(`amqp://${USER}:${PASSWORD}@127.0.0.1`),
      DATABASE_URL: (await databaseUrl?.(this)) ?? this.databaseSwitch.through(this.serviceUrl),
    };
    this.service = new Running(this.program, { env });
    this.service.start();
    this.atEnd(() => this.service.kill());
    await until(async () => (await this.health()).status === 200, 120_000);
  }

  /** Lets the service's user do everything on the broker. */
  permitAll(): Promise<string> {
    return this.broker.ctl('set_permissions', USER, '.*', '.*', '.*');
  }

  /** Works on a channel of an administrator, not through the switch. */
  async onBroker<T>(work: (channel: Channel) => Promise<T>): Promise<T> {
    const connection = await connect(this.broker.url, { timeout: ANSWER_MS });
    connection.on('error', () => undefined);
    try {
      return await work(await connection.createChannel());
    } finally {
      await connection.close().catch(() => undefined);
    }
  }

  atEnd(end: () => Promise<unknown>): void {
    this.#ends.push(end);
  }

  async stop(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end().catch(() => undefined);
  }

  /** The service's database on the primary, not through the switch. */
  get serviceUrl(): string {
    const url = new URL(this.database.url);
    Object.assign(url, { username: USER, password: PASSWORD, pathname: `/${DATABASE}` });
    return url.href;
  }

  /** Runs a statement on the primary as its superuser. */
  async sql<T extends object = Record<string, unknown>>(text: string, database = DATABASE): Promise<T[]> {
    const url = new URL(this.database.url);
    url.pathname = `/${database}`;
    const client = new Client({ connectionString: url.href });
    await client.connect();
    try {
      return (await client.query(text)).rows as T[];
    } finally {
      await client.end();
    }
  }

  /** Status 0: it does not answer. */
  health(): Promise<Health> {
    return this.get('/__heartbeat__');
  }

  async get(path: string): Promise<Health> {
    const { url } = this.service;
    if (!url) return { status: 0, text: 'not up' };
    try {
      const answer = await fetch(`${url}${path}`, { signal: AbortSignal.timeout(ANSWER_MS) });
      return { status: answer.status, text: await answer.text() };
    } catch (error) {
      return { status: 0, text: (error as Error).message };
    }
  }

  async metrics(): Promise<Map<string, Family>> {
    const { status, text } = await this.get('/metrics');
    return status === 200 ? parseMetrics(text) : new Map();
  }

  /** Publishes sign-ups of new readers. @returns the addresses of those that the broker has accepted and routed */
  async publish(count: number): Promise<string[]> {
    const events = Array.from({ length: count }, () => signup(`reader${++this.#events}`, ['news'], 1));
    const bodies = events.map((event) => messageOf(event));
    const accepted = await this.send(
      bodies.map(({ exchange, key, body }) => ({ exchange, key, body: JSON.stringify(body) })),
    );
    const first = this.#events - count + 1;
    return accepted.flatMap((isAccepted, index) => (isAccepted ? addressOf(`reader${first + index}`).key : []));
  }

  /** @returns of each message, whether the broker has accepted and routed it */
  async send(messages: readonly { exchange: string; key: string; body: string }[]): Promise<boolean[]> {
    const accepted = messages.map(() => false);
    const connection = await connect(this.broker.url, { timeout: ANSWER_MS }).catch(() => undefined);
    if (!connection) return accepted;
    connection.on('error', () => undefined);
    try {
      const channel = await connection.createConfirmChannel();
      channel.on('error', () => undefined);
      const returned = new Set<number>();
      channel.on('return', ({ properties }) => returned.add(Number(properties.messageId)));
      const publishing = messages.map(
        ({ exchange, key, body }, index) =>
          new Promise<void>((resolve) => {
            const options = { mandatory: true, persistent: true, messageId: String(index) };
            channel.publish(exchange, key, Buffer.from(body), options, (error) => {
              accepted[index] = !error && !returned.has(index);
              resolve();
            });
          }),
      );
      await Promise.race([Promise.all(publishing), delay(CONFIRM_MS, undefined, { ref: false })]);
    } catch {
      // the channel was closed: nothing more is accepted
    } finally {
      await connection.close().catch(() => undefined);
    }
    return accepted;
  }

  /** Waits until the sign-ups of these addresses are in the database. */
  async handled(addresses: readonly string[], limitMs = 120_000): Promise<void> {
    const list = addresses.map((address) => `'${address}'`).join();
    if (list === '') return;
    await until(async () => {
      const rows = await this.sql(`SELECT FROM email_address WHERE address IN (${list})`).catch(() => []);
      return rows.length === addresses.length;
    }, limitMs);
  }

  /** Ready and unacknowledged messages; -1 if the queue does not exist. */
  async messagesIn(queue: string): Promise<number> {
    return (await this.broker.queues()).find(({ name }) => name === queue)?.messages ?? -1;
  }
}
