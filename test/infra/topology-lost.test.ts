/** What is lost on a broker under a running service is restored. On a private broker, whose vhosts and rights change. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { type Service, startService } from '../../src/main';
import { connect } from '../../src/rabbitmq/amqplib';
import { openConnection } from '../../src/rabbitmq/connection';
import { BrokerRefusal } from '../../src/rabbitmq/errors';
import {
  CONTACT_EVENTS,
  DEAD_LETTERS,
  FXA_QUEUE,
  MAILER_QUEUE,
  NEWSLETTER_EVENTS,
  NEWSLETTER_QUEUE,
  QUEUES,
  RETRY_DELAYS,
  RETRY_EXCHANGE,
  retryQueue,
} from '../../src/rabbitmq/names';
import { Publisher } from '../../src/rabbitmq/publishing/publisher';
import { deleteAll } from '../../src/rabbitmq/topology/topology';
import { ChaosBroker } from '../../tools/chaos/servers/broker';
import { fetchRabbit } from '../../tools/services/fetch-rabbitmq';
import { installedRabbit } from '../../tools/services/rabbitmq';
import { codeOf, OPERATOR_PAGES } from '../docs/mentions';
import { silent, TestBroker, until } from '../support/broker';
import { onecontact } from '../support/command-line';
import { freshDatabase, type TestDatabase } from '../support/database';
import { signup } from '../support/events';
import { config, eventually, get, publish } from '../support/service';

/** rabbitmqctl alone takes ten seconds on a loaded machine. */
jest.setTimeout(240_000);

const DEPLOY = resolve(__dirname, '../../deploy/rabbitmq');
const README = readFileSync(resolve(DEPLOY, 'README.md'), 'utf8');
const from = (process.env.ONECONTACT_TEST_FROM ?? 'none').split(',');
const own = from.every((source) => source === 'local' || source === 'fetch');
const context = { env: process.env, durable: false, log: () => undefined };

