/** Everything that takes part in a run: servers, network, workers, producers and the mailer. */
import pino from 'pino';
import { type Database, openDatabase } from '../../src/postgres/database';
import { type BrokerConnection, openConnection } from '../../src/rabbitmq/connection';
import { MAILER_QUEUE } from '../../src/rabbitmq/names';
import { declareTopology } from '../../src/rabbitmq/topology/topology';
import { TcpProxy } from '../proxy/tcp-proxy';
import { findPgBouncer } from '../services/fetch-programs';
import { Mailer } from './checks/mailer';
import { Environment } from './environment';
import type { Load } from './load/load';
import { Producers } from './load/producers';
import type { Options } from './options';
import { ChaosPooler } from './servers/pooler';
import { Worker } from './servers/worker';

/** The mailer's queue is soon full when it reads nothing. Limits are set by policy. */
const MAILER_LIMIT = 20;
/** Assigned to the workers in turn. All serve HTTP, for their counters. */
const PARTS = [
  'fxa,newsletter,relay,maintenance,http',
  'fxa,relay,maintenance,http',
  'newsletter,relay,maintenance,http',
];

/**
 * Without pauses, and again at once. All events of a run are years old and come in any order, so nothing of them may be
 * removed: the checks compare with what the domain makes of all events.
 */
const COMPACTION = { COMPACTION_OLDER_THAN: '36500d', COMPACTION_EVERY: '1s', COMPACTION_PERCENT: '100' };

/** The two connections of one process. */
export interface Network {
  broker: TcpProxy;
  database: TcpProxy;
}

export class Participants extends Environment {
  readonly workers: Worker[] = [];
  /** One for each worker. */
  readonly networks: Network[] = [];
  /** The producers' and the mailer's connections to the broker. */
  readonly outside: TcpProxy[] = [];
  /** Of these, the producers' own. */
  readonly producerProxies: TcpProxy[] = [];
  /** Leads to the primary, whichever that is. */
  databaseSwitch!: TcpProxy;
  /** Stands between the switch and some of the workers. */
  pooler!: ChaosPooler;
  readonly pooled: Worker[] = [];
  mailer!: Mailer;
  producers!: Producers;
  /** Not affected by network faults: for monitoring and for faults of the topology. */
  direct!: { broker: BrokerConnection; database: Database };

  constructor(private readonly options: Options) {
    super();
  }

  /** Starts everything but the producers. */
  async start(log: (line: string) => void): Promise<void> {
    const { workers, cluster } = this.options;
    await this.open('chaos', cluster ? 3 : 1, log);
    const nodes = `${this.broker.size} node${cluster ? 's' : ''}`;
    log(`RabbitMQ ${this.broker.version} (${nodes}), PostgreSQL ${this.database.version}`);

    const { hostname: host, port } = new URL(this.database.url);
    this.databaseSwitch = await this.#proxyTo([{ host, port: Number(port) }]);
    const url = this.databaseSwitch.through(this.database.url);
    this.pooler = await ChaosPooler.start(await findPgBouncer({ log, env: process.env, durable: true }), { url });
    this.atEnd(() => this.pooler.stop());

    const silent = pino({ level: 'silent' });
    const direct = (await this.#proxyTo(this.broker.targets())).through(this.broker.url);
    await declareTopology({ url: direct, log: silent });
    const pattern = `^${MAILER_QUEUE.replaceAll('.', '\\.')}$`;
    const limits = JSON.stringify({ 'max-length': MAILER_LIMIT, overflow: 'reject-publish' });
    await this.broker.ctl('set_policy', 'chaos', pattern, limits, '--apply-to', 'queues');
    this.direct = {
      broker: await openConnection({ url: direct, name: 'chaos', log: silent, maxDelayMs: 1_000 }),
      database: openDatabase({ url: this.databaseSwitch.through(this.database.url), name: 'chaos', max: 2 }),
    };
    this.atEnd(() => this.direct.broker.close());
    this.atEnd(() => this.direct.database.$disconnect());
    this.mailer = await Mailer.connect(await this.#outsideUrl(1), silent);
    this.atEnd(() => this.mailer.close());
    for (let number = 1; number <= workers; number++) await this.#addWorker(number);
  }

  async startProducers(load: Load): Promise<void> {
    const urls: string[] = [];
    for (let number = 0; number < load.producers; number++) urls.push(await this.#outsideUrl(number));
    this.producerProxies.push(...this.outside.slice(-load.producers));
    this.producers = new Producers(load, urls, this.folder);
    this.atEnd(() => this.producers.kill());
    await this.producers.ready();
  }

  async #addWorker(number: number): Promise<void> {
    const { broker, database, program, folder } = this;
    const isPooled = number % 3 === 2;
    const target = isPooled ? this.pooler.url : this.databaseSwitch.through(database.url);
    const network: Network = {
      broker: await this.#proxyTo(broker.targets(number)),
      database: await this.#proxyTo(target),
    };
    const env = {
      AMQP_URL: network.broker.through(broker.url),
      DATABASE_URL: network.database.through(database.url),
      ...COMPACTION,
      ...(number % 3 === 0 && { BATCH_SIZE: '20', PREFETCH: '40', CONCURRENCY: '4' }),
    };
    const args = ['--only', PARTS[(number - 1) % PARTS.length] as string];
    const worker = new Worker({ number, program, args, env, folder });
    this.networks.push(network);
    this.workers.push(worker);
    if (isPooled) this.pooled.push(worker);
    this.atEnd(() => worker.kill());
  }

  /** @param firstNode of the broker, to try first */
  async #outsideUrl(firstNode: number): Promise<string> {
    const proxy = await this.#proxyTo(this.broker.targets(firstNode));
    this.outside.push(proxy);
    return proxy.through(this.broker.url);
  }

  async #proxyTo(targets: Parameters<typeof TcpProxy.to>[0]): Promise<TcpProxy> {
    const proxy = await TcpProxy.to(targets);
    this.atEnd(() => proxy.close());
    return proxy;
  }
}
