import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Service } from '../../src/main';
import { DEAD_LETTERS, NEWSLETTER_QUEUE, RETRY_DELAYS, retryQueue } from '../../src/rabbitmq/names';
import { withBroker } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';
import { addressOf, at, signup } from '../support/events';
import { eventually, get, messageOf, publish, startOn } from '../support/service';

const broker = withBroker();

describe('a message that the database refuses', () => {
  let database: TestDatabase;
  let service: Service;

  beforeAll(async () => {
    database = await freshDatabase();
    // A real refusal by the database, with an error of an unknown class.
    await database.sql(`
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused: %', NEW.address; END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON email_address FOR EACH ROW WHEN (NEW.address LIKE 'poison%') EXECUTE FUNCTION refuse()`);
    service = await startOn(broker(), database);
  });
  afterAll(async () => {
    await service?.stop();
    await database?.drop();
  });

  const byEmail = (name: string) => () => get(service, `/contacts/by-email/${addressOf(name).key}`);

  it('waits in a retry queue while the rest of its batch is done, and is done once the cause is fixed', async () => {
    await publish(broker(), signup('before', ['x'], 1), signup('poison', ['x'], 1), signup('after', ['x'], 1));
    await eventually(byEmail('before'), ({ status }) => status === 200);
    await eventually(byEmail('after'), ({ status }) => status === 200);
    const waiting = retryQueue(RETRY_DELAYS[0]);
    await eventually(
      () => broker().ready(waiting),
      (n) => n === 1,
    );
    await database.sql('DROP TRIGGER refuse ON email_address');
    await eventually(byEmail('poison'), ({ status }) => status === 200);
    expect(await broker().ready(DEAD_LETTERS)).toBe(0);
  });

  it('is dead-lettered after the last retry delay, with error code, attempts and origin, and without its address', async () => {
    await database.sql(
      `CREATE TRIGGER refuse BEFORE INSERT ON email_address FOR EACH ROW WHEN (NEW.address LIKE 'poison2%') EXECUTE FUNCTION refuse()`,
    );
    const { body } = messageOf(signup('poison2', ['x'], 1));
    // As it returns from the last retry queue.
    await broker().send('', NEWSLETTER_QUEUE, [JSON.stringify(body)], {
      headers: { attempts: RETRY_DELAYS.length, 'first-seen': new Date(at(0)).toISOString() },
    });
    const { properties } = await broker().next(DEAD_LETTERS);
    expect(properties.headers).toMatchObject({
      reason: 'failed',
      error: 'P0001',
      attempts: RETRY_DELAYS.length + 1,
      'origin-queue': NEWSLETTER_QUEUE,
      'first-seen': new Date(at(0)).toISOString(),
    });
  });
});
