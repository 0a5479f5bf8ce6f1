/** The state of each part, and what to do. */
import type { FastifyInstance } from 'fastify';
import { shared } from '../../foundation/shared';
import { FenceAge } from '../../postgres/feed/fence';
import type { ConsoleContext } from '../frame/context';
import { brokerFindings } from './broker-checks';
import { databaseFindings } from './database-checks';
import { HealthPage } from './health-page';

/** However many people look, nothing is asked more often. */
const EVERY_MS = 1_000;

export async function healthRoutes(
  app: FastifyInstance,
  { db, erasureKey, withBroker }: ConsoleContext,
): Promise<void> {
  const fenceAge = new FenceAge();
  const read = shared(EVERY_MS, async () => {
    const [database, broker] = await Promise.all([
      databaseFindings({ db, erasureKey, fenceAge }),
      brokerFindings(withBroker),
    ]);
    return { database, broker, at: Date.now() };
  });
  app.get('/health', async (_request, reply) =>
    reply.page({ title: 'Health', children: <HealthPage {...(await read())} /> }),
  );
}
