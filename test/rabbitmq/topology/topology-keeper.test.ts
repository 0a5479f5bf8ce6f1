import { afterEach, describe, expect, it } from '@jest/globals';
import { connect } from '../../../src/rabbitmq/amqplib';
import { type BrokerConnection, openConnection } from '../../../src/rabbitmq/connection';
import { Consumer } from '../../../src/rabbitmq/consuming/consumer';
import { BrokerRefusal } from '../../../src/rabbitmq/errors';
import {
  CONTACT_EVENTS,
  EXCHANGES,
  FXA_EVENTS,
  FXA_QUEUE,
  MAILER_QUEUE,
  NEWSLETTER_QUEUE,
  QUEUES,
} from '../../../src/rabbitmq/names';
import { Publisher } from '../../../src/rabbitmq/publishing/publisher';
import { deleteAll, QUEUE_SPECS } from '../../../src/rabbitmq/topology/topology';
import { TopologyKeeper } from '../../../src/rabbitmq/topology/topology-keeper';
import { TcpProxy } from '../../../tools/proxy/tcp-proxy';
import { exists } from '../../../tools/services/given';
import { silent, until, withBroker } from '../../support/broker';

const broker = withBroker();
/** Longer than any test: only what happens causes a check. */
const NEVER = 3_600_000;