// Skipped visibly elsewhere: only a broker that this test starts can be administrated.
(own ? describe : describe.skip)(`a lost topology (servers from ${from.join(' and ')}; needs local or fetch)`, () => {
  let server: ChaosBroker;
  let database: TestDatabase;
  let service: Service | undefined;
  let broker: TestBroker | undefined;
  let made = 0;

  beforeAll(async () => {
    database = await freshDatabase();
    const programs = await installedRabbit(context).catch(() => fetchRabbit(context));
    server = await ChaosBroker.start(programs, 1);
  }, 240_000);
  afterAll(async () => {
    await server?.stop();
    await database?.drop();
  });
  afterEach(async () => {
    await service?.stop();
    await broker?.release().catch(() => undefined);
    service = undefined;
    broker = undefined;
  });

  /** The rights of a role, as the README says: configure, write and read. */
  const rights = (role: string): string[] => {
    const row = README.split('\n').find((line) => line.startsWith(`| ${role} |`)) ?? '';
    return [...row.matchAll(/`([^`]+)`/g)].map(([, pattern = '']) => pattern.replaceAll('\\|', '|'));
  };
  const user = (): string => new URL(server.url).username;
  const inVhost = (vhost: string, as?: string): string => {
    const url = new URL(server.url);
    url.pathname = `/${vhost}`;
    if (as !== undefined) [url.username, url.password] = [as, 'service'];
    return url.href;
  };
  const start = async (amqpUrl: string): Promise<void> => {
    service = await startService(config({ amqpUrl, databaseUrl: database.url }), { log: silent });
  };
  const heartbeat = () => get(service as Service, '/__heartbeat__');
  const green = () => eventually(heartbeat, ({ status }) => status === 200, 40_000);
  const red = (words: RegExp) =>
    eventually(heartbeat, ({ status, text }) => status === 500 && words.test(text), 40_000);

  /** Publishes sign-ups, and waits until their addresses are stored. */
  async function expectHandled(count: number): Promise<void> {
    const names = Array.from({ length: count }, () => `reader${++made}`);
    await publish(broker as TestBroker, ...names.map((name) => signup(name, ['x'], 1)));
    await expectStored();
  }
  const expectStored = () =>
    eventually(
      async () => (await database.sql<{ n: number }>('SELECT count(*)::int AS n FROM email_address'))[0]?.n,
      (n) => n === made,
      40_000,
    );

  it('everything is declared again after all of it was deleted, and what is published then is handled', async () => {
    broker = await TestBroker.take(server.url);
    await start(server.url);
    await green();
    await deleteAll(await broker.channel());
    await eventually(
      async () => {
        const model = await connect(server.url);
        const channel = await model.createChannel();
        channel.on('error', () => undefined);
        const all = QUEUES.map((queue) => channel.checkQueue(queue));
        return Promise.all(all).then(
          () => model.close().then(() => true),
          () => model.close().then(() => false),
        );
      },
      (isWhole) => isWhole,
    );
    await eventually(
      heartbeat,
      ({ status, text }) => status === 200 && text.includes('A queue of newsletter.events was missing'),
    );
    await expectHandled(100);
  });

  it('a deleted vhost is named by the health check; once it is created again, everything is restored', async () => {
    await server.ctl('add_vhost', 'blue');
    await server.ctl('set_permissions', '-p', 'blue', user(), '.*', '.*', '.*');
    await start(inVhost('blue'));
    await green();
    await server.ctl('delete_vhost', 'blue');
    await red(/does not open the vhost in AMQP_URL/);
    await server.ctl('add_vhost', 'blue');
    await server.ctl('set_permissions', '-p', 'blue', user(), '.*', '.*', '.*');
    await green();
    broker = await TestBroker.take(inVhost('blue'));
    await green();
    await expectHandled(10);
  });

  it('a new, empty broker behind the same name gets the topology', async () => {
    await start(server.url);
    await green();
    await server.ctl('stop_app');
    await server.ctl('reset');
    await server.ctl('start_app');
    await green();
    broker = await TestBroker.take(server.url);
    await green();
    await expectHandled(10);
  });

  it('a user without the right to configure works on what an administrator declared, and a lost right is named', async () => {
    await server.ctl('add_vhost', 'narrow');
    await server.ctl('set_permissions', '-p', 'narrow', user(), '.*', '.*', '.*');
    await server.ctl('add_user', 'service', 'service');
    const [configure, write, read] = rights('the service, on what an administrator declared');
    const grant = (what: string) =>
      server.ctl('set_permissions', '-p', 'narrow', 'service', configure as string, write as string, what);
    await grant(read as string);

    const refused = start(inVhost('narrow', 'service'));
    await expect(refused).rejects.toThrow(BrokerRefusal);
    await expect(refused).rejects.toThrow(
      /may not declare the .*, the queue contacts\.fxa, .*: grant .* `onecontact topology --apply`/,
    );

    const administrator = { AMQP_URL: inVhost('narrow'), DATABASE_URL: database.url };
    const applied = await onecontact(['topology', '--apply'], administrator);
    expect([applied.code, applied.err]).toEqual([0, '']);
    expect((await onecontact(['audit', '--json'], administrator)).out).toContain('"command":"topology"');
    expect(applied.out).toContain('rabbitmqctl set_policy --vhost narrow --priority 10');
    await start(inVhost('narrow', 'service'));
    await green();
    broker = await TestBroker.take(inVhost('narrow'));
    await grant('^contacts\\.(fxa|unrouted)$');
    await broker.deleteQueue(NEWSLETTER_QUEUE);
    await red(/The (broker user may not declare the queue|queue) contacts\.newsletter/);
    await broker.freshTopology();
    await red(/queue contacts\.newsletter is not consumed: the broker user may not read it/);
    await grant(read as string);
    await green();
    await expectHandled(10);
  });

  it('a publisher names the exchange that its user may not write to, until it may', async () => {
    await server.ctl('add_vhost', 'mute');
    await server.ctl('set_permissions', '-p', 'mute', user(), '.*', '.*', '.*');
    await server.ctl('add_user', 'mute', 'service');
    const grant = (write: string) => server.ctl('set_permissions', '-p', 'mute', 'mute', '^$', write, '.*');
    await grant('^$');
    broker = await TestBroker.take(inVhost('mute'));
    const connection = await openConnection({ url: inVhost('mute', 'mute'), name: 'test', log: silent });
    const publisher = new Publisher({ connection, log: silent });
    const message = { exchange: NEWSLETTER_EVENTS, routingKey: 'x', content: Buffer.from('{}') };
    try {
      expect(await publisher.publish(message)).toMatchObject({ outcome: 'failed' });
      expect(publisher.problems()).toEqual([
        expect.stringMatching(/publish to the exchange newsletter\.events: give the user/),
      ]);
      await grant('^newsletter\\.events$');
      await until(async () => (await publisher.publish(message)).outcome === 'confirmed', 60_000);
      expect(publisher.problems()).toEqual([]);
    } finally {
      await publisher.close();
      await connection.close();
    }
  });

  it('the rights that the README lists are enough for each role', async () => {
    await server.ctl('add_vhost', 'roles');
    await server.ctl('set_permissions', '-p', 'roles', user(), '.*', '.*', '.*');
    const roles = {
      alone: 'the service, declaring by itself',
      operator: 'the operator of dead letters',
      producer: 'a producer',
      mailer: 'the mailer',
    };
    for (const [name, role] of Object.entries(roles)) {
      await server.ctl('add_user', name, 'service');
      await server.ctl('set_permissions', '-p', 'roles', name, ...rights(role));
    }
    await start(inVhost('roles', 'alone'));
    await green();
    broker = await TestBroker.take(inVhost('roles'));
    await green();

    const producer = await connect(inVhost('roles', 'producer'));
    const publishing = await producer.createConfirmChannel();
    publishing.publish(NEWSLETTER_EVENTS, 'newsletter.subscribe', Buffer.from('not json'));
    await publishing.waitForConfirms();
    await producer.close();
    await until(async () => (await (broker as TestBroker).ready(DEAD_LETTERS)) === 1);
    const operator = { AMQP_URL: inVhost('roles', 'operator'), DATABASE_URL: database.url };
    expect((await onecontact(['dead-letters', 'replay', '--all'], operator)).out).toContain('Replayed 1 of 1');
    await until(async () => (await (broker as TestBroker).ready(DEAD_LETTERS)) === 1);
    expect((await onecontact(['dead-letters', 'drop', '--all', '--yes'], operator)).out).toContain('Dropped 1 of 1');

    await broker.send('', MAILER_QUEUE, ['a notification']);
    const mailer = await connect(inVhost('roles', 'mailer'));
    const got = new Promise((resolve) => {
      void mailer.createChannel().then((channel) => channel.consume(MAILER_QUEUE, resolve, { noAck: false }));
    });
    expect(await got).toMatchObject({ content: Buffer.from('a notification') });
    await mailer.close();
  });

  it('the commands of RabbitMQ that the pages name run', async () => {
    const node = await server.ctl('eval', 'node().');
    const codes = OPERATOR_PAGES.flatMap(codeOf).filter((code) => /^rabbitmq[a-z-]+ [a-z]/.test(code));
    const commands = codes.flatMap((code) => {
      // Those of deploy/rabbitmq are run, or compared with what runs, by the other tests.
      if (/ (set_policy|import_definitions|add_user)/.test(code)) return [];
      return [code.replace('NODE', node.trim().replaceAll("'", '')).split(' ')];
    });
    expect(commands.map(([program, command]) => `${program} ${command}`)).toEqual([
      'rabbitmq-diagnostics alarms',
      'rabbitmqctl list_consumers',
      'rabbitmqctl list_queues',
      'rabbitmq-queues grow',
    ]);
    for (const [program, ...args] of commands) await server.run(program as string, ...args);
  });

  it('the users of the README get the rights of permissions.json', async () => {
    const [, names = ''] =
      /^for user in ([a-z ]+); do rabbitmqctl add_user onecontact_\$user; done$/m.exec(README) ?? [];
    const users = names.split(' ').map((name) => `onecontact_${name}`);
    for (const name of users) await server.ctl('add_user', name, 'password');
    await server.ctl('import_definitions', resolve(DEPLOY, 'permissions.json'));
    const given = JSON.parse(await server.ctl('list_permissions', '--formatter', 'json')) as { user: string }[];
    expect(given.map(({ user }) => user)).toEqual(expect.arrayContaining(users));
  });

  it('a message that a policy lets expire is a dead letter with this reason', async () => {
    broker = await TestBroker.take(server.url);
    await server.ctl('set_policy', '--apply-to', 'queues', 'ttl', '^contacts\\.fxa$', '{"message-ttl":1}');
    await broker.send('', FXA_QUEUE, ['late'], { persistent: true });
    await until(async () => (await (broker as TestBroker).ready(DEAD_LETTERS)) === 1);
    await server.ctl('clear_policy', 'ttl');
    const { out } = await onecontact(['dead-letters', 'list', '--reason', 'expired', '--json'], {
      AMQP_URL: server.url,
    });
    expect(JSON.parse(out)).toMatchObject({ reason: 'expired', origin_queue: FXA_QUEUE });
    expect((await onecontact(['dead-letters', 'list', '--help'])).out).toMatch(/"expired",\s+"maxlen"/);
  });

  describe('with the policies that the repository ships', () => {
    beforeAll(async () => {
      const file = server.version.startsWith('3.') ? 'definitions-3.json' : 'definitions.json';
      await server.ctl('import_definitions', resolve(DEPLOY, file));
    });

    it('what is published while a queue or its binding is missing is handled', async () => {
      broker = await TestBroker.take(server.url);
      await start(server.url);
      await green();
      const channel = await broker.channel();
      await channel.unbindQueue(NEWSLETTER_QUEUE, NEWSLETTER_EVENTS, '#');
      await expectHandled(20);
      await broker.deleteQueue(NEWSLETTER_QUEUE);
      await expectHandled(20);
    });

    it('a message that contacts.events or contacts.retry cannot route is returned, as without policies', async () => {
      broker = await TestBroker.take(server.url);
      const connection = await openConnection({ url: server.url, name: 'test', log: silent });
      const publisher = new Publisher({ connection, log: silent });
      const channel = await broker.channel();
      await channel.deleteQueue(MAILER_QUEUE);
      for (const step of RETRY_DELAYS) await channel.deleteQueue(retryQueue(step));
      const content = Buffer.from('{}');
      const notification = { exchange: CONTACT_EVENTS, routingKey: 'contact.merged', content };
      const retry = { exchange: RETRY_EXCHANGE, routingKey: NEWSLETTER_QUEUE, content, headers: { delay: '5s' } };
      for (const message of [notification, retry]) {
        expect(await publisher.publish(message)).toMatchObject({ outcome: 'returned' });
      }
      await publisher.close();
      await connection.close();
    });

    it('no number of deliveries deletes a message from the mailer queue', async () => {
      const policies = JSON.parse(await server.ctl('list_policies', '--formatter', 'json')) as { definition: string }[];
      expect(policies).toHaveLength(2);
      broker = await TestBroker.take(server.url);
      await broker.send('', MAILER_QUEUE, ['kept'], { persistent: true });
      for (let delivery = 0; delivery < 25; delivery++) {
        const channel = await broker.channel();
        await until(async () => (await channel.get(MAILER_QUEUE)) !== false);
        await channel.close();
      }
      await until(async () => (await (broker as TestBroker).ready(MAILER_QUEUE)) === 1);
    });
  });
});
