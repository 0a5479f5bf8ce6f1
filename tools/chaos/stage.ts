/** Everything that takes part in a run: servers, network, workers, producers and the mailer; started and ended here. */
import pino from 'pino';
import { type Database, openDatabase } from '../../src/postgres/database';
import { type BrokerConnection, openConnection } from '../../src/rabbitmq/connection';
import { MAILER_QUEUE } from '../../src/rabbitmq/names';
import { declareTopology } from '../../src/rabbitmq/topology';
import { TcpProxy } from '../proxy/tcp-proxy';
import type { Load } from './load';
import { Mailer } from './mailer';
import type { Options } from './options';
import { Premises } from './premises';
import { Producers } from './producers';
import { Worker } from './worker';

/** So many messages may wait for the mailer; when it reads none, its queue is soon full. Limits come by policy. */
const MAILER_LIMIT = 20;

/** The two connections of one process. */
export interface Network {
  broker: TcpProxy;
  database: TcpProxy;
}

export class Stage extends Premises {
  readonly workers: Worker[] = [];
  /** One for each worker. */
  readonly networks: Network[] = [];
  /** The producers' and the mailer's connections to the broker. */
  readonly outside: TcpProxy[] = [];
  mailer!: Mailer;
  producers!: Producers;
  /** Not through any proxy: for looking, and for faults of the topology. */
  direct!: { broker: BrokerConnection; database: Database };

  constructor(private readonly options: Options) {
    super();
  }

  /** Everything but the producers. */
  async set(log: (line: string) => void): Promise<void> {
    const { workers, cluster } = this.options;
    await this.open('chaos', cluster ? 3 : 1, log);
    log(
      `RabbitMQ ${this.broker.version} (${this.broker.size} node${cluster ? 's' : ''}), PostgreSQL ${this.database.version}`,
    );

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
    this.atEnd(() => this.direct.broker.close());
    this.atEnd(() => this.direct.database.$disconnect());
    const mail = await this.#proxy(1);
    this.outside.push(mail);
    this.mailer = await Mailer.connect(mail.through(this.broker.url), silent);
    this.atEnd(() => this.mailer.close());
    for (let number = 1; number <= workers; number++) await this.#addWorker(number);
  }

  async startProducers(load: Load): Promise<void> {
    const proxies = await Promise.all(Array.from({ length: load.producers }, (_, index) => this.#proxy(index)));
    this.outside.push(...proxies);
    const urls = proxies.map((proxy) => proxy.through(this.broker.url));
    this.producers = new Producers(load, urls, this.folder);
    this.atEnd(() => this.producers.kill());
    await this.producers.ready();
  }

  async #addWorker(number: number): Promise<void> {
    const { broker, database, program } = this;
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
    this.atEnd(async () => {
      worker.quit();
      await worker.kill();
    });
  }

  #proxy(first: number): Promise<TcpProxy> {
    return this.#to(this.broker.targets(first));
  }

  async #to(targets: Parameters<typeof TcpProxy.to>[0]): Promise<TcpProxy> {
    const proxy = await TcpProxy.to(targets);
    this.atEnd(() => proxy.close());
    return proxy;
  }
}

/** Of each worker in turn. All serve HTTP, for their counters. */
const PARTS = ['fxa,newsletter,relay,http', 'fxa,relay,http', 'newsletter,relay,http'];
