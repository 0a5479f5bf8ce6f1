import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { FXA_QUEUE, MAILER_QUEUE, NEWSLETTER_QUEUE } from '../../src/rabbitmq/names';
import { buildProgram, type Program, ServiceProcess } from '../../tools/program/process';
import { until, withBroker } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';
import { drain } from '../support/dead-letters';
import { acct, signup } from '../support/events';
import { gate } from '../support/gate';
import { messageOf, publish } from '../support/service';

const broker = withBroker();

describe('onecontact start, on SIGTERM', () => {
  let program: Program;
  let database: TestDatabase;
  let service: ServiceProcess | undefined;

  beforeAll(async () => {
    program = await buildProgram();
  }, 120_000);
  afterAll(() => program?.remove());
  beforeEach(async () => {
    await broker().freshTopology();
    database = await freshDatabase();
  });
  afterEach(async () => {
    await service?.kill();
    await database?.drop();
  });

  function start(env: Record<string, string> = {}): ServiceProcess {
    service = new ServiceProcess(program, {
      env: { AMQP_URL: broker().url, DATABASE_URL: database.url, ...env },
    });
    return service;
  }
  const stored = async (): Promise<string[]> =>
    (await database.sql<{ address: string }>('SELECT address FROM email_address')).map(({ address }) => address);

  it('exits with 0 under load: handled messages are never redelivered, and the others are still queued', async () => {
    const names = Array.from({ length: 1_500 }, (_, n) => n);
    await publish(broker(), ...names.flatMap((n) => [signup(`reader${n}`, ['x'], 1), acct(`u${n}`, `user${n}`, 1)]));
    const all = names.flatMap((n) => [`reader${n}@mail.test`, `user${n}@mail.test`]).sort();
    // Small batches, so that some are in flight at any moment.
    const running = start({ BATCH_SIZE: '5', PREFETCH: '100', CONCURRENCY: '4' });
    await until(async () => (await stored()).length > 200, 60_000);
    running.child.kill('SIGTERM');
    expect(await running.ended).toEqual({ code: 0, signal: null });

    const done = await stored();
    const left = [...(await drain(broker(), FXA_QUEUE)), ...(await drain(broker(), NEWSLETTER_QUEUE))];
    expect(left.length).toBeGreaterThan(0); // otherwise there was no load left
    // Each message is either committed and acknowledged, or still in its queue.
    expect([...done, ...left.map((body) => JSON.parse(body).email)].sort()).toEqual(all);
  }, 120_000);

  it('publishes all announced merges before it exits', async () => {
    const names = Array.from({ length: 40 }, (_, n) => n);
    await publish(broker(), ...names.map((n) => signup(`reader${n}`, ['x'], 1)));
    const running = start();
    await until(async () => (await stored()).length === names.length, 60_000);
    const merges = async (): Promise<number> => (await database.sql('SELECT FROM merge')).length;
    await publish(broker(), ...names.map((n) => acct(`u${n}`, `user${n}`, 1)));
    await publish(broker(), ...names.map((n) => acct(`u${n}`, `reader${n}`, 2)));
    await until(async () => (await merges()) > 0, 60_000);
    running.child.kill('SIGTERM');
    expect(await running.ended).toEqual({ code: 0, signal: null });
    expect(await database.sql('SELECT FROM outbox')).toEqual([]);
    const published = (await drain(broker(), MAILER_QUEUE)).map((body) => JSON.parse(body).merge_id);
    // A new primary address names its merge too.
    expect(new Set(published.filter((id) => id !== undefined)).size).toBe(await merges());
  }, 120_000);

  it('exits with 0 before the service is up, without having taken a message', async () => {
    const event = signup('early', ['x'], 1);
    await publish(broker(), event);
    // The first look-up of HTTP is the last step of a start that can wait.
    const release = await gate(database, 'LOCK TABLE contact IN ACCESS EXCLUSIVE MODE');
    try {
      const starting = start();
      const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database()
        AND application_name = 'onecontact http' AND wait_event_type = 'Lock'`;
      await until(async () => (await database.sql(waiting)).length > 0, 60_000);
      starting.child.kill('SIGTERM');
      expect(await starting.ended).toEqual({ code: 0, signal: null });
      expect(starting.out).toContain('told to stop before the service was up');
      expect(starting.out).not.toContain('"consuming"');
    } finally {
      await release();
    }
    const { content, fields } = await broker().next(NEWSLETTER_QUEUE);
    expect(content.toString()).toBe(JSON.stringify(messageOf(event).body));
    expect(fields.redelivered).toBe(false);
  }, 120_000);

  it('ignores a second SIGTERM within 2 s; a later one ends the process at once with 1 and loses nothing', async () => {
    // Another session holds the lock that the batch needs, so the service cannot finish it.
    const release = await gate(database, 'LOCK TABLE email_address IN EXCLUSIVE MODE');
    try {
      const running = start({ SHUTDOWN_TIMEOUT_MS: '60000' });
      const event = signup('held', ['x'], 1);
      await publish(broker(), event);
      const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
      await until(async () => (await database.sql(waiting)).length > 0, 60_000);
      await until(() => running.isUp, 60_000); // a signal during the start would just end the start

      let end: { code: number | null; signal: NodeJS.Signals | null } | undefined;
      void running.ended.then((how) => {
        end = how;
      });
      const first = performance.now();
      let latest = first;
      await until(() => {
        if (end === undefined) {
          running.child.kill('SIGTERM'); // repeated until the process ends
          latest = performance.now();
        }
        return end !== undefined;
      }, 30_000);
      expect(end).toEqual({ code: 1, signal: null });
      expect(latest - first).toBeGreaterThanOrEqual(2_000);
      expect(running.out).toContain('told to stop');
      expect((await broker().next(NEWSLETTER_QUEUE)).content.toString()).toBe(JSON.stringify(messageOf(event).body));
    } finally {
      await release();
    }
  }, 120_000);
});
