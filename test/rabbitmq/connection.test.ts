import { afterEach, describe, expect, it } from '@jest/globals';
import pino from 'pino';
import { type BrokerConnection, openConnection } from '../../src/rabbitmq/connection';
import { BrokerRefusal } from '../../src/rabbitmq/errors';
import { parseAmqpUrls } from '../../src/rabbitmq/url';
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

  it('tries several hosts in turn, at the start and after each loss', async () => {
    const { proxy: one } = await start();
    const two = await TcpProxy.to(testAmqpUrl());
    try {
      const url = `${one.through(testAmqpUrl())},${two.through(testAmqpUrl())}`;
      one.down();
      connection = await openConnection({ url, name: 'test', log: silent });
      await connection.ready();
      for (const [gone, back] of [
        [two, one],
        [one, two],
      ] as const) {
        back.restore();
        const accepted = back.accepted;
        gone.down();
        await until(() => back.accepted > accepted && connection!.connected);
      }
    } finally {
      await connection?.close();
      await two.close();
    }
  });

  it('believes a refusal only when every host refuses', async () => {
    const { proxy: away } = await start();
    away.down();
    const refused = testAmqpUrl().replace(/:[^:@]+@/, ':s3cret@');
    connection = await openConnection({ url: `${refused},${away.through(testAmqpUrl())}`, name: 'test', log: silent });
    const ready = connection.ready();
    await until(() => away.accepted >= 3);
    away.restore();
    await ready;
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
    const ada = {
      protocol: 'amqp',
      hostname: '::1',
      port: 5673,
      username: 'ada',
      password: 'päss/',
      vhost: 'a%2Fb',
      heartbeat: 7,
    };
    const rabbit = { protocol: 'amqps', hostname: 'rabbit', vhost: '', heartbeat: 15 };
    const [one, two] = ['amqp://ada:p%C3%A4ss%2F@[::1]:5673/a%2Fb?heartbeat=7', 'amqps://rabbit'];
    expect(parseAmqpUrls(one)).toEqual([ada]);
    expect(parseAmqpUrls(two)).toEqual([rabbit]);
    expect(parseAmqpUrls(`${two},${one}`)).toEqual([rabbit, ada]);
    expect(parseAmqpUrls('amqp://ada:a,b,@rabbit')).toMatchObject([{ username: 'ada', password: 'a,b,' }]);
    const wrong = ['', 'rabbit:5672', 'http://s3cret@rabbit', 'amqp://', 'amqp://s3cret@rabbit:99999'];
    for (const url of [...wrong, ...wrong.map((url) => `${two},${url}`)]) {
      expect(() => parseAmqpUrls(url)).toThrow(/^AMQP_URL (is not the URL of|has several hosts in one URL)/);
      expect(() => parseAmqpUrls(url)).not.toThrow(/s3cret/);
    }
  });
});
