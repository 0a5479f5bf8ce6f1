import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Maintenance, type MaintenanceOptions } from '../../src/compaction/maintenance';
import { PASSES } from '../../src/compaction/run';
import type { ContactEvent } from '../../src/contacts/facts/event';
import { makeMetrics } from '../../src/observability/metrics';
import { type Database, openDatabase } from '../../src/postgres/database';
import { lastCompaction } from '../../src/postgres/tables/compaction';
import { TcpProxy } from '../../tools/proxy/tcp-proxy';
import { silent } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, addressOf, del, EPOCH, signup } from '../support/events';
import { gate, waiting } from '../support/gate';
import { eventually } from '../support/service';
import { apply, brokenPromises, canonicalExportOf } from '../support/stored';

const DAY = 86_400_000;

let database: TestDatabase;
let running: Maintenance[];
let opened: Database[];
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database?.drop());
beforeEach(async () => {
  running = [];
  opened = [];
  await database.sql(`TRUNCATE contact, email_address, account, address_claim, choice, basket_token, merge, claim_block, outbox, audit;
    UPDATE compaction SET pass = 0, holder = NULL, held_until = NULL, finished_at = NULL`);
});
afterEach(async () => {
  for (const maintenance of running) await maintenance.stop();
  for (const db of opened) await db.$disconnect();
});

/** Starts maintenance in a process of its own, as far as the database can tell. */
function start(name = 'onecontact test', options: Partial<MaintenanceOptions> = {}, url = database.url) {
  const db = openDatabase({ url, name, max: 1, writes: true });
  const metrics = makeMetrics();
  const settings = {
    olderThanMs: Date.now() - EPOCH - DAY,
    auditRetentionMs: DAY,
    everyMs: DAY,
    percent: 100,
    idleMs: 20,
  };
  const maintenance = new Maintenance({ db, metrics, log: silent, ...settings, ...options });
  opened.push(db);
  running.push(maintenance);
  const countOf = async (metric: 'compactedRows' | 'compactedPages', label: string): Promise<number> => {
    const { values } = await metrics[metric].get();
    return values.find(({ labels }) => Object.values(labels).includes(label))?.value as number;
  };
  return {
    maintenance,
    rows: (kind: string) => countOf('compactedRows', kind),
    pages: (outcome: 'done' | 'left') => countOf('compactedPages', outcome),
  };
}

const finished = () =>
  eventually(
    () => lastCompaction(database.db),
    (time) => time !== null,
  );

/** Resolves when the process with this name has asked for work and was given none. */
const isIdle = (name: string) =>
  eventually(
    () =>
      database.sql(
        `SELECT FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = $1 AND query ~ 'pg_stat_user_tables'`,
        [name],
      ),
    (sessions) => sessions.length > 0,
  );

/** Something of each kind that compaction removes, all of it old. */
const OLD: ContactEvent[] = [
  ...[1, 2, 3, 4].map((t) => acct('u', 'a', t)),
  ...[5, 6, 7].map((t) => signup('b', ['x'], t)),
  acct('d', 'c', 1, { locale: 'de' }),
  del('d', 2),
];

const claims = async () => (await database.sql('SELECT FROM address_claim')).length;
const key = (name: string): string => addressOf(name).key;

