import { afterEach, describe, expect, it } from '@jest/globals';
import pino from 'pino';
import { type BrokerConnection, openConnection } from '../../src/rabbitmq/connection';
import { BrokerRefusal } from '../../src/rabbitmq/errors';
import { parseAmqpUrl } from '../../src/rabbitmq/url';
import { TcpProxy } from '../../tools/proxy/tcp-proxy';
import { silent, testAmqpUrl, until } from '../support/broker';

describe('the connection', () => {
  let connection: BrokerConnection | undefined;
  let proxy: TcpProxy | undefined;

  async function start(log = silent) {
    proxy = await TcpProxy.to(testAmqpUrl());
    const failures: Error[] = [];
    const open = () => {
      const url = proxy!.through(testAmqpUrl());
      return openConnection({ url, name: 'test', log, onConnectFailed: (error) => void failures.push(error) });
    };
    return { proxy, open, failures };
  }

  afterEach(async () => {
    await connection?.close();
    await proxy?.close();
  });

  it('can be opened before the broker is up, and connects once it is', async () => {
    const { proxy, open, failures } = await start();
    proxy.down();
    connection = await open();
    await until(() => failures.length >= 2);
    expect(connection.connected).toBe(false);
    proxy.restore();
    await connection.ready();
    expect(connection.connected).toBe(true);
    expect(connection.serverProperties?.product).toBe('RabbitMQ');
  });

  it('emits every loss and every reconnect, and lets a channel wait for the reconnect', async () => {
    const { proxy, open } = await start();
    const seen: string[] = [];
    connection = await open();
    connection.on('up', () => void seen.push('up'));
    connection.on('down', () => void seen.push('down'));
    await until(() => seen.length === 1);
    proxy.down();
    await until(() => !connection!.connected);
    const channel = connection.createChannel();
    proxy.restore();
    await (await channel).close();
    proxy.cut();
    await until(() => seen.length === 5);
    expect(seen).toEqual(['up', 'down', 'up', 'down', 'up']);
  });

  it('survives a listener that throws', async () => {
    const { open } = await start();
    connection = await open();
    connection.on('up', () => {
      throw new Error('from a listener');
    });
    await connection.ready();
    await (await connection.createChannel()).close();
    expect(connection.connected).toBe(true);
  });

  it('closes for good while up, while down, and before it was ever up', async () => {
    const { proxy, open } = await start();
    for (const state of ['up', 'down', 'never up']) {
      if (state === 'never up') proxy.down();
      connection = await open();
      if (state !== 'never up') await connection.ready();
      if (state === 'down') proxy.down();
      const accepted = proxy.accepted;
      await connection.close();
      await connection.close();
      proxy.restore();
      expect(connection.connected).toBe(false);
      await expect(connection.createChannel()).rejects.toThrow();
      expect(proxy.accepted - accepted).toBeLessThanOrEqual(1); // an attempt may already have been under way
    }
  });

  it('closes itself and its channels even if the broker does not answer', async () => {
    const { proxy, open } = await start();
    connection = await open();
    await connection.ready();
    const channel = await connection.createChannel();
    let channelClosed = false;
    channel.on('close', () => {
      channelClosed = true;
    });
    proxy.hold('all');
    await connection.close();
    await until(() => channelClosed);
  });

  it('logs no user, password or host', async () => {
    const lines: string[] = [];
    const log = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
    connection = await openConnection({ url: 'amqp://ada:s3cret@127.0.0.1:1/vh', name: 'test', log });
    await until(() => lines.length >= 2);
    await connection.close();
    connection = await openConnection({ url: testAmqpUrl().replace(/:[^:@]+@/, ':s3cret@'), name: 'test', log });
    await expect(connection.ready()).rejects.toThrow(BrokerRefusal);
    expect(lines.join('')).not.toMatch(/s3cret|ada:|amqp:\/\//);
  });

  it('parses valid URLs, and refuses others without showing them', () => {
    expect(parseAmqpUrl('amqp://ada:p%C3%A4ss%2F@[::1]:5673/a%2Fb?heartbeat=7')).toEqual({
      protocol: 'amqp',
      hostname: '::1',
      port: 5673,
      username: 'ada',
      password: 'päss/',
      vhost: 'a%2Fb',
      heartbeat: 7,
    });
    expect(parseAmqpUrl('amqps://rabbit')).toEqual({ protocol: 'amqps', hostname: 'rabbit', vhost: '', heartbeat: 15 });
    for (const url of ['', 'rabbit:5672', 'http://s3cret@rabbit', 'amqp://', 'amqp://s3cret@rabbit:99999']) {
      expect(() => parseAmqpUrl(url)).toThrow(/^AMQP_URL is not a URL like/);
    }
  });
});
