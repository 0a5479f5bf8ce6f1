/** The health check tells the truth about each part that a process runs. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Service, startService } from '../../src/main';
import { NEWSLETTER_QUEUE } from '../../src/rabbitmq/names';
import type { Part } from '../../src/service/parts';
import { TcpProxy } from '../../tools/proxy/tcp-proxy';
import { silent, withBroker } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';
import { signup } from '../support/events';
import { gate } from '../support/gate';
import { config, eventually, get, publish } from '../support/service';

const broker = withBroker();

describe('/__heartbeat__', () => {
  let database: TestDatabase;
  let services: Service[];
  let proxies: TcpProxy[];

  beforeEach(async () => {
    await broker().freshTopology();
    database = await freshDatabase();
    services = [];
    proxies = [];
  });
  afterEach(async () => {
    for (const service of services) await service.stop();
    for (const proxy of proxies) await proxy.close();
    await database.drop();
  });

  async function start(only: readonly Part[], amqpUrl = broker().url): Promise<Service> {
    const service = await startService(config({ amqpUrl, databaseUrl: database.url }), { only, log: silent });
    services.push(service);
    return service;
  }

  interface Heartbeat {
    status: number;
    checks: Record<string, string>;
    messages: Record<string, string>;
  }
  async function heartbeat(service: Service): Promise<Heartbeat> {
    const { status, body } = await get(service, '/__heartbeat__');
    const details = body.details as Record<string, { messages: Record<string, string> }>;
    return {
      status,
      checks: body.checks as Record<string, string>,
      messages: Object.assign({}, ...Object.values(details).map(({ messages }) => messages)),
    };
  }
  const becomes = (service: Service, status: number) =>
    eventually(
      () => heartbeat(service),
      (answer) => answer.status === status,
    );
  const becomesGreen = (service: Service) => becomes(service, 200);

  const COMMON = ['database', 'schema', 'service'];
  it.each<[Part[], string[]]>([
    [
      ['fxa', 'newsletter', 'relay', 'maintenance', 'http'],
      [
        ...COMMON,
        ...[
          'topology',
          'unrouted',
          'contacts.fxa',
          'contacts.newsletter',
          'outbox',
          'publishing',
          'relay',
          'maintenance',
        ],
      ],
    ],
    [['newsletter'], [...COMMON, 'topology', 'unrouted', 'contacts.newsletter', 'publishing']],
    [['relay'], [...COMMON, 'topology', 'outbox', 'publishing', 'relay']],
    [['maintenance'], [...COMMON, 'maintenance']],
    [['http'], COMMON],
  ])('of a process that runs %j has a check for each of its parts, and metrics', async (only, expected) => {
    const service = await start(only);
    expect(Object.keys((await becomesGreen(service)).checks).sort()).toEqual(expected.sort());
    const metrics = await get(service, '/metrics');
    expect([metrics.status, metrics.text.includes('onecontact_database_up 1')]).toEqual([200, true]);
    const lookUp = await get(service, '/contacts/by-email/nobody@mail.test');
    expect([lookUp.status, lookUp.body.desc]).toEqual([404, only.includes('http') ? 'User not found' : 'Not found']);
  });

  it('is red in a process that writes while the database is read-only, and green where it is only read', async () => {
    const [worker, reader] = [await start(['newsletter']), await start(['http'])];
    const setReadOnly = (value: string) =>
      database.sql(`DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = ${value}', current_database()); END $$`);
    await setReadOnly('on');
    try {
      // Sessions that are open keep the setting that they began with.
      await database.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'onecontact%' AND pid <> pg_backend_pid()`);
      const red = await eventually(
        () => heartbeat(worker),
        ({ messages }) => messages['onecontact.database']?.includes('read-only') === true,
      );
      expect(red.status).toBe(500);
      expect((await get(worker, '/metrics')).text).toContain('onecontact_database_up 0');
      await becomesGreen(reader);
    } finally {
      await database.sql('SET default_transaction_read_only = off');
      await setReadOnly('off');
    }
    await becomesGreen(worker);
  });

  it('is red while a queue is paused although the database answers, and says why: here a full disk', async () => {
    await database.sql(`
      CREATE TABLE disk (is_full boolean);
      INSERT INTO disk VALUES (true);
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF (SELECT is_full FROM disk) THEN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END IF;
        RETURN NEW; END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON email_address FOR EACH ROW EXECUTE FUNCTION refuse()`);
    const service = await start(['newsletter']);
    await becomesGreen(service);
    await publish(broker(), signup('ada', ['x'], 1));
    const red = await becomes(service, 500);
    expect(red.checks).toMatchObject({ database: 'ok', 'contacts.newsletter': 'error' });
    expect(red.messages['onecontact.contacts.newsletter']).toMatch(
      /contacts\.newsletter is paused.*the database cannot be used/,
    );
    const { text } = await get(service, '/metrics');
    expect(text).toContain(`onecontact_consuming{queue="${NEWSLETTER_QUEUE}"} 0`);
    await database.sql('UPDATE disk SET is_full = false');
    await becomesGreen(service);
    await eventually(
      () => get(service, '/metrics'),
      (metrics) => metrics.text.includes(`onecontact_consuming{queue="${NEWSLETTER_QUEUE}"} 1`),
    );
  });

  it('says which schema is missing when the tables are gone', async () => {
    const service = await start(['http']);
    await database.sql('UPDATE _prisma_migrations SET rolled_back_at = now()');
    const red = await becomes(service, 500);
    expect(red.messages['onecontact.schema']).toMatch(/^The database is \d+ migrations behind .*`onecontact migrate`/);
  });

  it('says that the broker cannot be reached, for each part that needs it', async () => {
    const proxy = await TcpProxy.to(broker().url);
    proxies.push(proxy);
    const service = await start(['newsletter'], proxy.through(broker().url));
    await becomesGreen(service);
    proxy.down();
    const red = await eventually(
      () => heartbeat(service),
      ({ messages }) => Object.keys(messages).length === 4,
    );
    for (const part of ['topology', 'publishing', 'contacts.newsletter', 'unrouted'])
      expect(red.messages[`onecontact.${part}`]).toMatch(/broker/);
    proxy.restore();
    await becomesGreen(service);
  });

  it('turns red at the beginning of a stop, while look-ups are still answered and batches are finished', async () => {
    const service = await start(['newsletter', 'http']);
    await becomesGreen(service);
    const release = await gate(database, 'LOCK TABLE email_address IN EXCLUSIVE MODE');
    let stopped: Promise<boolean>;
    try {
      await publish(broker(), signup('ada', ['x'], 1));
      const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
      await eventually(
        () => database.sql(waiting),
        (sessions) => sessions.length > 0,
      );
      stopped = service.stop();
      const { status, messages } = await heartbeat(service);
      expect([status, messages['onecontact.service']]).toEqual([500, expect.stringContaining('is stopping')]);
      expect((await get(service, '/contacts/by-email/nobody@mail.test')).status).toBe(404);
    } finally {
      await release();
    }
    expect(await stopped).toBe(true);
  });

  it('a look-up in flight is answered before a stop ends', async () => {
    await publish(broker(), signup('ada', ['x'], 1));
    const service = await start(['newsletter', 'http']);
    const lookUp = () => get(service, '/contacts/by-email/ada@mail.test');
    await eventually(lookUp, ({ status }) => status === 200);
    const release = await gate(database, 'LOCK TABLE email_address IN ACCESS EXCLUSIVE MODE');
    const answer = lookUp();
    const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    await eventually(
      () => database.sql(waiting),
      (sessions) => sessions.length > 0,
    );
    const stopped = service.stop();
    await release();
    expect([(await answer).status, await stopped]).toEqual([200, true]);
  });
});
