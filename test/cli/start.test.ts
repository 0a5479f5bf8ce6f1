import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { readConfig, SERVICE_NEEDS } from '../../src/config';
import { startService } from '../../src/main';
import { FXA_QUEUE, NEWSLETTER_QUEUE } from '../../src/rabbitmq/names';
import { silent, until, withBroker } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';

const CHECKOUT = resolve(__dirname, '../..');

/** `onecontact start` in its own process. */
class Start {
  readonly child: ChildProcess;
  out = '';
  err = '';
  constructor(args: string[], env: NodeJS.ProcessEnv) {
    this.child = spawn(process.execPath, ['tools/run.mjs', 'onecontact', 'start', ...args], {
      cwd: CHECKOUT,
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    });
    this.child.stdout?.setEncoding('utf8').on('data', (text) => {
      this.out += text;
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text) => {
      this.err += text;
    });
  }
  async exit(): Promise<number | null> {
    if (this.child.exitCode === null) await once(this.child, 'exit');
    return this.child.exitCode;
  }
}

describe('onecontact start', () => {
  const broker = withBroker();
  let data: TestDatabase | undefined;
  let started: Start | undefined;
  const start = (args: string[], env: NodeJS.ProcessEnv): Start => {
    started = new Start(args, env);
    return started;
  };
  beforeAll(async () => {
    data = await freshDatabase({ migrated: false });
  });
  afterAll(() => data?.drop());
  afterEach(() => {
    started?.child.kill('SIGKILL');
  });
  const env = (): NodeJS.ProcessEnv => ({
    AMQP_URL: broker().url,
    DATABASE_URL: data?.url,
    HTTP_PORT: '0',
  });

  /** Number of consumers of each of the two queues. */
  const consumers = async (): Promise<number[]> => {
    const channel = await broker().channel();
    const queues = await Promise.all([FXA_QUEUE, NEWSLETTER_QUEUE].map((queue) => channel.checkQueue(queue)));
    await channel.close();
    return queues.map(({ consumerCount }) => consumerCount);
  };

  it('refuses a database without the schema with one sentence that says what to do', async () => {
    const service = start([], env());
    expect(await service.exit()).toBe(1);
    expect(service.err).toMatch(/^onecontact: The database is \d+ migrations behind .*`onecontact migrate`[^\n]*\n$/);
  });

  it('with --migrate migrates, serves, and exits with 0 on SIGTERM, also when npm sends it twice', async () => {
    const service = start(['--migrate'], env());
    await until(() => service.out.includes('service is up'), 60_000);
    const url = /"url":"(http:[^"]+)"/.exec(service.out)?.[1] as string;
    await until(async () => (await fetch(`${url}/__heartbeat__`)).status === 200);
    await until(async () => (await consumers()).every((count) => count === 1));
    service.child.kill('SIGTERM');
    service.child.kill('SIGTERM');
    expect([await service.exit(), service.err]).toEqual([0, '']);
    for (const line of service.out.trimEnd().split('\n')) expect(JSON.parse(line)).toHaveProperty('level');
  });

  it('with --only http serves look-ups, and needs no broker', async () => {
    const service = start(['--only', 'http'], { DATABASE_URL: data?.url, HTTP_PORT: '0', LOG_FORMAT: 'pretty' });
    await until(() => service.out.includes('service is up'), 60_000);
    expect(service.out).toMatch(/^[\d:]{8} INFO {2}service is up {2}url=http:\S+ {2}parts=http$/m);
    expect(service.out).not.toContain('broker');
    service.child.kill('SIGINT');
    expect([await service.exit(), service.err]).toEqual([0, '']);
  });

  it('with --only intake takes sign-ups, and needs no database', async () => {
    const service = start(['--only', 'intake'], { AMQP_URL: broker().url, HTTP_PORT: '0' });
    await until(() => service.out.includes('service is up'), 60_000);
    const url = /"url":"(http:[^"]+)"/.exec(service.out)?.[1] as string;
    await until(async () => (await fetch(`${url}/__heartbeat__`)).status === 200);
    const body = JSON.stringify({ event: 'newsletter.subscribe', email: 'ada@mail.test', newsletters: ['x'] });
    const headers = { 'content-type': 'application/json' };
    expect((await fetch(`${url}/events/newsletter`, { method: 'POST', headers, body })).status).toBe(202);
    expect(JSON.parse((await broker().next(NEWSLETTER_QUEUE)).content.toString())).toMatchObject(JSON.parse(body));
    expect((await fetch(`${url}/contacts/by-email/ada@mail.test`)).status).toBe(404);
    service.child.kill('SIGTERM');
    expect([await service.exit(), service.err]).toEqual([0, '']);
    expect(service.out).not.toContain('mail.test');

    const migrating = start(['--only', 'intake', '--migrate'], { AMQP_URL: broker().url, HTTP_PORT: '0' });
    expect([await migrating.exit(), migrating.err]).toEqual([2, expect.stringContaining("option '--migrate' needs")]);
  });

  it('with --only and other parts serves health and metrics at any address without an API key', async () => {
    const service = start(['--only', 'newsletter'], { ...env(), HTTP_HOST: '0.0.0.0' });
    await until(() => service.out.includes('service is up'), 60_000);
    const port = /"url":"http:[^"]+:(\d+)"/.exec(service.out)?.[1];
    await until(async () => (await fetch(`http://127.0.0.1:${port}/__heartbeat__`)).status === 200);
    expect((await fetch(`http://127.0.0.1:${port}/metrics`)).status).toBe(200);
    expect(await consumers()).toEqual([0, 1]);
    service.child.kill('SIGTERM');
    expect(await service.exit()).toBe(0);
  });

  it('reports wrong credentials of the broker without a stack and without the password', async () => {
    const wrong = new URL(broker().url);
    wrong.password = 'top-secret';
    const service = start([], { ...env(), AMQP_URL: wrong.href });
    expect(await service.exit()).toBe(1);
    expect(service.err).toMatch(/^onecontact: The broker rejects the user name or password in AMQP_URL[^\n]*\n$/);
    expect(service.out).not.toContain('top-secret');
  });

  it('refuses a port in use, and an address beyond loopback without an API key', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const taken = start(['--migrate'], { ...env(), HTTP_PORT: String(port) });
    expect(await taken.exit()).toBe(1);
    expect(taken.err).toMatch(/^onecontact: Port \d+ of 127\.0\.0\.1 is already in use: set HTTP_PORT [^\n]*\n$/);
    expect(taken.out).toBe(''); // nothing has said that all is well
    other.close();
    const open = start([], { ...env(), HTTP_HOST: '0.0.0.0' });
    expect([await open.exit(), open.err]).toEqual([1, expect.stringContaining('\n  API_KEY: is not set')]);
    // Starting from code, without the command line, is refused too.
    const config = readConfig({ ...env(), HTTP_HOST: '0.0.0.0' }, SERVICE_NEEDS);
    await expect(startService(config, { log: silent })).rejects.toThrow(/^HTTP at .* would be open to everyone/);
  });

  it('can be stopped while it waits for an unreachable broker', async () => {
    const service = start([], { ...env(), AMQP_URL: 'amqp://127.0.0.1:1' });
    await until(() => service.out.includes('not reachable'), 60_000);
    service.child.kill('SIGTERM');
    expect(await service.exit()).toBe(0);
  });
});