describe('maintenance', () => {
  it('compacts by itself, counts what it removes, and notes when it has finished', async () => {
    await apply(database.db, ...OLD);
    await database.sql(
      `INSERT INTO audit (at, operator, command, target) VALUES (now() - interval '3 days', 'x', 'purge', '{}')`,
    );
    const { rows, pages } = start();
    const end = await finished();
    const kinds = ['claims', 'choices', 'accounts', 'addresses', 'contacts', 'explanations', 'audit'];
    expect(await Promise.all(kinds.map(rows))).toEqual([2, 1, 1, 1, 1, 0, 1]);
    expect([await pages('done'), await pages('left')]).toEqual([4, 0]);
    expect(Math.abs((end as number) - Date.now())).toBeLessThan(60_000);
    expect(await brokenPromises(database)).toEqual([]);
  });

  it('keeps what is younger than the horizon', async () => {
    await apply(database.db, ...OLD);
    const { rows } = start('onecontact test', { olderThanMs: Date.now() - EPOCH });
    await finished();
    expect([await rows('claims'), await rows('choices'), await rows('addresses')]).toEqual([0, 0, 0]);
  });

  it('runs again once a run is due, and not before', async () => {
    await database.sql('UPDATE compaction SET finished_at = now()');
    await apply(database.db, ...OLD);
    const first = start('first');
    await isIdle('first');
    expect(await first.pages('done')).toBe(0);
    await first.maintenance.stop();
    await database.sql(`UPDATE compaction SET finished_at = now() - interval '25 hours'`);
    const second = start('second');
    await eventually(claims, (count) => count === 2);
    expect(await second.rows('claims')).toBe(2);
  });

  it('of two processes, one works: the other waits for the end of the run', async () => {
    await apply(database.db, ...OLD);
    const open = await gate(database, 'SELECT FROM email_address WHERE address = $1 FOR UPDATE', [key('a')]);
    // Waits for the address, however long that takes.
    const first = start('onecontact test', { lockTimeoutMs: 300_000 });
    await waiting(database, 1);
    const second = start('second');
    await isIdle('second');
    expect(await second.pages('done')).toBe(0);
    await open();
    await finished();
    expect([await first.rows('claims'), await first.pages('done')]).toEqual([2, 3]);
    expect([await second.rows('claims'), await second.pages('done')]).toEqual([0, 0]);
  });

  it('another process goes on with the same pass when one stops', async () => {
    await apply(database.db, ...OLD);
    // It has done the first pass, and stopped.
    await database.sql('UPDATE compaction SET pass = 1');
    const { rows } = start();
    await finished();
    expect([await rows('claims'), await rows('accounts'), await rows('addresses')]).toEqual([0, 1, 1]);
    expect(await database.sql('SELECT pass, holder FROM compaction')).toEqual([{ pass: 0, holder: null }]);
  });

  it('gives up its hold when it stops, and goes on where a process was killed once its hold has expired', async () => {
    await apply(database.db, ...OLD);
    await database.sql(
      `UPDATE compaction SET holder = '00000000-0000-0000-0000-000000000001', held_until = now() + interval '1 hour'`,
    );
    const { pages, maintenance } = start('waits');
    await isIdle('waits');
    expect(await pages('done')).toBe(0);
    await database.sql(`UPDATE compaction SET held_until = now() - interval '1 second'`);
    await finished();
    expect(await pages('done')).toBe(3);
    await maintenance.stop();

    await database.sql('UPDATE compaction SET finished_at = NULL');
    const open = await gate(database, 'LOCK TABLE account IN ACCESS EXCLUSIVE MODE');
    const stopped = start('onecontact test', { lockTimeoutMs: 300_000 });
    await waiting(database, 1);
    const end = stopped.maintenance.stop();
    await open();
    await end;
    expect(await database.sql('SELECT holder, finished_at FROM compaction')).toEqual([
      { holder: null, finished_at: null },
    ]);
  });

  it('does nothing more once another process has taken over', async () => {
    await apply(database.db, ...OLD);
    const { pages } = start('overtaken', { pageSize: 1, percent: 5 });
    await eventually(
      () => pages('done'),
      (count) => count > 0,
    );
    const other = '00000000-0000-0000-0000-000000000001';
    await database.sql(`UPDATE compaction SET holder = $1, held_until = now() + interval '1 hour'`, [other]);
    await isIdle('overtaken');
    expect(await database.sql('SELECT holder, finished_at FROM compaction')).toEqual([
      { holder: other, finished_at: null },
    ]);
  });

  it('leaves rows that are locked for the next run, and does all others', async () => {
    await apply(database.db, ...OLD, ...[1, 2, 3].map((t) => acct('v', 'v', t)));
    const open = await gate(database, 'SELECT FROM email_address WHERE address = $1 FOR UPDATE', [key('a')]);
    const { rows, pages, maintenance } = start('onecontact test', { pageSize: 1 });
    await finished();
    expect([await rows('claims'), await rows('choices'), await pages('left')]).toEqual([1, 1, 1]);
    expect(maintenance.hints()).toEqual([]);
    await open();
    await database.sql('UPDATE compaction SET finished_at = NULL');
    await finished();
    expect([await rows('claims'), await pages('left')]).toEqual([3, 1]);
  });

  it('waits while the database is away, says so as a hint, and continues once it is back', async () => {
    await apply(database.db, ...OLD);
    const proxy = await TcpProxy.to(database.url);
    try {
      await database.sql('UPDATE compaction SET finished_at = now()');
      const { maintenance, rows } = start('through a proxy', {}, proxy.through(database.url));
      await isIdle('through a proxy');
      proxy.down();
      const hints = async () => maintenance.hints();
      const [hint] = await eventually(hints, (found) => found.length > 0);
      expect(hint).toMatch(/^Compaction failed \(\w+\) and is tried again/);
      expect(maintenance.problems()).toEqual([]);
      proxy.restore();
      await database.sql('UPDATE compaction SET finished_at = NULL');
      await finished();
      expect(await rows('claims')).toBe(2);
      expect(maintenance.hints()).toEqual([]);
    } finally {
      for (const maintenance of running.splice(0)) await maintenance.stop();
      await proxy.close();
    }
  });

  it('ends beside live traffic with the same contacts, and no deadlock', async () => {
    const names = Array.from({ length: 40 }, (_, i) => i);
    const other = await freshDatabase();
    try {
      const both = [database, other];
      const old = names.flatMap((i) => [
        ...[1, 2, 3, 4, 5].map((t) => acct(`l${i}`, `l${i}`, t)),
        ...[6, 7, 8].map((t) => signup(`l${i}`, ['x'], t)),
        acct(`d${i}`, `d${i}`, 1, { locale: 'de', newsletters: ['n'] }),
        signup(`d${i}`, ['y'], 2),
        del(`d${i}`, 3),
      ]);
      for (const { db } of both) await apply(db, ...old);
      const maintenance = [start(), start()];
      const events = (round: number): ContactEvent[] =>
        names.flatMap((i) => [
          acct(`l${i}`, `l${i}`, 100_000 + round),
          acct(`l${(i + round) % 40}`, `d${i}`, 100_000 + round),
          signup(`l${i}`, ['x'], 100_000 + round),
        ]);
      const rounds = [0, 1, 2, 3, 4, 5];
      const worker = async (nr: number): Promise<void> => {
        for (const round of rounds) {
          const batch = events(round).filter((_, index) => index % 3 === nr);
          await apply(database.db, ...(nr === 1 ? batch.reverse() : batch));
          await database.db.$executeRaw`UPDATE compaction SET finished_at = NULL`;
        }
      };
      await Promise.all([worker(0), worker(1), worker(2)]);
      for (const round of rounds) await apply(other.db, ...events(round));
      // Rows that were locked are left for a later run.
      const removed = async (): Promise<number> => {
        await database.sql('UPDATE compaction SET finished_at = NULL');
        const counts = await Promise.all(maintenance.map(({ rows }) => rows('claims')));
        return counts.reduce((sum, rows) => sum + rows, 0);
      };
      await eventually(removed, (rows) => rows === 3 * names.length);
      const deadlocks = 'SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()';
      expect(await database.sql(deadlocks)).toEqual([{ deadlocks: 0 }]);
      expect(await brokenPromises(database)).toEqual([]);
      expect(await canonicalExportOf(database.db)).toEqual(await canonicalExportOf(other.db));
    } finally {
      await other.drop();
    }
  });

  it('analyses a table that has grown from nothing, because sessions keep plans for an empty one', async () => {
    await database.sql('UPDATE compaction SET finished_at = now()');
    await database.sql(`
      CREATE TABLE grown (id int) WITH (autovacuum_enabled = off);
      INSERT INTO grown SELECT generate_series(1, 5000);
      SELECT pg_stat_force_next_flush()`);
    try {
      start();
      const analysed = () => database.sql(`SELECT last_analyze FROM pg_stat_user_tables WHERE relname = 'grown'`);
      const [table] = await eventually(analysed, ([row]) => row?.last_analyze !== null);
      expect(table?.last_analyze).toBeInstanceOf(Date);
    } finally {
      await database.sql('DROP TABLE grown');
    }
  });

  it('ends a run that was begun by a version with more passes', async () => {
    await database.sql('UPDATE compaction SET pass = $1', [PASSES.length]);
    start();
    await finished();
    expect(await database.sql('SELECT pass FROM compaction')).toEqual([{ pass: 0 }]);
  });
});
