/** The users, rights and roles of compose.yaml, on servers that load them as the containers would. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { SMTPServer } from 'smtp-server';
import { type Service, startService } from '../../src/main';
import { connect } from '../../src/rabbitmq/amqplib';
import { MAILER_QUEUE } from '../../src/rabbitmq/names';
import type { ChaosBroker } from '../../tools/chaos/servers/broker';
import type { ChaosDatabase } from '../../tools/chaos/servers/database';
import { silent } from '../support/broker';
import { onecontact } from '../support/command-line';
import { type Compose, filesOf, readCompose } from '../support/compose';
import { acct, signup } from '../support/events';
import { startPostgres, startRabbitMq } from '../support/infra';
import { config, eventually, get, messageOf } from '../support/service';

const LIMIT_MS = 120_000;
const ends: (() => Promise<unknown>)[] = [];
let compose: Compose;
let broker: ChaosBroker;
let database: ChaosDatabase;

/** The URL that a service of compose.yaml has, with the address of a server of this test. */
const urlOf = (service: string, variable: 'AMQP_URL' | 'DATABASE_URL'): string => {
  const url = new URL(compose.services[service]?.environment?.[variable] ?? '');
  const { hostname, port } = new URL(variable === 'AMQP_URL' ? broker.url : database.url);
  Object.assign(url, { hostname, port });
  return url.href;
};
const brokerUrlOf = (username: string): string =>
  Object.assign(new URL(urlOf('onecontact', 'AMQP_URL')), { username }).href;

/** @returns its log so far */
async function startMailer(): Promise<() => string> {
  const smtp = new SMTPServer({
    disabledCommands: ['AUTH', 'STARTTLS'],
    onData: (stream, _, done) => void stream.resume().on('end', done),
  });
  await new Promise<void>((listening) => void smtp.listen(0, '127.0.0.1', listening));
  ends.push(() => new Promise<void>((closed) => smtp.close(closed)));
  const child = spawn(process.execPath, ['tools/run.mjs', 'script', 'examples/mailer/main.ts'], {
    cwd: join(__dirname, '../..'),
    env: {
      ...{ PATH: process.env.PATH, HOME: process.env.HOME },
      ...compose.services.mailer?.environment,
      ...{ AMQP_URL: urlOf('mailer', 'AMQP_URL'), DATABASE_URL: urlOf('mailer', 'DATABASE_URL') },
      SMTP_URL: `smtp://127.0.0.1:${(smtp.server.address() as AddressInfo).port}`,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  ends.push(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  let log = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  return () => log;
}

async function runSql(name: string, text: string): Promise<void> {
  const client = new Client({ connectionString: Object.assign(new URL(database.url), { pathname: `/${name}` }).href });
  await client.connect();
  try {
    await client.query(text);
  } finally {
    await client.end();
  }
}

beforeAll(async () => {
  compose = await readCompose();
  const definitions = await mkdtemp(join(tmpdir(), 'onecontact-definitions-'));
  ends.push(() => rm(definitions, { recursive: true }));
  for (const { name, text } of await filesOf(compose, 'broker', '/etc/rabbitmq/onecontact'))
    await writeFile(join(definitions, name), text);
  broker = await startRabbitMq({ settings: [`load_definitions = ${definitions}`] });
  ends.push(() => broker.stop());
  database = await startPostgres();
  ends.push(() => database.stop());
  await runSql('postgres', 'CREATE DATABASE onecontact');
  for (const { name, text } of await filesOf(compose, 'database', '/docker-entrypoint-initdb.d'))
    for (const part of name.includes('roles') ? [text] : text.split(/(?<=;)\n/).filter((it) => it.trim() !== ''))
      await runSql('onecontact', part); // one by one, as psql does
});
afterAll(async () => {
  for (const end of ends.reverse()) await end();
});

describe('with the users and roles of compose.yaml', () => {
  let service: Service;

  it('the topology is declared and the schema made by their own logins, and the service runs without their rights', async () => {
    const declared = await onecontact(['topology', '--apply'], { AMQP_URL: urlOf('topology', 'AMQP_URL') });
    expect([declared.code, declared.err]).toEqual([0, '']);
    const migrated = await onecontact(['migrate'], { DATABASE_URL: urlOf('migration', 'DATABASE_URL') });
    expect([migrated.code, migrated.err]).toEqual([0, '']);
    const urls = { amqpUrl: urlOf('onecontact', 'AMQP_URL'), databaseUrl: urlOf('onecontact', 'DATABASE_URL') };
    service = await startService(config(urls), { log: silent });
    ends.push(() => service.stop());
    await eventually(
      () => get(service, '/__heartbeat__'),
      ({ status }) => status === 200,
      LIMIT_MS,
    );
  });

  it('a producer publishes, the service merges, and the example mailer is told', async () => {
    const log = await startMailer();
    const producer = await connect(brokerUrlOf('onecontact_producer'));
    const channel = await producer.createConfirmChannel();
    for (const event of [acct('u', 'first', 1), signup('second', ['x'], 2), acct('u', 'second', 3)]) {
      const { exchange, key, body } = messageOf(event);
      channel.publish(exchange, key, Buffer.from(JSON.stringify(body)));
      await channel.waitForConfirms();
    }
    await producer.close();
    await eventually(
      async () => log(),
      (text) => / contact\.merged, \d+ mails/.test(text),
      LIMIT_MS,
    );
  });

  it('the service accepts a sign-up over HTTP', async () => {
    const response = await fetch(`${service.url}/events/newsletter`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ event: 'newsletter.subscribe', email: 'grace@mail.test', newsletters: ['x'] }),
    });
    expect([response.status, await response.json()]).toEqual([202, expect.anything()]);
    await eventually(
      () => get(service, '/contacts/by-email/grace@mail.test'),
      ({ status }) => status === 200,
      LIMIT_MS,
    );
  });

  it('a producer may not read, the mailer may not publish, and the service may not change the schema', async () => {
    const refused = async (username: string, work: 'consume' | 'publish'): Promise<unknown> => {
      const connection = await connect(brokerUrlOf(username));
      connection.on('error', () => undefined);
      const channel = await connection.createConfirmChannel();
      const closed = new Promise<Error>((resolve) => channel.once('error', resolve));
      if (work === 'consume') void channel.consume(MAILER_QUEUE, () => undefined).catch(() => undefined);
      else channel.publish('newsletter.events', 'x', Buffer.from('{}'));
      const { message } = await closed;
      await connection.close().catch(() => undefined);
      return message;
    };
    expect(await refused('onecontact_producer', 'consume')).toMatch('ACCESS_REFUSED');
    expect(await refused('onecontact_mailer', 'publish')).toMatch('ACCESS_REFUSED');
    const client = new Client({ connectionString: urlOf('onecontact', 'DATABASE_URL') });
    await client.connect();
    await expect(client.query('CREATE TABLE mine (n int)')).rejects.toMatchObject({ code: '42501' });
    await client.end();
  });
});
