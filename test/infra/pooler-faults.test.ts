import { describe, it } from '@jest/globals';
import type { ChaosPooler } from '../../tools/chaos/servers/pooler';
import { startPgBouncer } from '../support/infra';
import { withWorld } from './trial';

let pooler: ChaosPooler;

const { trial } = withWorld(async (world) => {
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
});
