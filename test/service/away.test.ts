import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Service, startService } from '../../src/main';
import { DEAD_LETTERS, NEWSLETTER_QUEUE, RETRY_DELAYS, retryQueue } from '../../src/rabbitmq/names';
import { TcpProxy } from '../../tools/proxy/tcp-proxy';
import { silent, withBroker } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';
import { signup } from '../support/events';
import { config, eventually, get, publish } from '../support/service';

const broker = withBroker();

describe('while the database is away', () => {
  let database: TestDatabase;
  let proxy: TcpProxy;
  let service: Service;

  beforeAll(async () => {
    database = await freshDatabase();
    proxy = await TcpProxy.to(database.url);
    const urls = { amqpUrl: broker().url, databaseUrl: proxy.through(database.url) };
    service = await startService(config(urls), { log: silent });
  });
  afterAll(async () => {
    await service?.stop();
    await proxy?.close();
    await database?.drop();
  });

  const readers = async (): Promise<number> =>
    (await database.sql<{ n: number }>('SELECT count(*)::int AS n FROM email_address'))[0]?.n ?? 0;
  const heartbeat = async () => (await get(service, '/__heartbeat__')).status;

  it('no message is retried or dead-lettered: all wait, and are done once the database is back', async () => {
    await publish(broker(), signup('before', ['x'], 1));
    await eventually(readers, (n) => n === 1);
    proxy.down();
    await publish(broker(), ...Array.from({ length: 50 }, (_, i) => signup(`meanwhile${i}`, ['x'], 1)));
    await eventually(heartbeat, (status) => status === 500);
    // Consumption is paused: new messages pile up in the queue.
    let later = 0;
    const piledUp = async (): Promise<number> => {
      await publish(broker(), signup(`later${later++}`, ['x'], 1));
      return broker().ready(NEWSLETTER_QUEUE);
    };
    await eventually(piledUp, (n) => n >= 5);
    expect(await readers()).toBe(1);
    proxy.restore();
    await eventually(readers, (n) => n === 51 + later);
    expect(await eventually(heartbeat, (status) => status === 200)).toBe(200);
    for (const queue of [DEAD_LETTERS, ...RETRY_DELAYS.map(retryQueue)]) expect(await broker().ready(queue)).toBe(0);
  });

  it('consumption resumes once it is back, even if all waiting messages then fail for other reasons', async () => {
    await database.sql(`
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON email_address FOR EACH ROW WHEN (NEW.address LIKE 'poison%') EXECUTE FUNCTION refuse()`);
    const before = await readers();
    proxy.down();
    await publish(broker(), signup('poison', ['x'], 1));
    await eventually(heartbeat, (status) => status === 500);
    proxy.restore();
    await eventually(
      () => broker().ready(retryQueue(RETRY_DELAYS[0])),
      (n) => n === 1,
    );
    await publish(broker(), signup('after', ['x'], 1));
    await eventually(readers, (n) => n === before + 1);
  });
});
