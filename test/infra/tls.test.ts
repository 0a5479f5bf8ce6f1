/**
 * TLS to a real RabbitMQ and PostgreSQL, with certificates that this test makes. The service and the commands run as
 * processes, because Node reads NODE_EXTRA_CA_CERTS when it starts.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { connect } from '../../src/rabbitmq/amqplib';
import { NEWSLETTER_EVENTS } from '../../src/rabbitmq/names';
import { buildProgram, type Program, ServiceProcess } from '../../tools/program/process';
import { type Services, startServices } from '../../tools/services';
import { until } from '../support/broker';
import { makeAuthority } from '../support/certificates';
import { signup } from '../support/events';
import { messageOf } from '../support/service';

const from = (process.env.ONECONTACT_TEST_FROM ?? 'none').split(',');
const own = from.every((source) => source === 'local' || source === 'fetch');

// Skipped visibly elsewhere: only servers that this test starts can have its certificates.
(own ? describe : describe.skip)(`TLS (servers from ${from.join(' and ')}; needs local or fetch)`, () => {
  let folder: string;
  let program: Program;
  let services: Services;
  const file = (name: string): string => join(folder, name);
  /** The certificate is for `localhost` alone; 127.0.0.1 is the same server under a wrong name. */
  const named = (url: string): string => url.replace('127.0.0.1', 'localhost');
  const amqps = (): string => services.amqpsUrl as string;
  const verified = (url: string, ca = file('ca.pem')): string => `${url}?sslmode=verify-full&sslrootcert=${ca}`;
  const trusting = (): Record<string, string> => ({ NODE_EXTRA_CA_CERTS: file('ca.pem') });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'onecontact-tls-'));
    const authority = makeAuthority();
    await writeFile(file('ca.pem'), authority.certificate);
    await writeFile(file('other.pem'), makeAuthority('Another CA').certificate);
    program = await buildProgram();
    services = await startServices({
      log: () => undefined,
      env: { ...process.env, ONECONTACT_SERVICES: 'local,fetch' },
      tls: authority.issue('localhost'),
    });
  }, 240_000);
  afterAll(async () => {
    await services?.stop();
    await program?.remove();
    await rm(folder, { recursive: true, force: true });
  });

  /** Runs one command as a process. */
  const command = (args: string[], env: Record<string, string>): Promise<{ code: unknown; err: string }> =>
    new Promise((resolve) => {
      const all = { PATH: process.env.PATH, HOME: process.env.HOME, ...env };
      execFile(process.execPath, [program.path, ...args], { env: all }, (error, _out, err) => {
        resolve({ code: error ? error.code : 0, err });
      });
    });

  it('the whole service runs over amqps:// with NODE_EXTRA_CA_CERTS, and PostgreSQL with verify-full and sslrootcert', async () => {
    const service = new ServiceProcess(program, {
      args: ['--migrate'],
      env: { ...trusting(), AMQP_URL: named(amqps()), DATABASE_URL: verified(named(services.databaseUrl)) },
    });
    const client = new Client({ connectionString: services.databaseUrl });
    const broker = await connect(services.amqpUrl);
    try {
      await client.connect();
      await until(() => service.isUp || service.child.exitCode !== null, 60_000);
      expect(service.err).toBe('');
      const channel = await broker.createConfirmChannel();
      const { key, body } = messageOf(signup('secret', ['x'], 1));
      channel.publish(NEWSLETTER_EVENTS, key, Buffer.from(JSON.stringify(body)));
      await channel.waitForConfirms();
      await until(async () => (await client.query('SELECT 1 FROM email_address')).rowCount === 1);
      const { rows } = await client.query(
        `SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name LIKE 'onecontact%'`,
      );
      expect(rows).toEqual([{ ssl: true }]);
      service.child.kill('SIGTERM');
      expect((await service.ended).code).toBe(0);
    } finally {
      await service.kill();
      await broker.close();
      await client.end();
    }
  }, 120_000);

  it('the CA of the database can come from NODE_EXTRA_CA_CERTS as well', async () => {
    const env = { ...trusting(), DATABASE_URL: `${named(services.databaseUrl)}?sslmode=verify-full` };
    expect(await command(['migrate'], env)).toEqual({ code: 0, err: '' });
  });

  const CA = 'is not signed by an authority that is trusted here: set';
  const HOST = 'is not valid for the host in';
  it.each<[what: string, says: string, env: () => Record<string, string>]>([
    ['wrong CA', CA, () => ({ AMQP_URL: named(amqps()) })],
    ['wrong host name', HOST, () => ({ ...trusting(), AMQP_URL: amqps() })],
    [
      'plain port',
      'does not use TLS at the port in AMQP_URL',
      () => ({ AMQP_URL: named(services.amqpUrl).replace('amqp:', 'amqps:') }),
    ],
    [
      'TLS port behind amqp://',
      'The broker cannot be reached',
      () => ({ AMQP_URL: amqps().replace('amqps:', 'amqp:') }),
    ],
  ])('a failure to connect to the broker, %s, is explained in one sentence', async (_what, says, env) => {
    const { code, err } = await command(['dead-letters', 'list'], env());
    expect([code, err]).toEqual([1, expect.stringMatching(/^onecontact: The broker[^\n]+\.\n$/)]);
    expect(err).toContain(says);
    expect(err).not.toContain(new URL(amqps()).password);
  });

  it('`start` fails at once on a wrong CA of the broker', async () => {
    const env = { AMQP_URL: named(amqps()), DATABASE_URL: services.databaseUrl, LOG_LEVEL: 'silent' };
    const { code, err } = await command(['start', '--migrate'], env);
    expect([code, err]).toEqual([1, expect.stringContaining(CA)]);
  });

  it.each<[what: string, says: string, url: () => string]>([
    ['wrong CA', CA, () => verified(named(services.databaseUrl), file('other.pem'))],
    ['wrong host name', HOST, () => verified(services.databaseUrl)],
    ['missing CA file', 'cannot be read (ENOENT)', () => verified(services.databaseUrl, file('none.pem'))],
    ['server without TLS', 'does not use TLS at', () => verified(process.env.TEST_DATABASE_URL as string)],
  ])('a failure to connect to the database, %s, is explained in one sentence', async (_what, says, url) => {
    for (const args of [['migrate'], ['export']]) {
      const { code, err } = await command(args, { DATABASE_URL: url() });
      expect([code, err]).toEqual([1, expect.stringMatching(/^onecontact: [^\n]+\.\n$/)]);
      expect(err).toContain(says);
    }
  });
});