describe('the topology keeper', () => {
  const closing: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
    await broker().freshTopology();
  });

  async function open(topology?: TopologyKeeper, url = broker().url): Promise<BrokerConnection> {
    const connection = await openConnection({ url, name: 'test', log: silent, ...(topology && { topology }) });
    closing.push(() => connection.close());
    return connection;
  }

  async function start(everyMs = NEVER, url = broker().url) {
    const restored: string[] = [];
    const connection = await open(undefined, url);
    const onRestored = (parts: readonly string[]) => void restored.push(...parts);
    const keeper = new TopologyKeeper({ connection, log: silent, everyMs, onRestored });
    closing.push(() => keeper.close());
    await keeper.ready();
    return { keeper, connection, restored };
  }

  /** The parts that do not exist. */
  async function missing(): Promise<string[]> {
    const model = await connect(broker().url);
    const names: string[] = [];
    for (const queue of QUEUES) if (!(await exists(model, (channel) => channel.checkQueue(queue)))) names.push(queue);
    for (const exchange of EXCHANGES) {
      if (!(await exists(model, (channel) => channel.checkExchange(exchange)))) names.push(exchange);
    }
    await model.close();
    return names;
  }
  const isWhole = async (): Promise<boolean> => (await missing()).length === 0;

  it('declares every queue and exchange that disappears, and counts it', async () => {
    const { keeper, restored } = await start(1_000);
    const channel = await broker().channel();
    for (const queue of QUEUES) await channel.deleteQueue(queue);
    await until(isWhole);
    for (const exchange of EXCHANGES) await channel.deleteExchange(exchange);
    await until(isWhole);
    await until(() => QUEUES.every((queue) => restored.includes(`queue ${queue}`)));
    await until(() => EXCHANGES.every((exchange) => restored.includes(`exchange ${exchange}`)));
    expect(keeper.problems()).toEqual([]);
  });

  it('restores every binding that disappears', async () => {
    await start(1_000);
    const channel = await broker().channel();
    for (const { name, binding } of QUEUE_SPECS) {
      if (binding === undefined) continue;
      const { exchange, pattern, arguments: args = {} } = binding;
      await channel.unbindQueue(name, exchange, pattern, args);
      const arrives = async (): Promise<boolean> => {
        await broker().send(exchange, 'contact.merged', ['x'], { headers: { delay: args.delay } });
        return (await broker().ready(name)) > 0;
      };
      await until(arrives);
    }
  });

  it('names a queue that has other arguments until it is deleted, and restores everything else meanwhile', async () => {
    const { keeper } = await start(1_000);
    await broker().queue(FXA_QUEUE, { arguments: { 'x-queue-type': 'quorum' } });
    await until(() => keeper.problems().length > 0);
    expect(keeper.problems()).toEqual([
      expect.stringMatching(/^The queue contacts\.fxa exists on the broker with other arguments \(x-.*delete it/),
    ]);
    for (const queue of [NEWSLETTER_QUEUE, MAILER_QUEUE]) await broker().deleteQueue(queue);
    await until(isWhole);
    await broker().deleteQueue(FXA_QUEUE);
    await until(() => keeper.problems().length === 0);
    expect(await missing()).toEqual([]);
  });

  it('refuses to become ready where a queue has other arguments', async () => {
    await broker().queue(FXA_QUEUE, { arguments: { 'x-queue-type': 'quorum' } });
    await expect(start()).rejects.toThrow(BrokerRefusal);
  });

  it('declares everything when its connection comes back', async () => {
    const proxy = await TcpProxy.to(broker().url);
    closing.push(() => proxy.close());
    const { keeper, connection } = await start(NEVER, proxy.through(broker().url));
    proxy.down();
    await until(() => !connection.connected);
    expect(keeper.problems()).toEqual([expect.stringMatching(/^The (connection to the )?broker/)]);
    await deleteAll(await broker().channel());
    proxy.restore();
    await until(isWhole);
    await until(() => keeper.problems().length === 0);
  });

  it('restores a queue whose consumer is cancelled, and then it is consumed again', async () => {
    const { keeper } = await start();
    const connection = await open(keeper);
    const got: string[] = [];
    const consumer = new Consumer({
      connection,
      queue: NEWSLETTER_QUEUE,
      prefetch: 10,
      log: silent,
      onMessage: (delivery) => void got.push(delivery.content.toString()),
    });
    closing.push(() => consumer.stop());
    await until(() => consumer.problems().length === 0);
    await broker().deleteQueue(NEWSLETTER_QUEUE);
    await until(isWhole);
    await broker().send('', NEWSLETTER_QUEUE, ['after']);
    await until(() => got.length === 1);
    expect(consumer.problems()).toEqual([]);
    expect(keeper.hints()).toEqual([expect.stringContaining('A queue of newsletter.events was missing')]);
  });

  it('restores the exchange and the binding that a publish misses', async () => {
    const { keeper } = await start();
    const publisher = new Publisher({ connection: await open(keeper), log: silent });
    closing.push(() => publisher.close());
    const message = { exchange: CONTACT_EVENTS, routingKey: 'contact.merged', content: Buffer.from('{}') };
    const isTaken = async (): Promise<boolean> => (await publisher.publish(message)).outcome === 'confirmed';
    const channel = await broker().channel();
    await channel.deleteExchange(CONTACT_EVENTS);
    expect((await publisher.publish(message)).outcome).toBe('failed');
    await until(isTaken);
    await channel.unbindQueue(MAILER_QUEUE, CONTACT_EVENTS, 'contact.#');
    expect((await publisher.publish(message)).outcome).toBe('returned');
    await until(isTaken);
  });

  it('connects anew when it is asked again and again although nothing is missing: the asker may see another broker', async () => {
    const proxy = await TcpProxy.to(broker().url);
    closing.push(() => proxy.close());
    const { keeper, connection } = await start(NEVER, proxy.through(broker().url));
    let reconnects = 0;
    connection.on('up', () => (reconnects += 1));
    while (reconnects === 0) expect(await keeper.check()).toBe(true);
    expect(await keeper.check()).toBe(true);
  });

  it('closes while its broker is away', async () => {
    const proxy = await TcpProxy.to(broker().url);
    closing.push(() => proxy.close());
    const { keeper, connection } = await start(NEVER, proxy.through(broker().url));
    proxy.down();
    await until(() => !connection.connected);
    const checked = keeper.check();
    await keeper.close();
    expect(await checked).toBe(false);
  });

  it('says of a consumer without a queue that it is declared again', async () => {
    const connection = await open();
    await connection.ready();
    await broker().deleteQueue(NEWSLETTER_QUEUE);
    const consumer = new Consumer({
      connection,
      queue: NEWSLETTER_QUEUE,
      prefetch: 1,
      log: silent,
      onMessage: () => undefined,
    });
    closing.push(() => consumer.stop());
    await until(() => /the queue does not exist/.test(consumer.problems().join()));
    await broker().freshTopology();
    await until(() => consumer.problems().length === 0);
  });

  it('sends what the exchange for account events gets to its queue after all of it was deleted', async () => {
    const { keeper } = await start();
    await deleteAll(await broker().channel());
    expect(await keeper.check()).toBe(true);
    await broker().send(FXA_EVENTS, 'login', ['again']);
    expect((await broker().next(FXA_QUEUE)).content.toString()).toBe('again');
  });
});
