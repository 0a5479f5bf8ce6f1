/** A start waits for what may come back, with HTTP up and health red; it refuses what only an operator can mend. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pino from 'pino';
import { type Service, startService } from '../../src/main';
import type { Part } from '../../src/service/parts';
import { TcpProxy } from '../../tools/proxy/tcp-proxy';
import { until, withBroker } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';
import { signup } from '../support/events';
import { config, eventually, publish } from '../support/service';

const broker = withBroker();

describe('a service that starts', () => {
  let database: TestDatabase;
  let proxies: TcpProxy[];
  let starting: Promise<Service> | undefined;
  let lines: string[];

  beforeEach(async () => {
    await broker().freshTopology();
    database = await freshDatabase();
    proxies = [];
    lines = [];
    starting = undefined;
  });
  afterEach(async () => {
    for (const proxy of proxies) proxy.restore();
    await (await starting?.catch(() => undefined))?.stop();
    for (const proxy of proxies) await proxy.close();
    await database.drop();
  });

  interface Options {
    only?: readonly Part[];
    amqpUrl?: string;
    databaseUrl?: string;
  }
  function start({ only, amqpUrl = broker().url, databaseUrl = database.url }: Options = {}): Promise<Service> {
    const log = pino({ level: 'info' }, { write: (line) => void lines.push(line) });
    starting = startService(config({ amqpUrl, databaseUrl }), { log, ...(only && { only }) });
    starting.catch(() => undefined);
    return starting;
  }
  /** Waits until HTTP listens. */
  async function url(): Promise<string> {
    await until(() => lines.some((line) => line.includes('HTTP is listening')));
    return /"url":"([^"]+)"/.exec(lines.join(''))?.[1] as string;
  }
  /** Waits until the health check is red for this reason. */
  async function isRed(part: string, reason: RegExp): Promise<void> {
    const base = await url();
    const answer = await eventually(
      async () => {
        const response = await fetch(`${base}/__heartbeat__`);
        return { status: response.status, text: await response.text() };
      },
      ({ text }) => reason.test(JSON.parse(text).details[part]?.messages[`onecontact.${part}`] ?? ''),
    );
    expect(answer.status).toBe(500);
    expect(JSON.parse(answer.text).checks).toMatchObject({ service: 'error', [part]: 'error' });
    expect((await fetch(`${base}/__lbheartbeat__`)).status).toBe(200);
    expect((await fetch(`${base}/metrics`)).status).toBe(200);
  }
  async function through(target: string): Promise<{ proxy: TcpProxy; url: string }> {
    const proxy = await TcpProxy.to(target);
    proxies.push(proxy);
    return { proxy, url: proxy.through(target) };
  }
  /** The service handles messages. */
  async function isUp(): Promise<void> {
    const service = await (starting as Promise<Service>);
    await publish(broker(), signup('ada', ['x'], 1));
    await eventually(
      async () => (await fetch(`${service.url}/contacts/by-email/ada@mail.test`)).status,
      (status) => status === 200,
    );
    await eventually(
      async () => (await fetch(`${service.url}/__heartbeat__`)).status,
      (status) => status === 200,
    );
  }

  it('waits for a database that refuses connections, and answers look-ups 503 meanwhile', async () => {
    const { proxy, url: databaseUrl } = await through(database.url);
    proxy.down();
    void start({ databaseUrl });
    await isRed('database', /The database cannot be used \(\w+\): check DATABASE_URL/);
    expect((await fetch(`${await url()}/contacts/by-email/ada@mail.test`)).status).toBe(503);
    proxy.restore();
    await isUp();
  });

  it('waits for a database without free connections', async () => {
    const role = `starting_${Date.now()}`;
    await database.sql(`CREATE ROLE ${role} LOGIN PASSWORD 'x' CONNECTION LIMIT 0`);
    await database.sql(`GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role}`);
    await database.sql(`GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO ${role}`);
    try {
      const databaseUrl = Object.assign(new URL(database.url), { username: role, password: 'x' }).href;
      void start({ databaseUrl });
      await isRed('database', /The database cannot be used \(53300\)/);
      await database.sql(`ALTER ROLE ${role} CONNECTION LIMIT -1`);
      await isUp();
      await (await starting)?.stop();
    } finally {
      await database.sql(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
  });

  it('waits for a database that is read-only', async () => {
    const setReadOnly = (value: string) =>
      database.sql(`DO $$ BEGIN
        SET default_transaction_read_only = off;
        EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = ${value}', current_database()); END $$`);
    await setReadOnly('on');
    void start();
    await isRed('database', /read-only/);
    await database.sql('SET default_transaction_read_only = off');
    await setReadOnly('off');
    await isUp();
  });

  it('waits for a broker that refuses connections', async () => {
    const { proxy, url: amqpUrl } = await through(broker().url);
    proxy.down();
    void start({ amqpUrl });
    await isRed('publishing', /The broker cannot be reached.*: check AMQP_URL/);
    proxy.restore();
    await isUp();
  });

  it.each<[string, (url: URL) => void, RegExp]>([
    ['password', (it) => (it.password = 'wrong'), /the server rejects the user or password in DATABASE_URL/],
    ['database name', (it) => (it.pathname = '/no_such_database'), /the database named in DATABASE_URL does not exist/],
  ])('is refused with a sentence for a wrong %s', async (_, change, sentence) => {
    const role = `refused_${Date.now()}`;
    await database.sql(`CREATE ROLE ${role} LOGIN PASSWORD 'right'`);
    try {
      const wrong = Object.assign(new URL(database.url), { username: role, password: 'right' });
      change(wrong);
      const refused = start({ databaseUrl: wrong.href });
      await expect(refused).rejects.toThrow(sentence);
      const base = /"url":"([^"]+)"/.exec(lines.join(''))?.[1];
      await expect(fetch(`${base}/__lbheartbeat__`)).rejects.toThrow(); // everything is closed
    } finally {
      await database.sql(`DROP ROLE ${role}`);
    }
  });
});
