import { describe, expect, it } from '@jest/globals';
import { openDatabase } from '../../src/postgres/database';
import type { ChaosPooler } from '../../tools/chaos/servers/pooler';
import { onecontact } from '../support/command-line';
import { startPgBouncer } from '../support/infra';
import { withWorld } from './trial';

let pooler: ChaosPooler;

const { trial, inWorld } = withWorld(async (world) => {
  pooler = await startPgBouncer({ url: world.serviceUrl });
  world.atEnd(() => pooler.stop());
  return pooler.url;
});

describe('behind PgBouncer, which pools sessions with its default settings', () => {
  it.each(['killed', 'stopped'] as const)('a pooler that is %s is waited for, and nothing is lost', async (how) => {
    await trial({
      fault: `PgBouncer ${how}`,
      cause: () => pooler.down(how),
      red: /database/,
      metric: {
        name: 'onecontact_database_up',
        is: (value) => value === 0,
        text: '`onecontact_database_up` 0',
      },
      endedBy: 'restarted',
      end: () => pooler.restart(),
    });
  });

  it('a database that is killed behind the pooler is waited for', async () => {
    await trial({
      fault: 'Database killed behind PgBouncer',
      cause: (world) => world.database.down('killed'),
      red: /database/,
      metric: {
        name: 'onecontact_database_up',
        is: (value) => value === 0,
        text: '`onecontact_database_up` 0',
      },
      endedBy: 'restarted',
      end: (world) => world.database.restart(),
    });
  });

  it('a session has the settings that the code relies on, as without a pooler', async () => {
    await inWorld(async (world) => {
      const settingsAt = async (url: string): Promise<unknown[]> => {
        const db = openDatabase({ url, name: 'settings', max: 1 });
        try {
          return await db.$queryRaw`
            SELECT name, setting FROM pg_settings WHERE source = 'session' AND name <> 'application_name' ORDER BY name`;
        } finally {
          await db.$disconnect();
        }
      };
      const settings = await settingsAt(pooler.url);
      expect(settings).toEqual(await settingsAt(world.serviceUrl));
      expect(settings).toContainEqual({ name: 'TimeZone', setting: 'UTC' });
    });
  });
});

describe('behind PgBouncer, which pools transactions', () => {
  it('a command refuses to work, and says that sessions must be pooled', async () => {
    await inWorld(async (world) => {
      const other = await startPgBouncer({ url: world.serviceUrl, mode: 'transaction' });
      try {
        const { code, err } = await onecontact(['migrate'], { DATABASE_URL: other.url });
        expect(err).toMatch(/pool.*session/i);
        expect(code).toBe(1);
      } finally {
        await other.stop();
      }
    });
  });
});
