import { describe, expect, it } from '@jest/globals';
import type { ChaosDatabase } from '../../tools/chaos/servers/database';
import { until } from '../support/broker';
import { type Fault, withWorld } from './trial';
import { DATABASE, PASSWORD, USER, type World } from './world';

const { trial, inWorld } = withWorld();

const LIMIT_MS = 120_000;

const databaseDown: NonNullable<Fault['metric']> = {
  name: 'onecontact_database_up',
  is: (value) => value === 0,
  text: '`onecontact_database_up` 0',
};

const paused: NonNullable<Fault['metric']> = {
  name: 'onecontact_consumption_paused',
  labels: { queue: 'contacts.newsletter' },
  is: (value) => value === 1,
  text: '`onecontact_consumption_paused` 1',
};

/** Runs statements as the superuser in the server's default database. */
const admin = async (world: World, ...statements: string[]): Promise<void> => {
  for (const statement of statements) await world.sql(statement, 'postgres');
};
const endSessions = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '${USER}'`;

async function standbyOf(world: World): Promise<ChaosDatabase> {
  const standby = await world.database.startStandby();
  world.atEnd(() => standby.stop());
  return standby;
}

describe('the database is away', () => {
  it('a killed database is waited for', async () => {
    await trial({
      fault: 'Database killed',
      cause: (world) => world.database.down('killed'),
      red: /database/,
      metric: databaseDown,
      endedBy: 'restarted',
      end: (world) => world.database.restart(),
    });
  });

  it('a database that holds all bytes back is noticed', async () => {
    await trial({
      fault: 'Network to the database silent',
      cause: async (world) => world.databaseSwitch.hold('all'),
      red: /database/,
      metric: databaseDown,
      endedBy: 'the network restored',
      end: async (world) => world.databaseSwitch.restore(),
    });
  });

  it('a database that is renamed away while the service runs, as for a restore, is waited for', async () => {
    await trial({
      fault: 'Database dropped (3D000), as during a restore',
      cause: (world) =>
        admin(
          world,
          `ALTER DATABASE ${DATABASE} ALLOW_CONNECTIONS false`,
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${DATABASE}'`,
          `ALTER DATABASE ${DATABASE} RENAME TO away`,
        ),
      red: /database/,
      metric: databaseDown,
      endedBy: 'the database restored',
      end: (world) =>
        admin(world, `ALTER DATABASE away RENAME TO ${DATABASE}`, `ALTER DATABASE ${DATABASE} ALLOW_CONNECTIONS true`),
    });
  });

  it('a database without our tables pauses consumption, with a red heartbeat', async () => {
    await trial({
      fault: 'Database without tables (42P01)',
      cause: (world) => world.sql('ALTER SCHEMA public RENAME TO away; CREATE SCHEMA public'),
      red: /schema/,
      metric: paused,
      endedBy: 'the tables restored',
      end: (world) => world.sql('DROP SCHEMA public; ALTER SCHEMA away RENAME TO public'),
    });
  });

  it('no free connection: what is accepted waits', async () => {
    await trial({
      fault: 'Connections exhausted (53300)',
      cause: (world) => admin(world, `ALTER ROLE ${USER} CONNECTION LIMIT 0`, endSessions),
      red: /database/,
      metric: databaseDown,
      endedBy: 'the limit lifted',
      end: (world) => admin(world, `ALTER ROLE ${USER} CONNECTION LIMIT -1`),
    });
  });

  it('a changed password is waited for', async () => {
    await trial({
      fault: 'Password changed (28P01)',
      cause: (world) => admin(world, `ALTER ROLE ${USER} PASSWORD 'another'`, endSessions),
      red: /database/,
      metric: databaseDown,
      endedBy: 'the password changed back',
      end: (world) => admin(world, `ALTER ROLE ${USER} PASSWORD '${PASSWORD}'`),
    });
  });

  it('a full disk pauses consumption, with a red heartbeat', async () => {
    await trial({
      fault: 'Disk full (53100)',
      // Raised by a trigger: filling a disk needs root.
      cause: (world) =>
        world.sql(`
          CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
          CREATE TRIGGER full_disk BEFORE INSERT ON email_address EXECUTE FUNCTION full_disk()`),
      metric: paused,
      red: /contacts\.newsletter|database/,
      endedBy: 'space freed',
      end: (world) => world.sql('DROP FUNCTION full_disk CASCADE'),
    });
  });
});

describe('the server takes no writes', () => {
  it('a database that is set to read-only pauses consumption, and goes on with sessions that can write', async () => {
    await trial({
      fault: 'Database set to read-only (25006)',
      cause: (world) => admin(world, `ALTER DATABASE ${DATABASE} SET default_transaction_read_only = on`, endSessions),
      red: /read-only/,
      metric: databaseDown,
      // A primary that is only read-only has all that was ever written.
      meanwhile: async (world) =>
        expect((await world.get('/contacts/by-email/reader1@mail.test')).status).not.toBe(503),
      endedBy: 'writes allowed again',
      end: (world) => admin(world, `ALTER DATABASE ${DATABASE} RESET default_transaction_read_only`),
    });
  });

  it('a name that leads to a standby and back, without a cut connection, leaves no session on the standby', async () => {
    let standby: ChaosDatabase;
    await trial({
      fault: 'Name leads to a standby, then back',
      async cause(world) {
        standby = await standbyOf(world);
        world.databaseSwitch.lead(standby.url);
        world.databaseSwitch.cut();
      },
      red: /recovery|read-only/,
      metric: databaseDown,
      endedBy: 'the name led back, no connection cut',
      end: async (world) => world.databaseSwitch.lead(world.database.url),
    });
    await standby!.stop();
  });

  it('look-ups answer 503 from a standby that is behind, where a retired token would still be valid', async () => {
    await inWorld(async (world) => {
      const [address] = await world.publish(1);
      await world.handled([address!]);
      const lookUp = (): Promise<{ status: number }> => world.get(`/contacts/by-email/${address}`);
      await until(async () => (await lookUp()).status === 200, LIMIT_MS);
      const standby = await standbyOf(world);
      world.databaseSwitch.lead(standby.url);
      world.databaseSwitch.cut();
      await until(async () => (await lookUp()).status === 503, LIMIT_MS);
      for (let times = 0; times < 20; times++) expect((await lookUp()).status).toBe(503);
      world.databaseSwitch.lead(world.database.url);
      await until(async () => (await lookUp()).status === 200, LIMIT_MS);
      await standby.stop();
    });
  });

  it('after a fail-over to a promoted standby everything continues there', async () => {
    let standby: ChaosDatabase;
    await trial({
      fault: 'Primary killed, standby promoted',
      async cause(world) {
        standby = await standbyOf(world);
        await until(async () => {
          const [row] = await world.sql<{ caught_up: boolean }>(
            'SELECT replay_lsn = pg_current_wal_lsn() AS caught_up FROM pg_stat_replication',
          );
          return row?.caught_up === true;
        }, LIMIT_MS);
        await world.database.down('killed');
        world.databaseSwitch.lead(standby.url);
        world.databaseSwitch.cut();
      },
      red: /recovery|read-only/,
      metric: databaseDown,
      endedBy: 'the standby promoted',
      async end(world) {
        await standby.promote();
        world.database = standby;
      },
    });
  });
});
