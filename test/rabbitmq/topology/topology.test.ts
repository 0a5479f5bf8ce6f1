import { afterEach, describe, expect, it } from '@jest/globals';
import { BrokerRefusal } from '../../../src/rabbitmq/errors';
import { DEAD_LETTERS, FXA_EVENTS, FXA_QUEUE, MAILER_QUEUE, QUEUES, RETRY_EXCHANGE } from '../../../src/rabbitmq/names';
import {
  declareQueue,
  declareTopology,
  delayQueue,
  QUEUE_SPECS,
  requireVersion,
} from '../../../src/rabbitmq/topology/topology';
import { TcpProxy } from '../../../tools/proxy/tcp-proxy';
import { silent, withBroker } from '../../support/broker';

const broker = withBroker();
const url = (): string => broker().url;

describe('the topology', () => {
  let proxy: TcpProxy | undefined;
  afterEach(async () => {
    await proxy?.close();
    proxy = undefined;
  });

  it('is declared on an empty broker, and again without a change', async () => {
    for (const queue of QUEUES) await broker().deleteQueue(queue);
    await declareTopology({ url: url(), log: silent });
    await broker().send(FXA_EVENTS, 'login', ['kept']);
    await declareTopology({ url: url(), log: silent });
    expect((await broker().next(FXA_QUEUE)).content.toString()).toBe('kept');
  });

  it('lets other systems declare the mailer queue and the dead letters by their type alone', async () => {
    const channel = await broker().channel();
    for (const queue of [MAILER_QUEUE, DEAD_LETTERS]) {
      await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } });
    }
    await channel.close();
  });

  it('gives every dead-lettering queue the three arguments without which RabbitMQ silently loses messages', () => {
    const deadLettering = QUEUE_SPECS.filter((spec) => 'x-dead-letter-exchange' in spec.arguments);
    expect(deadLettering).toHaveLength(7);
    for (const spec of deadLettering) {
      expect(spec.arguments).toMatchObject({
        'x-queue-type': 'quorum',
        'x-dead-letter-strategy': 'at-least-once',
        'x-overflow': 'reject-publish',
      });
    }
  });

  it('refuses a queue that exists with other arguments, and names it', async () => {
    await broker().queue(FXA_QUEUE, { arguments: { 'x-queue-type': 'quorum' } });
    const declared = declareTopology({ url: url(), log: silent });
    await expect(declared).rejects.toThrow(BrokerRefusal);
    await expect(declared).rejects.toThrow(/queue contacts\.fxa exists .* other arguments \(x-.*delete it/);
    await broker().freshTopology();
  });

  it('refuses an exchange that exists with another type, and names it', async () => {
    const channel = await broker().channel();
    await channel.deleteExchange(RETRY_EXCHANGE);
    await channel.assertExchange(RETRY_EXCHANGE, 'fanout');
    await expect(declareTopology({ url: url(), log: silent })).rejects.toThrow(/exchange contacts\.retry exists/);
    await channel.close();
    await broker().freshTopology();
  });

  it('quotes the broker when it refuses a new queue', async () => {
    const channel = await broker().channel();
    const declared = declareQueue(channel, { name: 'contacts.none', arguments: { 'x-queue-type': 'nonsense' } });
    await expect(declared).rejects.toThrow(
      /^The broker does not accept the queue contacts\.none \(.*x-queue-type.*correct that/,
    );
  });

  it('refuses wrong credentials and an unknown vhost without showing the password', async () => {
    const wrong = new URL(url());
    wrong.password = 'top-secret';
    const unknown = new URL(url());
    unknown.pathname = '/nowhere';
    const refused = await declareTopology({ url: wrong.href, log: silent }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(BrokerRefusal);
    expect(String(refused)).toMatch(/user name or password/);
    expect(JSON.stringify(refused, Object.getOwnPropertyNames(refused)) + String(refused)).not.toContain('top-secret');
    await expect(declareTopology({ url: unknown.href, log: silent })).rejects.toThrow(/does not open the vhost/);
    await expect(declareTopology({ url: 'http://x:top-secret@y', log: silent })).rejects.toThrow(/AMQP_URL is not/);
  });

  it('waits for a broker that is not up yet', async () => {
    proxy = await TcpProxy.to(url());
    proxy.down();
    const declared = declareTopology({ url: proxy.through(url()), log: silent });
    while (proxy.accepted < 2) await new Promise((resolve) => setImmediate(resolve));
    proxy.restore();
    await declared;
  });

  it('stops waiting when aborted', async () => {
    proxy = await TcpProxy.to(url());
    proxy.down();
    const stop = new AbortController();
    const declared = declareTopology({ url: proxy.through(url()), log: silent, signal: stop.signal });
    stop.abort();
    await expect(declared).rejects.toThrow();
  });

  it('is refused on anything other than RabbitMQ 3.10 or later', () => {
    for (const version of ['3.10.0', '3.13.7', '4.0.5', '4.3.6']) {
      expect(() => requireVersion({ product: 'RabbitMQ', version })).not.toThrow();
    }
    for (const version of ['3.9.29', '2.8.1', 'unknown', undefined]) {
      expect(() => requireVersion({ product: 'RabbitMQ', version })).toThrow(/use RabbitMQ 3\.10 or later/);
    }
    expect(() => requireVersion({ product: 'LavinMQ', version: '4.0.0' })).toThrow(BrokerRefusal);
  });

  it('returns a message from a retry queue to the queue it came from, and only there', async () => {
    await broker().queue('test.delay', delayQueue('test.delay', 'test', 50));
    await broker().send(RETRY_EXCHANGE, FXA_QUEUE, ['again'], { headers: { delay: 'test' }, persistent: true });
    const message = await broker().next(FXA_QUEUE);
    expect(message.content.toString()).toBe('again');
    for (const queue of QUEUES) expect(await broker().ready(queue)).toBe(0);
  });
});
