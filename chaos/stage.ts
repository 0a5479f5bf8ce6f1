/** Everything that takes part in a run: servers, network, workers, producers and the mailer; started and ended here. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { type BrokerConnection, openConnection } from '../src/broker/connection';
import { MAILER_QUEUE } from '../src/broker/names';
import { declareTopology } from '../src/broker/topology';
import { type Database, openDatabase } from '../src/store/database';
import { migrate } from '../src/store/migrate';
import { buildCli } from './build';
import type { Load } from './load';
import { Mailer } from './mailer';
import type { Options } from './options';
import { Producers } from './producers';
import { FaultProxy } from './proxy';
import { ChaosBroker } from './servers/broker';
import { ChaosDatabase } from './servers/database';
import { findPrograms } from './servers/programs';
import { Worker } from './worker';

/** So many messages may wait for the mailer; when it reads none, its queue is soon full. Limits come by policy. */
const MAILER_LIMIT = 20;

/** The two connections of one process. */
export interface Network {
  broker: FaultProxy;
  database: FaultProxy;
}

export class Stage {
  readonly workers: Worker[] = [];
  /** One for each worker. */
  readonly networks: Network[] = [];
  /** The producers' and the mailer's connections to the broker. */
  readonly outside: FaultProxy[] = [];
  readonly #ends: (() => unknown)[] = [];
  folder!: string;
  broker!: ChaosBroker;
  database!: ChaosDatabase;
  mailer!: Mailer;
  producers!: Producers;
  /** Not through any proxy: for looking, and for faults of the topology. */
  direct!: { broker: BrokerConnection; database: Database };

  constructor(private readonly options: Options) {}

  /** Everything but the producers. */
  async set(log: (line: string) => void): Promise<void> {
    const { workers, cluster } = this.options;
    const programs = await findPrograms({ log, env: process.env, durable: true });
    this.folder = await mkdtemp(join(tmpdir(), 'onecontact-chaos-'));
    const [built, broker, database] = await Promise.allSettled([
      buildCli(join(this.folder, 'app')),
      ChaosBroker.start(programs.rabbit, cluster ? 3 : 1),
      ChaosDatabase.start(programs.postgres),
    ]);
    if (broker.status === 'fulfilled') this.#ends.push(() => broker.value.stop());
    if (database.status === 'fulfilled') this.#ends.push(() => database.value.stop());
    if (built.status === 'rejected') throw built.reason;
    if (broker.status === 'rejected') throw broker.reason;
    if (database.status === 'rejected') throw database.reason;
    [this.broker, this.database] = [broker.value, database.value];
    log(
      `RabbitMQ ${this.broker.version} (${this.broker.size} node${cluster ? 's' : ''}), PostgreSQL ${this.database.version}`,
    );

    await migrate(this.database.url);
    const silent = pino({ level: 'silent' });
    const near = await this.#proxy(0);
    await declareTopology({ url: near.through(this.broker.url), log: silent });
    const pattern = `^${MAILER_QUEUE.replaceAll('.', '\\.')}$`;
    const limits = JSON.stringify({ 'max-length': MAILER_LIMIT, overflow: 'reject-publish' });
    await this.broker.ctl('set_policy', 'chaos', pattern, limits, '--apply-to', 'queues');
    this.direct = {
      broker: await openConnection({
        url: near.through(this.broker.url),
        name: 'chaos',
        log: silent,
        maxDelayMs: 1_000,
      }),
      database: openDatabase({ url: this.database.url, name: 'chaos', max: 2 }),
    };
    this.#ends.push(() => this.direct.broker.close());
    this.#ends.push(() => this.direct.database.$disconnect());
    const mail = await this.#proxy(1);
    this.outside.push(mail);
    this.mailer = await Mailer.connect(mail.through(this.broker.url), silent);
    this.#ends.push(() => this.mailer.close());
    const program = built.value;
    for (let number = 1; number <= workers; number++) await this.#addWorker(number, program);
  }

  async startProducers(load: Load): Promise<void> {
    const proxies = await Promise.all(Array.from({ length: load.producers }, (_, index) => this.#proxy(index)));
    this.outside.push(...proxies);
    const urls = proxies.map((proxy) => proxy.through(this.broker.url));
    this.producers = new Producers(load, urls, this.folder);
    this.#ends.push(() => this.producers.kill());
    await this.producers.ready();
  }

  /** Ends everything, in the reverse order; never rejects. */
  async strike(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) {
      try {
        await end();
      } catch {
        // the others must end all the same
      }
    }
  }

  async forget(): Promise<void> {
    if (this.folder) await rm(this.folder, { recursive: true, force: true });
  }

  async #addWorker(number: number, program: string): Promise<void> {
    const { broker, database } = this;
    const { hostname, port } = new URL(database.url);
    const network: Network = {
      broker: await this.#proxy(number),
      database: await this.#to([{ host: hostname, port: Number(port) }]),
    };
    const worker = new Worker({
      number,
      program,
      parts: PARTS[(number - 1) % PARTS.length] as string,
      settings: {
        AMQP_URL: network.broker.through(broker.url),
        DATABASE_URL: network.database.through(database.url),
        ...(number % 3 === 0 && { BATCH_SIZE: '20', PREFETCH: '40', CONCURRENCY: '4' }),
      },
      folder: this.folder,
    });
    this.networks.push(network);
    this.workers.push(worker);
    worker.start();
    this.#ends.push(async () => {
      worker.quit();
      await worker.kill();
    });
  }

  #proxy(first: number): Promise<FaultProxy> {
    return this.#to(this.broker.targets(first));
  }

  async #to(targets: Parameters<typeof FaultProxy.to>[0]): Promise<FaultProxy> {
    const proxy = await FaultProxy.to(targets);
    this.#ends.push(() => proxy.close());
    return proxy;
  }
}

/** Of each worker in turn. All serve HTTP, for their counters. */
const PARTS = ['fxa,newsletter,relay,http', 'fxa,relay,http', 'newsletter,relay,http'];
