/** Passwords are changed under a running service, for a real role of PostgreSQL and a real user of RabbitMQ. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { readConfig, SERVICE_NEEDS } from '../../src/config';
import { type Service, startService } from '../../src/main';
import { DEAD_LETTERS, RETRY_DELAYS, retryQueue } from '../../src/rabbitmq/names';
import { ChaosBroker } from '../../tools/chaos/servers/broker';
import { findPrograms } from '../../tools/chaos/servers/programs';
import { silent, TestBroker } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';
import { signup } from '../support/events';
import { eventually, get, publish } from '../support/service';

const from = (process.env.ONECONTACT_TEST_FROM ?? 'none').split(',');
const own = from.every((source) => source === 'local' || source === 'fetch');
const USER = `rotating_${randomBytes(4).toString('hex')}`;

function withLogin(url: string, password: string): string {
  const changed = new URL(url);
  changed.username = USER;
  changed.password = password;
  return changed.href;
}

// Skipped visibly elsewhere: a role and a user can be made only on servers that this test starts.
(own ? describe : describe.skip)(`rotation (servers from ${from.join(' and ')}; needs local or fetch)`, () => {
  let folder: string;
  let server: ChaosBroker;
  let broker: TestBroker;
  let database: TestDatabase;
  let service: Service | undefined;
  const amqpFile = (): string => join(folder, 'amqp-url');
  const databaseFile = (): string => join(folder, 'database-url');
  const setRole = (password: string) => database.sql(`ALTER ROLE ${USER} PASSWORD '${password}'`);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'onecontact-rotation-'));
    const context = { env: process.env, durable: false, log: () => undefined };
    const programs = await findPrograms({ ...context, env: { ...process.env, ONECONTACT_SERVICES: 'local,fetch' } });
    server = await ChaosBroker.start(programs.rabbit, 1);
    await server.ctl('add_user', USER, 'first');
    await server.ctl('set_permissions', USER, '.*', '.*', '.*');
    broker = await TestBroker.take(server.url);
    database = await freshDatabase();
    await database.sql(`CREATE ROLE ${USER} LOGIN PASSWORD 'first'`);
    await database.sql(`GRANT ALL ON ALL TABLES IN SCHEMA public TO ${USER}`);
    await database.sql(`GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO ${USER}`);
  }, 240_000);
  afterAll(async () => {
    await broker?.release();
    await server?.stop();
    await database?.sql(`DROP OWNED BY ${USER}`);
    await database?.sql(`DROP ROLE ${USER}`);
    await database?.drop();
    await rm(folder, { recursive: true, force: true });
  }, 60_000);
  afterEach(async () => {
    await service?.stop();
    service = undefined;
  }, 60_000);

  const start = async (passwords: { broker: string; database: string }): Promise<Service> => {
    await writeFile(amqpFile(), `${withLogin(server.url, passwords.broker)}\n`);
    await writeFile(databaseFile(), `${withLogin(database.url, passwords.database)}\n`);
    const files = { AMQP_URL_FILE: amqpFile(), DATABASE_URL_FILE: databaseFile() };
    return startService(readConfig({ ...files, HTTP_PORT: '0', LOG_LEVEL: 'silent' }, SERVICE_NEEDS), { log: silent });
  };
  const heartbeat = async () => (await get(service as Service, '/__heartbeat__')).status;
  const stored = async (): Promise<number> =>
    (await database.sql<{ n: number }>('SELECT count(*)::int AS n FROM email_address'))[0]?.n ?? 0;
  const noneFailed = async (): Promise<void> => {
    for (const queue of [DEAD_LETTERS, ...RETRY_DELAYS.map(retryQueue)]) expect(await broker.ready(queue)).toBe(0);
  };

  it('consumption pauses while the database refuses the password, and resumes once the file has the new one', async () => {
    service = await start({ broker: 'first', database: 'first' });
    await publish(broker, signup('ada', ['x'], 1));
    await eventually(stored, (n) => n === 1);
    await setRole('second');
    await database.sql('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1', [USER]);
    await publish(broker, signup('bob', ['x'], 1));
    await eventually(heartbeat, (status) => status === 500);
    // A half-written file is refused, and the next one is read.
    await writeFile(databaseFile(), 'postgresql');
    await eventually(heartbeat, (status) => status === 500);
    expect(await stored()).toBe(1);
    await writeFile(databaseFile(), withLogin(database.url, 'second'));
    await eventually(stored, (n) => n === 2);
    await eventually(heartbeat, (status) => status === 200);
    await noneFailed();
  }, 120_000);

  it.each([
    [
      'refuses the password',
      () => server.ctl('change_password', USER, 'second'),
      () => withLogin(server.url, 'second'),
    ],
    ['has no rights left for the user', () => server.ctl('clear_permissions', USER), () => server.url],
  ])(
    'the service reconnects to a broker that %s, once the file has a URL that works',
    async (_what, change, url) => {
      await setRole('first');
      await server.ctl('change_password', USER, 'first');
      service = await start({ broker: 'first', database: 'first' });
      const before = await stored();
      await change();
      // The connection of the test is the administrator's, and closed with the others.
      await broker.release();
      await server.ctl('close_all_connections', 'the password was changed');
      await eventually(heartbeat, (status) => status === 500);
      broker = await TestBroker.take(server.url);
      await publish(broker, signup(`cy${before}`, ['x'], 1));
      expect(await heartbeat()).toBe(500);
      await writeFile(amqpFile(), url());
      await eventually(heartbeat, (status) => status === 200, 60_000);
      await eventually(stored, (n) => n === before + 1);
      await noneFailed();
    },
    180_000,
  );

  it.each([
    ['broker', /broker rejects the user name or password in AMQP_URL/, { broker: 'wrong', database: 'first' }],
    ['database', /rejects the user or password in DATABASE_URL/, { broker: 'first', database: 'wrong' }],
  ])(
    'a start with a password that the %s refuses ends with a sentence',
    async (_server, sentence, passwords) => {
      await setRole('first');
      await server.ctl('change_password', USER, 'first');
      await server.ctl('set_permissions', USER, '.*', '.*', '.*');
      await expect(start(passwords)).rejects.toThrow(sentence);
    },
    60_000,
  );
});
